//! Durable orders, each on disk before its response, beside a bare loop that commits the same rows
//! in batches of the same size.

use std::time::Duration;

use crate::common::Outcome;
use crate::common::clients::Crowd;
use crate::common::float;
use crate::common::http::{Publisher, Wish};
use crate::common::push::{Until, push};
use crate::common::server::{Kind, Server, on_server_core};
use crate::latency;
use crate::sqlite::Loop;
use crate::table::{Figures, Goal, Line, median, percentile};
use crate::{Bench, SUBSCRIBERS};

/// Turns of the server and of the loop; they are short, so that both meet the same disk and the
/// same load.
const TURNS: usize = 15;
const TURN: Duration = Duration::from_millis(400);
const WARM_UP: Duration = Duration::from_millis(300);

/// Orders a second, with and without subscribers.
pub(crate) fn orders(bench: &Bench<'_>) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    for (writers, subscribers, part) in
        [(1, 0, 0.9), (1, SUBSCRIBERS, 0.9), (64, 0, 0.8), (64, SUBSCRIBERS, 0.8)]
    {
        let (figures, batches) = in_turns(bench, writers, subscribers)?;
        let batch = median(&batches).unwrap_or_default();
        let what = format!(
            "durable orders/s, {writers} writers, {subscribers} subscribers, batches of {batch:.1}"
        );
        lines.push(Line { what, goal: Goal::OfBare(part), figures });
    }
    Ok(lines)
}

fn in_turns(bench: &Bench<'_>, writers: usize, subscribers: usize) -> Outcome<(Figures, Vec<f64>)> {
    let turns = if bench.quick { 5 } else { TURNS };
    let server = bench.programs.start(Kind::Tillcast)?;
    let mut bare = Loop::open(&bench.programs.seed)?;
    let mut crowd = Crowd::new()?;
    crowd.subscribe(&server, subscribers)?;
    let mut publisher = Publisher::new(&server, Wish::Order);
    let (mut figures, mut batches) = (Figures::default(), Vec::new());
    for turn in 0..=turns {
        let time = if turn == 0 { WARM_UP } else { TURN };
        crowd.write(&server, writers)?;
        let (commits, commands) = batch_metrics(&server)?;
        let pushed = push(&mut crowd, &mut publisher, writers, Until::after(time))?;
        let (commits_after, commands_after) = batch_metrics(&server)?;
        crowd.dismiss_writers();
        let batch = (commands_after - commands) / (commits_after - commits);
        let looped = on_server_core(|| bare.run(time, batch))?;
        if turn > 0 {
            let ours = float(pushed.events) / pushed.answered_in.as_secs_f64();
            eprintln!("    {ours:.0} of {:.0}, batches of {batch:.1}", looped.orders_per_second);
            figures.push(Kind::Tillcast, ours);
            figures.push(Kind::Bare, looped.orders_per_second);
            batches.push(batch);
        }
    }
    Ok((figures, batches))
}

fn batch_metrics(server: &Server) -> Outcome<(f64, f64)> {
    let commits = server.metric("tillcast_commit_commands_count")?;
    Ok((commits, server.metric("tillcast_commit_commands_sum")?))
}

/// The delay of an order to the last of 200 subscribers, compared with the disk's own time.
pub(crate) fn promptness(bench: &Bench<'_>) -> Outcome<Vec<Line>> {
    let (mut prompt, mut fsync) = (Figures::default(), Figures::default());
    let mut bare = Loop::open(&bench.programs.seed)?;
    let [p99] = bench.compare(&[Kind::Tillcast], |kind| {
        let looped = on_server_core(|| bare.run(Duration::from_secs(1), 1.0))?;
        fsync.push(Kind::Bare, median(&looped.commits).ok_or("no commits")?);
        let server = bench.programs.start(kind)?;
        let delays = latency::delays(&server, Wish::Order, bench.paced_events())?;
        Ok([percentile(&delays.request_to_last, 99).ok_or("no events")?])
    })?;
    prompt.ours = p99.ours;
    let most = 2.0 * median(&fsync.bare).unwrap_or_default() + 5.0;
    let what = "order to the last of 200 subscribers at 50 orders/s, p99 ms".to_owned();
    let fsync_what = "a bare commit of one order, median ms".to_owned();
    Ok(vec![
        Line { what: fsync_what, goal: Goal::None, figures: fsync },
        Line { what, goal: Goal::AtMost(most), figures: prompt },
    ])
}
