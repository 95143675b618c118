//! Writers that publish, and subscribers that must receive everything.

use std::time::{Duration, Instant};

use crate::common::clients::{Crowd, What};
use crate::common::http::Publisher;
use crate::common::{Outcome, PATIENCE};

/// When the writers stop.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Time(Instant),
    Sent(u64),
}

impl Until {
    pub(crate) fn after(time: Duration) -> Self {
        Self::Time(Instant::now() + time)
    }

    fn reached(self, now: Instant, sent: u64) -> bool {
        match self {
            Self::Time(end) => now >= end,
            Self::Sent(count) => sent >= count,
        }
    }
}

/// The work of the writers.
pub(crate) struct Pushed {
    pub(crate) events: u64,
    /// The time from the first request to the last response.
    pub(crate) answered_in: Duration,
}

/// Lets every writer publish at least once, and then again until `until`; returns when all
/// responses and frames have arrived.
pub(crate) fn push(
    crowd: &mut Crowd,
    publisher: &mut Publisher,
    writers: usize,
    until: Until,
) -> Outcome<Pushed> {
    let (before, subscribers) = (crowd.frames, u64::try_from(crowd.subscribed())?);
    let (mut request, mut happened) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    for writer in 0..writers {
        publisher.write(&mut request, None)?;
        crowd.send(writer, &request)?;
    }
    let (mut sent, mut answered) = (u64::try_from(writers)?, 0);
    let mut answered_in = Duration::ZERO;
    while answered < sent || crowd.frames - before < sent * subscribers {
        crowd.wait(PATIENCE, &mut happened)?;
        if happened.is_empty() {
            let (frames, all) = (crowd.frames - before, sent * subscribers);
            return Err(format!("{answered} of {sent} answers, {frames} of {all} frames").into());
        }
        for happening in &happened {
            if let What::Answer(answer) = happening.what {
                answered += 1;
                answered_in = happening.at - begun;
                if !until.reached(happening.at, sent) {
                    publisher.write(&mut request, Some(answer))?;
                    crowd.send(happening.who, &request)?;
                    sent += 1;
                }
            }
        }
    }
    Ok(Pushed { events: sent, answered_in })
}
