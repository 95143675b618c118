//! `tillcast events`: the event log as lines of JSON.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cli::terminal::{explain, print};
use crate::domain::EntityKind;
use crate::limits::PAGE_MAX;
use crate::store::{Console, EventRange};

/// How long to wait between two looks at the log.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Prints the event log, an envelope a line; then waits for more, if asked to, as long as somebody reads.
pub(super) fn run(data_dir: &Path, follow: bool, since: u64) -> Result<(), String> {
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

/// Whoever reads standard output.
struct Reader {
    /// Whether the command was started at a terminal.
    at_terminal: bool,
}

impl Reader {
    /// Waits a little, and returns whether somebody can still read: neither has the pipe been closed, nor the
    /// terminal.
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
