//! Guards the pages for people: a dead link or part, a page that a browser does not keep, a policy that is not strict,
//! a code without its explanation.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::common::{Client, Server};

/// Own scripts, styles, pictures and requests alone, in no frame, and no element from text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; \
    require-trusted-types-for 'script'; trusted-types tillcast; worker-src 'self'";

/// The pages and their parts, by path: each is asked for as it is found in another.
fn all_parts(browser: &Client) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    let mut paths = pages();
    while let Some(path) = paths.pop() {
        let text = browser.get(&path).expect(200).text();
        for quoted in text.split(['"', '\'']) {
            let is_part = quoted.starts_with("/assets/") || quoted == "/client.js";
            if is_part && !texts.contains_key(quoted) {
                paths.push(quoted.to_owned());
            }
        }
        texts.insert(path, text);
    }
    texts
}

/// The pages whose sources there are, and the other address of one.
fn pages() -> Vec<String> {
    let names = fs::read_dir("src/pages").unwrap().map(|entry| entry.unwrap().file_name());
    let pages = names.filter_map(|name| Some(name.to_str()?.strip_suffix(".html")?.to_owned()));
    let path = |name: String| format!("/{}", if name == "index" { "" } else { &name });
    pages.map(path).chain(["/docs/problems".to_owned()]).collect()
}

#[test]
fn a_browser_keeps_pages_for_a_week_and_their_parts_for_ever() {
    let server = Server::start();
    let browser = server.anonymous();
    let parts = all_parts(&browser);
    assert!(parts.len() > 20, "{:?}", parts.keys());
    for path in parts.keys() {
        let answer = browser.get_with(path, &[("accept-encoding", "gzip, deflate")]).expect(200);
        assert_eq!(answer.header("content-encoding"), "gzip");
        assert_eq!(answer.header("vary"), "Accept-Encoding");
        assert_eq!(answer.header("content-security-policy"), POLICY);
        let expected = match path.as_str() {
            path if path.starts_with("/assets/") => "public, max-age=31536000, immutable",
            "/client.js" | "/query.js" => "public, no-cache",
            _ => "public, max-age=604800",
        };
        assert_eq!(answer.header("cache-control"), expected, "{path}");
        let kind = path.rsplit_once('.').map_or("html", |(_, kind)| kind);
        let expected = match kind {
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            kind => &format!("text/{kind}; charset=utf-8"),
        };
        assert_eq!(answer.header("content-type"), expected, "{path}");
        assert_eq!(browser.delete(path).expect(405).header("allow"), "GET, HEAD");
    }
}

/// What a cache keeps of a `304` takes the place of what it had: without them, it would not keep the page any more.
#[test]
fn a_page_that_a_browser_has_is_not_sent_again() {
    let server = Server::start();
    let browser = server.anonymous();
    let gzip = ("accept-encoding", "gzip");
    for path in ["/board", "/client.js"] {
        let [first, text] =
            [&[gzip][..], &[]].map(|headers| browser.get_with(path, headers).expect(200));
        let tag = ("if-none-match", first.header("etag"));
        let again = browser.get_with(path, &[gzip, tag]).expect(304);
        assert!(again.body.is_empty());
        for name in ["etag", "cache-control", "content-security-policy", "vary"] {
            assert_eq!(again.header(name), first.header(name), "{path}: {name}");
        }
        // The tag is that of the compressed bytes, and of this content.
        assert_eq!(browser.get_with(path, &[tag]).expect(200).text(), text.text());
        let other = ("if-none-match", text.header("etag"));
        assert_eq!(browser.get_with(path, &[gzip, other]).expect(200).body, first.body);
        browser.get_with(path, &[other]).expect(304);
    }
    let tags = ["/board", "/sell", "/client.js"]
        .map(|path| browser.get(path).expect(200).header("etag").to_owned());
    assert_eq!(BTreeSet::from(tags).len(), 3);
}

/// The parts that programs of others import.
#[test]
fn the_client_is_small_and_comes_with_its_types() {
    let server = Server::start();
    let browser = server.anonymous();
    let answer = browser.get_with("/client.js", &[("accept-encoding", "gzip")]).expect(200);
    assert!(answer.body.len() <= 10 * 1024, "{} bytes", answer.body.len());
    let types = browser.get("/client.d.ts").expect(200);
    assert_eq!(types.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(types.header("cache-control"), "public, no-cache");
    assert_eq!(types.text(), include_str!("../../src/pages/client.d.ts"));
    for part in ["/client.js", "/query.js"] {
        assert!(!browser.get(part).expect(200).text().contains("import "), "{part}");
    }
}

/// A part that the worker does not keep is missing when the server is.
#[test]
fn the_worker_keeps_every_page_and_part() {
    let server = Server::start();
    let browser = server.anonymous();
    let answer = browser.get("/worker.js").expect(200);
    assert_eq!(answer.header("cache-control"), "public, no-cache");
    let text = answer.text();
    let (_, list) = text.split_once("([").unwrap();
    let (list, _) = list.split_once("])").unwrap();
    let kept: BTreeSet<&str> = list.split('\'').filter(|path| path.starts_with('/')).collect();
    let parts = all_parts(&browser);
    let mut expected: BTreeSet<&str> = parts.keys().map(String::as_str).collect();
    for public in ["/client.js", "/query.js", "/docs/problems"] {
        expected.remove(public);
    }
    assert!(expected.is_subset(&kept), "{:?}", expected.difference(&kept));
    for path in kept {
        browser.get(path).expect(200);
    }
}

/// A script that the page does not name is found only when another has come, one after the other.
#[test]
fn a_page_names_its_version_and_all_of_its_scripts() {
    let server = Server::start();
    let browser = server.anonymous();
    let parts = all_parts(&browser);
    for page in pages() {
        let text = &parts[&page];
        let version = concat!("<html data-version=\"", env!("CARGO_PKG_VERSION"), "\"");
        assert!(text.contains(version), "{page}");
        let is_script = |name: &str| name.rsplit_once('.').is_some_and(|(_, kind)| kind == "js");
        let mut scripts: Vec<&str> = text.split('"').filter(|name| is_script(name)).collect();
        while let Some(script) = scripts.pop() {
            for import in parts[script].split("from '").skip(1) {
                let (import, _) = import.split_once('\'').unwrap();
                assert!(text.contains(import), "{page}: {import}");
                scripts.push(import);
            }
        }
    }
}

#[test]
fn a_part_of_another_build_is_not_found() {
    let server = Server::start();
    let browser = server.anonymous();
    let parts = all_parts(&browser);
    let stem = parts.keys().find_map(|path| path.strip_suffix(".css")?.rsplit_once('.')).unwrap().0;
    for path in [format!("{stem}.00000000.css"), format!("{stem}.css"), "/assets/".to_owned()] {
        browser.get(&path).problem(404);
    }
}

#[test]
fn each_code_of_a_problem_is_explained() {
    let server = Server::start();
    let browser = server.anonymous();
    let problem = browser.get("/nothing").problem(404);
    let (page, code) = problem["type"].as_str().unwrap().split_once('#').unwrap();
    assert_eq!(problem["code"], code);
    let reference = browser.get("/docs").expect(200).text();
    assert_eq!(browser.get(page).expect(200).text(), reference);
    let document = browser.get("/openapi.json").expect(200).json();
    let codes = &document["components"]["schemas"]["ProblemCode"];
    assert!(codes["enum"].as_array().unwrap().iter().any(|one| one == code));
    for one in codes["enum"].as_array().unwrap() {
        let sentence = codes["x-enumDescriptions"][one.as_str().unwrap()].as_str();
        assert!(sentence.is_some_and(|sentence| sentence.ends_with('.')), "{one}");
    }
}
