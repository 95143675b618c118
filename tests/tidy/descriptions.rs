//! Guards the stored descriptions of the API: a route, a field or a message that is not in them.

use std::path::Path;
use std::{env, fs};

use serde_json::Value;
use tillcast::http::COOKIE_NAME;

#[test]
fn the_stored_descriptions_are_what_the_code_says() {
    let made: [(&str, Value); 2] = [
        ("openapi.json", tillcast::http::openapi::document(COOKIE_NAME)),
        ("asyncapi.json", tillcast::ws::asyncapi::document(COOKIE_NAME)),
    ];
    for (name, made) in made {
        let path = Path::new("docs").join(name);
        let made = serde_json::to_string_pretty(&made).unwrap() + "\n";
        if env::var_os("TILLCAST_UPDATE").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap();
        assert!(
            stored == made,
            "{name} differs: TILLCAST_UPDATE=1 cargo test --test tidy descriptions:: writes it"
        );
        // The server puts its own name there.
        assert_eq!(made.matches(&format!("\"{COOKIE_NAME}\"")).count(), 1, "{name}");
    }
}
