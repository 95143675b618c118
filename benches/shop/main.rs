//! `cargo bench --bench shop` measures Tillcast beside a baseline and Bun, in turns within the same
//! run.
//!
//! `-- NAME …` measures only the rows with these names, `-- --quick` measures less of each, and `--
//! --program PATH` measures another build of Tillcast. The server runs on one core and the load
//! generator on another, so that the cost of one does not hide in the other's.

mod baseline;
#[path = "../common/mod.rs"]
mod common;
mod disk;
mod growth;
mod idle;
mod latency;
mod lists;
mod memory;
mod orders;
mod programs;
mod sales;
mod scale;
mod shares;
mod sqlite;
mod start;
mod stream;
mod table;

use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};

use common::Outcome;
use common::seed::{self, Seed};
use common::server::Kind;
use programs::Programs;
use table::{Figures, Line};

/// A row: its name, and the function that measures it.
type Row = (&'static str, fn(&Bench<'_>) -> Outcome<Vec<Line>>);

/// The argument that makes this program the baseline.
const BASELINE_WRITER: &str = "baseline-writer";
/// The number of subscribers in most rows.
const SUBSCRIBERS: usize = 1_000;

const ROWS: &[Row] = &[
    ("stream", stream::streams),
    ("single", stream::singles),
    ("latency", latency::paced),
    ("memory", memory::idle),
    ("start", start::start),
    ("growth", growth::growth),
    ("orders", orders::orders),
    ("promptness", orders::promptness),
    ("sales", sales::sales),
    ("lists", lists::lists),
    ("scale", scale::scale),
    ("shares", shares::shares),
    ("disk", disk::disk),
    ("idle", idle::idle),
];

/// The programs to measure, and how long.
#[derive(Clone, Copy)]
struct Bench<'p> {
    programs: &'p Programs,
    repetitions: usize,
    quick: bool,
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == BASELINE_WRITER) {
        return baseline::serve();
    }
    let (mut names, mut quick) = (Vec::new(), false);
    let mut tillcast = PathBuf::from(env!("CARGO_BIN_EXE_tillcast"));
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {} // cargo's own
            "--quick" => quick = true,
            "--program" => tillcast = arguments.next().ok_or("--program PATH")?.into(),
            name if ROWS.iter().any(|(row, _)| *row == name) => names.push(argument),
            wrong => {
                let rows: Vec<&str> = ROWS.iter().map(|(row, _)| *row).collect();
                return Err(format!("{wrong} is no row; there are {}", rows.join(", ")).into());
            }
        }
    }
    raise_file_limit()?;
    let seed = Seed::make(&tillcast, seed::ORDERS, 0)?;
    let programs = Programs { tillcast, bun: find_bun(), seed };
    let bench = Bench { programs: &programs, repetitions: if quick { 1 } else { 3 }, quick };
    let mut lines = Vec::new();
    for (name, measure) in ROWS {
        if names.is_empty() || names.iter().any(|chosen| chosen == name) {
            eprintln!("{name} …");
            lines.extend(measure(&bench)?);
        }
    }
    let table = table::markdown(&lines, bench.programs.bun.is_some());
    Ok(stdout().write_all(table.as_bytes())?)
}

impl Bench<'_> {
    /// Measures each of these programs in turn, `repetitions` times; returns the figures of each.
    fn compare<const N: usize>(
        &self,
        kinds: &[Kind],
        mut measure: impl FnMut(Kind) -> Outcome<[f64; N]>,
    ) -> Outcome<[Figures; N]> {
        let mut all = std::array::from_fn(|_| Figures::default());
        for _ in 0..self.repetitions {
            for kind in kinds {
                let measured = measure(*kind).map_err(|error| format!("{kind:?}: {error}"))?;
                eprintln!("    {kind:?} {measured:.3?}");
                for (figures, figure) in all.iter_mut().zip(measured) {
                    figures.push(*kind, figure);
                }
            }
        }
        Ok(all)
    }

    /// How long a stream is measured.
    fn stream_time(&self) -> Duration {
        Duration::from_millis(if self.quick { 1500 } else { 3000 })
    }

    /// The number of events that are sent one at a time.
    fn single_events(&self) -> u64 {
        if self.quick { 60 } else { 200 }
    }

    /// The number of events for a 99th percentile.
    fn paced_events(&self) -> usize {
        if self.quick { 100 } else { 400 }
    }
}

/// Finds Bun: named by the environment, in the path, or installed by npm.
fn find_bun() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("BUN") {
        return Some(PathBuf::from(named)).filter(|file| file.is_file());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("node_modules/@oven/bun-linux-x64/bin");
    std::env::split_paths(&path)
        .chain([beside])
        .map(|folder| folder.join("bun"))
        .find(|file| file.is_file())
}

fn raise_file_limit() -> Outcome<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
