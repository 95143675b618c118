//! Durable sales, each an order with its payment in one request, beside the same sales in two requests.

use std::time::Duration;

use crate::Bench;
use crate::common::clients::Crowd;
use crate::common::http::{Publisher, Wish};
use crate::common::push::{Until, push};
use crate::common::server::Kind;
use crate::common::{Outcome, float};
use crate::table::{Figures, Goal, Line};

/// Turns of each way; they are short, so that both meet the same disk and the same load.
const TURNS: usize = 15;
const TURN: Duration = Duration::from_millis(400);

/// Sales a second. The column *bare* is that of the two requests.
pub(crate) fn sales(bench: &Bench<'_>) -> Outcome<Vec<Line>> {
    let turns = if bench.quick { 5 } else { TURNS };
    let mut lines = Vec::new();
    for writers in [1, 64] {
        let server = bench.programs.start(Kind::Tillcast)?;
        let mut crowd = Crowd::new()?;
        let mut figures = Figures::default();
        let mut a_second = |wish, requests| -> Outcome<f64> {
            crowd.write(&server, writers)?;
            let mut publisher = Publisher::new(&server, wish);
            let pushed = push(&mut crowd, &mut publisher, writers, Until::after(TURN))?;
            crowd.dismiss_writers();
            Ok(float(pushed.events) / requests / pushed.answered_in.as_secs_f64())
        };
        for turn in 0..=turns {
            let one = a_second(Wish::Sale, 1.0)?;
            let two = a_second(Wish::OrderThenPayment, 2.0)?;
            if turn > 0 {
                eprintln!("    {one:.0}, in two requests {two:.0}");
                figures.push(Kind::Tillcast, one);
                figures.push(Kind::Bare, two);
            }
        }
        let what = format!("durable sales/s, {writers} writers; bare: as an order and a payment");
        lines.push(Line { what, goal: Goal::OfBare(1.6), figures });
    }
    Ok(lines)
}
