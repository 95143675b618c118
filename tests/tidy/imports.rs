//! Finds which file of the program uses which: paths in `use` and in the code, followed through the
//! re-exports of parent files.

use std::collections::{BTreeMap, BTreeSet};

/// A module's path (`["store", "writer"]`) and its file with the text.
type Modules = BTreeMap<Vec<String>, File>;

struct File {
    path: String,
    /// The code without comments, strings, and the unit tests at its end.
    code: String,
    /// The names that `use` imports, with the full path of each; a re-export is one of them.
    names: BTreeMap<String, Vec<String>>,
}

/// For each file the other files that it uses.
pub(crate) fn used_files(sources: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let mut modules = Modules::new();
    for (path, text) in sources {
        let module = module_of(path);
        let code = code_of(text);
        let names = uses(&code, &module);
        modules.insert(module, File { path: path.clone(), code, names });
    }
    modules
        .iter()
        .map(|(module, file)| (file.path.clone(), used_by(module, file, &modules)))
        .collect()
}

/// A path from a file back to itself, if there is one.
pub(crate) fn cycle(files: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    files.keys().find_map(|file| follow(file, files, &mut Vec::new(), &mut done))
}

fn follow(
    file: &str,
    files: &BTreeMap<String, BTreeSet<String>>,
    way: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(start) = way.iter().position(|earlier| earlier == file) {
        return Some([&way[start..], &[file.to_owned()]].concat());
    }
    let used = files.get(file).filter(|_| done.insert(file.to_owned()))?;
    way.push(file.to_owned());
    let found = used.iter().find_map(|used| follow(used, files, way, done));
    way.pop();
    found
}

fn used_by(module: &[String], file: &File, modules: &Modules) -> BTreeSet<String> {
    let without_uses = file.code.split(';').filter(|part| use_tree(part).is_none());
    let mut paths: Vec<Vec<String>> = without_uses.flat_map(paths_in).collect();
    paths.retain_mut(|path| absolute(path, module, &file.names, modules));
    // A re-export by itself is no use of the file that defines the item.
    let imports = file.code.split(';').filter(|part| !part.trim_start().starts_with("pub"));
    let imports = imports.filter_map(use_tree).flat_map(|tree| expanded(tree, module));
    paths.extend(imports.map(|(_, path)| path));
    let used = paths.iter().filter_map(|path| file_of(path, modules, 0));
    used.filter(|used| *used != file.path).collect()
}

/// The file that defines the item of this path; `None` if the path names a module or a crate.
fn file_of(path: &[String], modules: &Modules, depth: usize) -> Option<String> {
    assert!(depth < 10, "{path:?} is re-exported in a cycle");
    let length = (1..=path.len()).rev().find(|length| modules.contains_key(&path[..*length]))?;
    let (file, item) = (&modules[&path[..length]], path.get(length)?);
    match file.names.get(item) {
        Some(exported) if exported != path && modules.contains_key(&exported[..1]) => {
            file_of(exported, modules, depth + 1)
        }
        _ => Some(file.path.clone()),
    }
}

/// Makes a path in the code start at the crate; returns false if it leads out of it.
fn absolute(
    path: &mut Vec<String>,
    module: &[String],
    names: &BTreeMap<String, Vec<String>>,
    modules: &Modules,
) -> bool {
    let child = [module, &path[..1]].concat();
    let start = match path[0].as_str() {
        "crate" => Vec::new(),
        "self" => module.to_vec(),
        "super" => module[..module.len() - 1].to_vec(),
        name if names.contains_key(name) => names[name].clone(),
        _ if modules.contains_key(&child) => child,
        _ => return false,
    };
    path.splice(..1, start);
    true
}

/// `src/store/writer.rs` is `store::writer`.
fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').map(ToOwned::to_owned).collect()
}

fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    let code = lines.collect::<Vec<_>>().join("\n");
    // Text between quotes is not code; an escaped quote does not end it.
    code.replace("\\\"", "").split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

/// The tree of a `use`, without the keyword.
fn use_tree(part: &str) -> Option<&str> {
    let line = part
        .lines()
        .position(|line| line.trim_start().trim_start_matches("pub ").starts_with("use "));
    let start = part.lines().take(line?).map(|line| line.len() + 1).sum::<usize>();
    part[start..].split_once("use ").map(|(_, tree)| tree)
}

fn uses(code: &str, module: &[String]) -> BTreeMap<String, Vec<String>> {
    code.split(';').filter_map(use_tree).flat_map(|tree| expanded(tree, module)).collect()
}

/// The names that a `use` imports, each with its full path.
fn expanded(tree: &str, module: &[String]) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    expand(tree.trim(), &[], &mut found);
    for (_, path) in &mut found {
        let start = match path[0].as_str() {
            "crate" => Vec::new(),
            "self" => module.to_vec(),
            "super" => module[..module.len() - 1].to_vec(),
            // A child of this module, or another crate, whose name is no module's.
            name => [module, &[name.to_owned()]].concat(),
        };
        path.splice(..1, start);
    }
    found
}

fn expand(tree: &str, before: &[String], found: &mut Vec<(String, Vec<String>)>) {
    if let Some((prefix, group)) = tree.split_once('{') {
        let words = prefix.split("::").map(str::trim).filter(|word| !word.is_empty());
        let before: Vec<String> =
            before.iter().cloned().chain(words.map(ToOwned::to_owned)).collect();
        for part in group_parts(group) {
            expand(part.trim(), &before, found);
        }
    } else if !tree.is_empty() {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let words = path.split("::").map(|word| word.trim().to_owned());
        let mut path: Vec<String> = before.iter().cloned().chain(words).collect();
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = if name.is_empty() { path.last().unwrap().clone() } else { name.to_owned() };
        found.push((name, path));
    }
}

/// The parts of a group up to its closing brace; nested groups are not split.
fn group_parts(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, sign) in group.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts
}

/// Paths of at least two segments, such as `store::open`.
fn paths_in(code: &str) -> Vec<Vec<String>> {
    let word = |sign: char| sign.is_alphanumeric() || sign == '_' || sign == ':';
    let paths = code.split(|sign| !word(sign)).filter(|path| path.contains("::"));
    let paths = paths.map(|path| path.split("::").filter(|word| !word.is_empty()));
    paths
        .map(|path| path.map(ToOwned::to_owned).collect::<Vec<_>>())
        .filter(|path| !path.is_empty())
        .collect()
}
