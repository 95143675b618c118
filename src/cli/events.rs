//! `tillcast events`: the event log as lines of JSON.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cli::privileges::within;
use crate::cli::terminal::{explain, print};
use crate::domain::EntityKind;
use crate::limits::PAGE_MAX;
use crate::store::{Console, EventRange};

/// The time between two reads of the log.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Prints the event log, one event per line. With `follow`, waits for more until the reader has gone.
pub(super) fn run(data_dir: &Path, follow: bool, since: u64) -> Result<(), String> {
    within(data_dir, |data_dir| follow_log(data_dir, follow, since).map(|()| String::new()))
        .map(drop)
}

fn follow_log(data_dir: &Path, follow: bool, since: u64) -> Result<(), String> {
    let store = Console::open_to_read(data_dir).map_err(|error| error.to_string())?;
    let reader = Reader { at_terminal: io::stdin().is_terminal() };
    let kinds = EntityKind::ALL.into_iter().collect();
    let mut after = i64::try_from(since).unwrap_or(i64::MAX);
    loop {
        let range = EventRange { after, kinds, limit: PAGE_MAX, bytes: usize::MAX };
        let page = store.events(range).map_err(explain)?;
        let lines = page.events.iter().flat_map(|event| [event.body.as_str(), "\n"]);
        print(&lines.collect::<String>())?;
        after = page.scanned;
        if page.scanned >= page.head && !(follow && reader.waits()) {
            return Ok(());
        }
    }
}

/// The reader of standard output.
struct Reader {
    /// Whether the command was started at a terminal.
    at_terminal: bool,
}

impl Reader {
    /// Waits for `PAUSE`; returns whether the reader is still there: neither the pipe nor the terminal was
    /// closed.
    fn waits(&self) -> bool {
        let (output, input) = (io::stdout(), io::stdin());
        let mut watched = vec![PollFd::new(&output, PollFlags::empty())];
        // Another input may be a pipe that was closed from the beginning.
        watched.extend(self.at_terminal.then(|| PollFd::new(&input, PollFlags::empty())));
        // Without events to wait for, it reports only hangups. A signal ends the wait early.
        poll(&mut watched, Some(&PAUSE)).is_err()
            || watched.iter().all(|stream| stream.revents().is_empty())
    }
}
