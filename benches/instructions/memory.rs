//! The memory of the program: after the start, and for an idle connection.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::clients::Crowd;
use crate::common::seed::{ORDERS, Seed};
use crate::common::server::Server;
use crate::common::{Outcome, float};

/// The time in which a server finishes the work of a handshake.
const SETTLE: Duration = Duration::from_millis(300);
/// Connections that come first, so that one-time memory is not counted, and those that are counted.
const CONNECTIONS: [usize; 2] = [64, 1_000];
/// The number of starts, of which the median counts.
const STARTS: usize = 5;

/// KiB resident after the start, and `RssAnon` for each idle, logged-in, subscribed connection.
pub(crate) fn figures(program: &Path) -> Outcome<[(&'static str, f64); 2]> {
    let seed = Seed::make(program, ORDERS, 0)?;
    let (mut resident, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let server = Server::of_copy(Command::new(program), &seed)?;
        resident.push(server.started_with.resident);
        let mut crowd = Crowd::new()?;
        let [first, all] = CONNECTIONS.map(|count| -> Outcome<f64> {
            crowd.subscribe(&server, count)?;
            std::thread::sleep(SETTLE);
            Ok(server.memory()?.anonymous)
        });
        let connections = float(u64::try_from(CONNECTIONS[1] - CONNECTIONS[0])?);
        idle.push((all? - first?) / connections);
    }
    let [resident, idle] = [resident, idle].map(|mut figures| {
        figures.sort_by(f64::total_cmp);
        figures[STARTS / 2]
    });
    Ok([("resident after the start, KiB", resident), ("an idle connection of 1,000, KiB", idle)])
}
