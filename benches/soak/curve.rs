//! The server's resources every ten seconds, and whether they stay the same.

use std::fs;
use std::io::{Write as _, stdout};
use std::mem;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{Outcome, Soak};

const SAMPLE: Duration = Duration::from_secs(10);
/// The number of samples for one line of the table.
const LINE: usize = 6;

/// The resources at one moment.
#[derive(Clone, Copy)]
struct Sample {
    resident_kib: u64,
    anonymous_kib: u64,
    files: u64,
    wal_kib: u64,
    database_kib: u64,
    events: u64,
    sockets: u64,
}

/// The name of a figure, and the figure in a sample.
type Column = (&'static str, fn(&Sample) -> u64);

const COLUMNS: [Column; 7] = [
    ("RSS KiB", |sample| sample.resident_kib),
    ("RssAnon KiB", |sample| sample.anonymous_kib),
    ("files", |sample| sample.files),
    ("sockets", |sample| sample.sockets),
    ("WAL KiB", |sample| sample.wal_kib),
    ("database KiB", |sample| sample.database_kib),
    ("   events", |sample| sample.events),
];
/// The figures that must not grow by more than a twentieth and this slack, for single pages,
/// clients that come and go, and the time of a checkpoint.
const FLAT: [(&str, u64); 4] =
    [("RSS KiB", 512), ("RssAnon KiB", 512), ("files", 15), ("WAL KiB", 256)];

/// All samples.
pub(crate) struct Curve(Vec<Sample>);

impl Curve {
    /// Samples until `run` is over, and prints a line for each minute.
    pub(crate) fn draw(soak: &Soak, run: Duration) -> Self {
        let begun = Instant::now();
        let mut curve = Self(Vec::new());
        let names = COLUMNS.map(|(name, _)| name).join(" | ");
        say(&format!("min | {names} | orders | p99 ms"));
        let mut next = begun + SAMPLE;
        while begun.elapsed() < run {
            sleep(next.saturating_duration_since(Instant::now()));
            next += SAMPLE;
            curve.0.push(Sample::take(soak));
            if curve.0.len().is_multiple_of(LINE) {
                curve.print_minute(soak);
            }
        }
        curve
    }

    /// Prints a line with the medians of the last minute.
    fn print_minute(&self, soak: &Soak) {
        let minute = self.0.len() / LINE;
        let usual = |of| median(&self.0[self.0.len() - LINE..], of);
        let columns = COLUMNS.map(|(name, of)| format!("{:1$}", usual(of), name.len()));
        let (orders, p99_ms) = orders_since(soak);
        say(&format!("{minute:3} | {} | {orders:6} | {p99_ms:6.1}", columns.join(" | ")));
    }

    /// Compares the second quarter of the run with the last one.
    pub(crate) fn judge(&self) -> Outcome<()> {
        let quarter = self.0.len() / 4;
        let mut grown = Vec::new();
        for (name, slack) in FLAT {
            let (_, of) = *COLUMNS.iter().find(|(column, _)| *column == name).unwrap();
            let early = median(&self.0[quarter..2 * quarter], of);
            let late = median(&self.0[3 * quarter..], of);
            say(&format!("{name}: {early} in the second quarter, {late} in the last one"));
            if late > early + early / 20 + slack {
                grown.push(name);
            }
        }
        if grown.is_empty() {
            return Ok(());
        }
        Err(format!("it grows: {}", grown.join(", ")).into())
    }
}

impl Sample {
    fn take(soak: &Soak) -> Self {
        let pid = soak.server.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let kib = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let file_kib = |name| {
            fs::metadata(soak.server.data_dir().join(name)).map_or(0, |file| file.len() / 1024)
        };
        // A connection of its own, because the server closes the last sample's after 10 s without a
        // request.
        let admin = soak.admin.separate();
        Self {
            resident_kib: kib("VmRSS:"),
            anonymous_kib: kib("RssAnon:"),
            files: soak.server.open_files(),
            wal_kib: file_kib("tillcast.db-wal"),
            database_kib: file_kib("tillcast.db"),
            events: admin.metric("event_head") as u64,
            sockets: admin.metric("websockets") as u64,
        }
    }
}

/// The number of orders since the last call, and the time within which 99 of 100 were made, in
/// milliseconds.
fn orders_since(soak: &Soak) -> (usize, f64) {
    let mut orders = mem::take(&mut *soak.orders.lock().unwrap());
    orders.sort_unstable();
    let p99 = orders.get(orders.len().saturating_sub(1 + orders.len() / 100));
    (orders.len(), p99.map_or(0.0, |time| time.as_secs_f64() * 1000.0))
}

fn median(samples: &[Sample], of: fn(&Sample) -> u64) -> u64 {
    let mut values: Vec<u64> = samples.iter().map(of).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

fn say(line: &str) {
    // A reader that closed the output still has the exit code.
    drop(writeln!(stdout(), "{line}"));
}
