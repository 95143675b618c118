//! What is wrong with a page as it is seen: pictures, barriers, and what the console says.

use super::Browser;
use serde_json::json;
use std::fs;
use std::io;
use std::path::Path;

impl Browser {
    /// Writes what is seen to `target/screens/NAME.png`.
    pub(crate) fn picture(&self, name: &str) {
        save(name, &self.wait(self.client.screenshot())).unwrap();
    }

    /// The findings of axe-core in the page, and what is cut off at its side.
    #[track_caller]
    pub(crate) fn barriers(&self) -> Vec<String> {
        let axe = fs::read_to_string(target().join("tools/node/node_modules/axe-core/axe.min.js"));
        let axe = axe.expect("axe-core is there; tests/setup installs it");
        // The page has it still if it was looked at before.
        if self.run_beside("typeof axe") == "undefined" {
            self.run_beside(&format!("{axe}; undefined"));
        }
        let findings = self.run_beside(
            "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
                violations.flatMap(({ id, nodes }) =>
                    nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`))
                .concat(document.documentElement.scrollWidth > document.documentElement.clientWidth
                    ? ['wider than the screen'] : []))",
        );
        serde_json::from_value(findings).unwrap()
    }

    /// Takes a picture of what is seen, which has to be without a barrier.
    #[track_caller]
    pub(crate) fn inspect(&self, name: &str) {
        self.picture(name);
        let barriers = self.barriers();
        assert!(barriers.is_empty(), "{name}: {barriers:#?}");
    }

    /// What the console had of pages so far, without the requests that failed: those are the server's answers.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.vendor("se/log", json!({"type": "browser"}));
        let entries = log.as_array().unwrap().iter();
        let bad = entries.filter(|entry| entry["level"] != "INFO" && entry["source"] != "network");
        bad.map(|entry| format!("{}: {}", entry["source"], entry["message"])).collect()
    }
}

/// Writes a picture below the target folder.
pub(super) fn save(name: &str, png: &[u8]) -> io::Result<()> {
    let folder = target().join("screens");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("{name}.png")), png)
}

pub(super) fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder")
}
