//! Guards the texts: one that is missing in a language, is asked for and not there, or is there for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const LANGUAGES: [&str; 3] = ["en", "de", "es"];

/// The texts of a language by their names.
fn texts(language: &str) -> BTreeMap<String, String> {
    let file = fs::read_to_string(format!("src/pages/texts/{language}.js")).unwrap();
    let entries = file.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": "));
    let texts = entries.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let texts: BTreeMap<String, String> = texts.collect();
    assert!(texts.len() > 50, "{language}: {texts:?}");
    texts
}

/// The values that a text has places for.
fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect()
}

/// The sources of the pages, one after the other.
fn sources() -> String {
    let files = fs::read_dir("src/pages").unwrap().map(|entry| entry.unwrap().path());
    let files =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "js" || kind == "html"));
    files.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn each_language_has_each_text() {
    let english = texts("en");
    for language in LANGUAGES {
        let texts = texts(language);
        assert_eq!(
            texts.keys().collect::<Vec<_>>(),
            english.keys().collect::<Vec<_>>(),
            "{language}"
        );
        for (name, text) in &texts {
            assert_eq!(places(text), places(&english[name]), "{language}: {name}");
        }
    }
}

#[test]
fn each_text_is_used_and_each_used_one_is_there() {
    let (texts, sources) = (texts("en"), sources());
    let mut asked = BTreeSet::new();
    for (before, after) in [("text('", '\''), ("data-text=\"", '"'), ("data-label=\"", '"')] {
        asked.extend(sources.split(before).skip(1).map(|rest| rest.split(after).next().unwrap()));
    }
    let missing: Vec<_> = asked.iter().filter(|name| !texts.contains_key(**name)).collect();
    assert!(missing.is_empty(), "no text for {missing:?}");
    // A name is made of a beginning and a value, such as a status, in a few places.
    let beginnings = sources.split("text(`").skip(1).map(|rest| rest.split("${").next().unwrap());
    let beginnings: BTreeSet<&str> = beginnings.collect();
    for beginning in &beginnings {
        assert!(texts.keys().any(|name| name.starts_with(beginning)), "no text for {beginning}");
    }
    let is_used = |name: &str| {
        sources.contains(&format!("'{name}'"))
            || asked.contains(name)
            || beginnings.iter().any(|beginning| name.starts_with(beginning))
    };
    let idle: Vec<_> = texts.keys().filter(|name| !is_used(name)).collect();
    assert!(idle.is_empty(), "nothing uses {idle:?}");
}
