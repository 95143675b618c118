//! Guards the pages for people: an address that sends a browser a problem, a dead link, a code without its
//! explanation.

use crate::common::Server;

#[test]
fn every_link_of_the_home_page_works() {
    let server = Server::start();
    let browser = server.anonymous();
    let home = browser.get("/").expect(200);
    assert_eq!(home.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(home.header("cache-control"), "public, max-age=3600");
    let policy = home.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; connect-src 'self'"), "{policy}");
    let text = home.text();
    assert!(text.contains(env!("CARGO_PKG_VERSION")));
    let links: Vec<&str> =
        text.split("href=\"").skip(1).map(|rest| &rest[..rest.find('"').unwrap()]).collect();
    assert!(links.len() > 6, "{links:?}");
    for link in links {
        browser.get(link).expect(200);
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
