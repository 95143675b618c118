//! The server's cost of a delivery: events in a stream, and one at a time.

use std::time::{Duration, Instant};

use crate::common::clients::Crowd;
use crate::common::http::{Publisher, Wish};
use crate::common::push::{Until, push};
use crate::common::server::{Clock, Server};
use crate::common::{Outcome, float};
use crate::table::{Goal, Line, median};
use crate::{Bench, SUBSCRIBERS};

/// Makes an event's frame of some 270 bytes.
const NOTES: Wish = Wish::Notes(14);
const WARM_UP: Duration = Duration::from_millis(300);

/// The figures of a server.
#[derive(Clone, Copy)]
pub(crate) struct Flow {
    /// The server's processor time for one frame at one subscriber, in µs.
    pub(crate) cpu_us: f64,
    /// Events in a second.
    pub(crate) rate: f64,
    /// Bytes of one frame.
    pub(crate) frame_bytes: f64,
    /// The part of its core that the generator needed, 0 to 1.
    pub(crate) generator: f64,
}

/// The server's time for a delivery, many events at once.
pub(crate) fn streams(bench: &Bench<'_>) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    for writers in [16, 64] {
        let [cpu, rate, frame, generator] = bench.compare(&bench.programs.kinds(), |kind| {
            let server = bench.programs.start(kind)?;
            let mut crowd = Crowd::new()?;
            crowd.subscribe(&server, SUBSCRIBERS)?;
            let flow = many(&server, &mut crowd, writers, bench.stream_time())?;
            Ok([flow.cpu_us, flow.rate, flow.frame_bytes, flow.generator])
        })?;
        let bytes = median(&frame.ours).unwrap_or_default();
        let mut line = |what: &str, figures, goal| {
            let what = format!("{what}, {writers} writers, {SUBSCRIBERS} subscribers");
            lines.push(Line { what, goal, figures });
        };
        let cost = format!("server CPU for a delivery of {bytes:.0} B in a stream, µs");
        line(&cost, cpu, Goal::OfBun(0.8));
        line("events/s in that stream", rate, Goal::None);
        line("share of its core that the generator needed", generator, Goal::None);
    }
    Ok(lines)
}

/// The server's time for a delivery, one event at a time.
pub(crate) fn singles(bench: &Bench<'_>) -> Outcome<Vec<Line>> {
    let [figures] = bench.compare(&bench.programs.kinds(), |kind| {
        let server = bench.programs.start(kind)?;
        let mut crowd = Crowd::new()?;
        crowd.subscribe(&server, SUBSCRIBERS)?;
        Ok([one_by_one(&server, &mut crowd, bench.single_events())?.cpu_us])
    })?;
    let what = format!("server CPU for a delivery one at a time, µs, {SUBSCRIBERS} subscribers");
    Ok(vec![Line { what, goal: Goal::OfBun(0.95), figures }])
}

/// Lets this many writers publish as fast as they get responses.
pub(crate) fn many(
    server: &Server,
    crowd: &mut Crowd,
    writers: usize,
    time: Duration,
) -> Outcome<Flow> {
    let mut publisher = Publisher::new(server, NOTES);
    crowd.write(server, writers)?;
    push(crowd, &mut publisher, writers, Until::after(WARM_UP))?;
    let flow = measured(server, crowd, |crowd| {
        Ok(push(crowd, &mut publisher, writers, Until::after(time))?.events)
    });
    crowd.dismiss_writers();
    flow
}

/// Publishes each event only after every subscriber has the one before.
pub(crate) fn one_by_one(server: &Server, crowd: &mut Crowd, events: u64) -> Outcome<Flow> {
    let mut publisher = Publisher::new(server, NOTES);
    crowd.write(server, 1)?;
    let mut each = |crowd: &mut Crowd, events| -> Outcome<u64> {
        for _ in 0..events {
            push(crowd, &mut publisher, 1, Until::Sent(1))?;
        }
        Ok(events)
    };
    each(crowd, events / 10)?;
    let flow = measured(server, crowd, |crowd| each(crowd, events));
    crowd.dismiss_writers();
    flow
}

fn measured(
    server: &Server,
    crowd: &mut Crowd,
    work: impl FnOnce(&mut Crowd) -> Outcome<u64>,
) -> Outcome<Flow> {
    let (frames, bytes) = (crowd.frames, crowd.bytes);
    let (begun, clock, own) = (Instant::now(), server.clock()?, Clock::own()?);
    let events = work(crowd)?;
    let (time, spent) = (begun.elapsed().as_secs_f64(), server.clock()?.since(&clock));
    let frames = float(crowd.frames - frames);
    Ok(Flow {
        cpu_us: spent * 1e6 / frames,
        rate: float(events) / time,
        frame_bytes: float(crowd.bytes - bytes) / frames,
        generator: Clock::own()?.since(&own) / time,
    })
}
