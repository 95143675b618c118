//! The latency of events at a low rate.

use std::time::{Duration, Instant};

use crate::Bench;
use crate::common::clients::{Crowd, What};
use crate::common::http::{Publisher, Wish};
use crate::common::server::Server;
use crate::common::{Outcome, PATIENCE};
use crate::table::{Goal, Line, percentile};

/// 50 events a second.
const PACE: Duration = Duration::from_millis(20);
const SUBSCRIBERS: usize = 200;
/// More than the events that are ever under way at once.
const WRITERS: usize = 16;
/// Events before the measurement.
const WARM_UP: usize = 20;

/// An event on its way.
struct Flight {
    sent: Instant,
    /// The first sign of it: the writer's response or a subscriber's frame.
    seen: Option<Instant>,
    received: Vec<Instant>,
}

/// The delays of all events, in milliseconds.
pub(crate) struct Delays {
    /// From the first byte of the request to each subscriber's frame.
    pub(crate) request: Vec<f64>,
    /// From the first byte of the request to the last subscriber's frame.
    pub(crate) request_to_last: Vec<f64>,
    /// From the commit, as seen from outside: from the response or the first subscriber's frame,
    /// whichever is earlier.
    pub(crate) commit: Vec<f64>,
    pub(crate) commit_to_last: Vec<f64>,
}

/// The delay from publishing to receipt.
pub(crate) fn paced(bench: &Bench<'_>) -> Outcome<Vec<Line>> {
    let figures = bench.compare(&bench.programs.kinds(), |kind| {
        let server = bench.programs.start(kind)?;
        let delays = delays(&server, Wish::Notes(14), bench.paced_events())?;
        let p = |delays: &[f64], percent| percentile(delays, percent).ok_or("no events");
        Ok([
            p(&delays.request, 50)?,
            p(&delays.request, 99)?,
            p(&delays.request_to_last, 50)?,
            p(&delays.request_to_last, 99)?,
            p(&delays.commit, 50)?,
            p(&delays.commit, 99)?,
            p(&delays.commit_to_last, 50)?,
            p(&delays.commit_to_last, 99)?,
        ])
    })?;
    let froms = [("request", Goal::None), ("commit", Goal::OfBun(1.0))];
    let tos = ["each", "the last"];
    let whats = froms.into_iter().flat_map(|(from, goal)| {
        tos.into_iter().flat_map(move |to| {
            [50, 99].map(|percent| {
                let what = format!(
                    "{from} to receipt by {to} of {SUBSCRIBERS} at 50 events/s, p{percent} ms"
                );
                (what, goal)
            })
        })
    });
    Ok(whats.zip(figures).map(|((what, goal), figures)| Line { what, goal, figures }).collect())
}

/// Publishes at `PACE` and measures each event.
pub(crate) fn delays(server: &Server, wish: Wish, events: usize) -> Outcome<Delays> {
    let mut crowd = Crowd::new()?;
    crowd.subscribe(server, SUBSCRIBERS)?;
    crowd.write(server, WRITERS)?;
    let mut publisher = Publisher::new(server, wish);
    let mut flights: Vec<Flight> = Vec::new();
    let (mut request, mut happened) = (Vec::new(), Vec::new());
    // The event that each writer waits for, and the number of events that each subscriber has had.
    let (mut waits, mut had) = ([None; WRITERS], [0; SUBSCRIBERS]);
    let begun = Instant::now();
    let goal = u64::try_from((events + WARM_UP) * SUBSCRIBERS)?;
    while crowd.frames < goal || waits.iter().any(Option::is_some) {
        let next = u32::try_from(flights.len())?;
        let due = (begun + PACE * next).saturating_duration_since(Instant::now());
        let free = waits.iter().position(Option::is_none);
        match free.filter(|_| flights.len() < events + WARM_UP) {
            Some(writer) if due.is_zero() => {
                waits[writer] = Some(flights.len());
                publisher.write(&mut request, None)?;
                let received = Vec::with_capacity(SUBSCRIBERS);
                flights.push(Flight { sent: Instant::now(), seen: None, received });
                crowd.send(writer, &request)?;
                continue;
            }
            Some(_) => crowd.wait(due, &mut happened)?,
            None => {
                crowd.wait(PATIENCE, &mut happened)?;
                if happened.is_empty() {
                    return Err("nothing happens any more".into());
                }
            }
        }
        for happening in &happened {
            let seen = match happening.what {
                What::Answer(_) => {
                    waits[happening.who].take().map_or(0..0, |event| event..event + 1)
                }
                What::Frames(frames) => {
                    // Events come in the order of their requests, except those that overlap.
                    let first = had[happening.who];
                    had[happening.who] += usize::try_from(frames)?;
                    for flight in &mut flights[first..had[happening.who]] {
                        flight.received.push(happening.at);
                    }
                    first..had[happening.who]
                }
            };
            for flight in &mut flights[seen] {
                flight.seen.get_or_insert(happening.at);
            }
        }
    }
    Ok(summary(&flights[WARM_UP..]))
}

fn summary(flights: &[Flight]) -> Delays {
    let ms = |from: Instant, to: &Instant| to.duration_since(from).as_secs_f64() * 1e3;
    let each = |from: fn(&Flight) -> Instant| {
        let delays = |flight| Flight::received(flight).map(move |to| ms(from(flight), to));
        flights.iter().flat_map(delays).collect()
    };
    let last = |from: fn(&Flight) -> Instant| {
        let last = |flight: &Flight| flight.received.iter().max().map(|to| ms(from(flight), to));
        flights.iter().filter_map(last).collect()
    };
    let request = |flight: &Flight| flight.sent;
    let commit = |flight: &Flight| flight.seen.unwrap_or(flight.sent);
    Delays {
        request: each(request),
        request_to_last: last(request),
        commit: each(commit),
        commit_to_last: last(commit),
    }
}

impl Flight {
    fn received(&self) -> impl Iterator<Item = &Instant> {
        self.received.iter()
    }
}
