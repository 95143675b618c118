//! The cost of a start: time, memory, and the size of the program.

use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::Bench;
use crate::common::Outcome;
use crate::common::float;
use crate::common::seed::Seed;
use crate::common::server::Kind;
use crate::programs::Programs;
use crate::table::{Figures, Goal, Line};

const ORDERS: i64 = 100_000;
const STARTS: usize = 10;
const MIB: f64 = 1024.0 * 1024.0;

/// The time from start to first response, the memory then, and the size of the program.
pub(crate) fn start(bench: &Bench<'_>) -> Outcome<Vec<Line>> {
    let programs = bench.programs;
    let seed = Seed::make(&programs.tillcast, ORDERS, 0)?;
    let check =
        Command::new(&programs.tillcast).args(["check", "--data-dir"]).arg(seed.path()).output()?;
    if !check.status.success() {
        let found = String::from_utf8_lossy(&check.stderr);
        return Err(format!("tillcast check finds: {found}").into());
    }
    let bench = Bench { repetitions: STARTS, ..*bench };
    let figures = bench.compare(&programs.kinds(), |kind| {
        close(seed.path(), false)?;
        let server = match kind {
            Kind::Tillcast => programs.start_at(seed.path())?,
            Kind::Bare | Kind::Bun => programs.start(kind)?,
        };
        let memory = server.started_with;
        let ms = server.started_in.as_secs_f64() * 1e3;
        Ok([ms, memory.resident / 1024.0, memory.anonymous / 1024.0])
    })?;
    let after_a_crash = bench.compare(&[Kind::Tillcast], |_| {
        close(seed.path(), true)?;
        Ok([programs.start_at(seed.path())?.started_in.as_secs_f64() * 1e3])
    })?;
    let whats = [
        (format!("start to first answer, {ORDERS} orders on disk, ms"), Goal::AtMost(15.0)),
        ("RSS after the start, MiB".to_owned(), Goal::AtMost(6.0)),
        ("RssAnon of that, MiB".to_owned(), Goal::None),
        ("start to first answer after a crash, ms".to_owned(), Goal::None),
    ];
    let line = |((what, goal), figures)| Line { what, goal, figures };
    let mut lines: Vec<Line> =
        whats.into_iter().zip(figures.into_iter().chain(after_a_crash)).map(line).collect();
    lines.push(size(programs)?);
    Ok(lines)
}

/// Makes a change that a clean close moves into the database and a crash leaves in the write-ahead
/// log.
fn close(data_dir: &Path, as_a_crash: bool) -> Outcome<()> {
    let conn = Connection::open(data_dir.join("tillcast.db"))?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, as_a_crash)?;
    conn.execute("UPDATE users SET version = version + 1", [])?;
    Ok(())
}

fn size(programs: &Programs) -> Outcome<Line> {
    let mut figures = Figures::default();
    let mib = |file| -> Outcome<f64> { Ok(float(std::fs::metadata(file)?.len()) / MIB) };
    figures.push(Kind::Tillcast, mib(&programs.tillcast)?);
    if let Some(bun) = &programs.bun {
        figures.push(Kind::Bun, mib(bun)?);
    }
    Ok(Line { what: "the program's file, MiB".to_owned(), goal: Goal::AtMost(4.0), figures })
}
