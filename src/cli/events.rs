//! `tillcast events`: the event log as lines of JSON.

use std::path::Path;
use std::time::Duration;

use crate::cli::terminal::{explain, print};
use crate::domain::EntityKind;
use crate::limits::PAGE_MAX;
use crate::store::{Console, EventRange};

/// Prints the event log, an envelope a line; then, if asked to, waits for more.
pub(super) fn run(data_dir: &Path, follow: bool, since: u64) -> Result<(), String> {
    const PAUSE: Duration = Duration::from_millis(200);
    let store = Console::open_to_read(data_dir).map_err(|error| error.to_string())?;
    let kinds = EntityKind::ALL.into_iter().collect();
    let mut after = i64::try_from(since).unwrap_or(i64::MAX);
    loop {
        let range = EventRange { after, kinds, limit: PAGE_MAX, bytes: usize::MAX };
        let page = store.events(range).map_err(explain)?;
        let lines = page.events.iter().flat_map(|event| [event.body.as_str(), "\n"]);
        print(&lines.collect::<String>())?;
        after = page.scanned;
        match (page.scanned < page.head, follow) {
            (true, _) => {}
            (false, true) => std::thread::sleep(PAUSE),
            (false, false) => return Ok(()),
        }
    }
}
