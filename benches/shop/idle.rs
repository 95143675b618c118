//! The work of an idle server: a thousand screens, connected, subscribed and silent.

use std::time::{Duration, Instant};

use crate::common::Outcome;
use crate::common::clients::Crowd;
use crate::common::server::Kind;
use crate::table::{Goal, Line};
use crate::{Bench, SUBSCRIBERS};

/// Long enough to show work that recurs every few minutes.
const QUIET: Duration = Duration::from_secs(10 * 60);
/// The time in which the server finishes the work of the handshakes.
const SETTLE: Duration = Duration::from_secs(5);

/// Processor time, context switches and bytes written while no client does anything.
pub(crate) fn idle(bench: &Bench<'_>) -> Outcome<Vec<Line>> {
    let quiet = if bench.quick { QUIET / 10 } else { QUIET };
    let once = Bench { repetitions: 1, ..*bench };
    let [cpu, woken, written] = once.compare(&[Kind::Tillcast], |kind| {
        let server = bench.programs.start(kind)?;
        let mut crowd = Crowd::new()?;
        crowd.subscribe(&server, SUBSCRIBERS)?;
        listen(&mut crowd, SETTLE)?;
        let (begun, clock) = (Instant::now(), server.clock()?);
        let (switches, bytes) = (server.switches()?, server.written()?);
        listen(&mut crowd, quiet)?;
        let (spent, time) = (server.clock()?.since(&clock), begun.elapsed().as_secs_f64());
        let woken = (server.switches()? - switches) / time;
        Ok([100.0 * spent / time, woken, server.written()? - bytes])
    })?;
    let told = format!("with {SUBSCRIBERS} idle subscribers, {} minutes", quiet.as_secs() / 60);
    let line = |what, figures, goal| Line { what: format!("{what} {told}"), goal, figures };
    Ok(vec![
        line("% of a core", cpu, Goal::AtMost(0.2)),
        line("context switches a second", woken, Goal::None),
        line("bytes written", written, Goal::AtMost(0.0)),
    ])
}

/// Answers pings for a while.
fn listen(crowd: &mut Crowd, time: Duration) -> Outcome<()> {
    let (end, mut happened) = (Instant::now() + time, Vec::new());
    while Instant::now() < end {
        crowd.wait(end.saturating_duration_since(Instant::now()), &mut happened)?;
    }
    Ok(())
}
