//! The bytes that orders write to the disk, compared with the frames that they add to the
//! write-ahead log. The kernel counts the pages that the server changed; the disk itself also gets
//! the file system's journal.

use crate::Bench;
use crate::common::Outcome;
use crate::common::clients::Crowd;
use crate::common::float;
use crate::common::http::{Publisher, Wish};
use crate::common::push::{Until, push};
use crate::common::server::Kind;
use crate::table::{Goal, Line};

/// Enough for many checkpoints.
const ORDERS: u64 = 20_000;

/// The bytes per order, one at a time and from 64 writers.
pub(crate) fn disk(bench: &Bench<'_>) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    for (writers, most) in [(1, 3.0), (64, 1.2)] {
        let [written, wal, new, ratio, least] = bench.compare(&[Kind::Tillcast], |kind| {
            let server = bench.programs.start(kind)?;
            let mut crowd = Crowd::new()?;
            crowd.write(&server, writers)?;
            let mut publisher = Publisher::new(&server, Wish::Order);
            let orders = if bench.quick { ORDERS / 10 } else { ORDERS };
            let look = || -> Outcome<[f64; 3]> {
                let wal = server.metric("tillcast_wal_bytes_total")?;
                Ok([server.written()?, wal, server.stored()?])
            };
            push(&mut crowd, &mut publisher, writers, Until::Sent(orders / 10))?;
            let before = look()?;
            let events = push(&mut crowd, &mut publisher, writers, Until::Sent(orders))?.events;
            let after = look()?;
            let [written, wal, new] = std::array::from_fn(|at| after[at] - before[at]);
            let each = |bytes: f64| bytes / float(events) / 1024.0;
            Ok([each(written), each(wal), each(new), written / wal, (wal + new) / wal])
        })?;
        let mut line = |what: &str, figures, goal| {
            let what = format!("{what}, {writers} writers");
            lines.push(Line { what, goal, figures });
        };
        line("KiB written for an order", written, Goal::None);
        line("KiB that it adds to the write-ahead log", wal, Goal::None);
        line("KiB by which the database grows", new, Goal::None);
        line("written ÷ added to the write-ahead log", ratio, Goal::AtMost(most));
        line("the same if only new pages went into the database, and once", least, Goal::None);
    }
    Ok(lines)
}
