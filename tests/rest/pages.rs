//! Guards the pages for people: a dead link or part, a page that a browser does not keep, a policy that is not strict,
//! a code without its explanation.

use std::collections::BTreeMap;

use crate::common::{Client, Server};

/// The pages and their parts, by path: each is asked for as it is found in another.
fn all_parts(browser: &Client) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    let mut paths: Vec<String> = PAGES.map(str::to_owned).into();
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

const PAGES: [&str; 7] = ["/", "/board", "/kiosk", "/numbers", "/pair", "/pick", "/sell"];

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
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{policy}"
        );
        assert!(policy.ends_with("trusted-types 'none'") && !policy.contains("unsafe"), "{policy}");
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
    let page = browser.get(page).expect(200);
    assert!(page.text().contains(&format!("<dt id=\"{code}\">")));
}
