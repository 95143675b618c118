//! What the program takes of memory, by itself: after the start, and for a connection that is idle.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::clients::Crowd;
use crate::common::seed::{ORDERS, Seed};
use crate::common::server::Server;
use crate::common::{Outcome, float};

/// Until a server has done everything that a handshake makes it do.
const SETTLE: Duration = Duration::from_millis(300);
/// Connections that come first, so that what is made once is not counted, and those of the figure.
const CONNECTIONS: [usize; 2] = [64, 1_000];
/// Starts, of which the middle one counts.
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
