//! The cost of a delivery as the shop grows: more subscribers, more idle ones, a longer log.

use crate::common::Outcome;
use crate::common::clients::Crowd;
use crate::common::seed::{ORDERS, Seed};
use crate::common::server::{Kind, Server};
use crate::stream;
use crate::table::{Goal, Line, median};
use crate::{Bench, SUBSCRIBERS};

const WRITERS: usize = 16;
const FEW: usize = 100;
const MANY: usize = 10_000;
const IDLE: usize = 5_000;
const LOG: i64 = 1_000_000;
/// The factor below which a higher cost is not growth, because the figures scatter that much.
const SCATTER: f64 = 1.1;

/// The same stream with different subscribers and logs, in turns.
pub(crate) fn scale(bench: &Bench<'_>) -> Outcome<Vec<Line>> {
    let long = Seed::make(&bench.programs.tillcast, ORDERS, LOG)?;
    let figures = bench.compare(&[Kind::Tillcast], |kind| {
        let fresh = |subscribers, idle| {
            let server = bench.programs.start(kind)?;
            cost(bench, &server, subscribers, idle)
        };
        let long = || cost(bench, &bench.programs.start_at(long.path())?, SUBSCRIBERS, 0);
        let costs = [
            fresh(SUBSCRIBERS, 0)?,
            fresh(FEW, 0)?,
            fresh(MANY, 0)?,
            fresh(SUBSCRIBERS, IDLE)?,
            long()?,
        ];
        let mut flat = [0.0; 10];
        flat.iter_mut().zip(costs.as_flattened()).for_each(|(flat, cost)| *flat = *cost);
        Ok(flat)
    })?;
    let companies = [
        format!("{SUBSCRIBERS} subscribers"),
        format!("{FEW} subscribers"),
        format!("{MANY} subscribers"),
        format!("{SUBSCRIBERS} subscribers, {IDLE} idle on another channel"),
        format!("{SUBSCRIBERS} subscribers, {LOG} events in the log"),
    ];
    let base: Vec<Option<f64>> = figures.iter().map(|figures| median(&figures.ours)).collect();
    let lines = figures.into_iter().enumerate().map(|(at, figures)| {
        let (company, way) = (&companies[at / 2], at % 2);
        let how = ["in a stream", "one at a time"][way];
        // Few subscribers share the fixed cost of an event, so their figures are no measure of
        // growth.
        let grows = at > 3;
        let most = base[way].filter(|_| grows).map(|cost| cost * SCATTER);
        let what = format!("server CPU for a delivery {how}, {company}, µs");
        Line { what, goal: most.map_or(Goal::None, Goal::AtMost), figures }
    });
    Ok(lines.collect())
}

fn cost(bench: &Bench<'_>, server: &Server, subscribers: usize, idle: usize) -> Outcome<[f64; 2]> {
    let mut crowd = Crowd::new()?;
    crowd.subscribe(server, subscribers)?;
    crowd.idle(server, idle)?;
    let flow = stream::many(server, &mut crowd, WRITERS, bench.stream_time())?;
    let single = stream::one_by_one(server, &mut crowd, bench.single_events() / 2)?;
    Ok([flow.cpu_us, single.cpu_us])
}
