//! The memory that a subscriber costs that does not read, and whether it gets every event when it
//! reads again.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::Bench;
use crate::common::Outcome;
use crate::common::clients::{Crowd, Subscriber, TEXT, first_frame};
use crate::common::float;
use crate::common::http::{Publisher, Wish};
use crate::common::push::{Until, push};
use crate::common::server::{Kind, Server};
use crate::table::{Goal, Line};

/// The bytes that the subscriber does not read.
const UNREAD_BYTES: u64 = 29_000_000;
/// Makes a frame of about a kilobyte.
const NOTES: Wish = Wish::Notes(800);
const WRITERS: usize = 64;
/// Events that fill the ring, SQLite's caches and the connections' buffers once.
const WARM_UP: u64 = 5_000;
const STEP: u64 = 1_000;
const SETTLE: Duration = Duration::from_millis(300);
/// The silence after which no more events come; longer than the server's own 5 s.
const SILENCE: Duration = Duration::from_secs(8);

/// The growth of memory while one subscriber does not read, and the events that it loses.
pub(crate) fn growth(bench: &Bench<'_>) -> Outcome<Vec<Line>> {
    let kinds = bench.programs.kinds().into_iter().filter(|kind| *kind != Kind::Bare);
    let [grown, lost, mut time] = bench.compare(&kinds.collect::<Vec<_>>(), |kind| {
        let server = bench.programs.start(kind)?;
        let mut crowd = Crowd::new()?;
        crowd.subscribe(&server, 1)?;
        crowd.write(&server, WRITERS)?;
        let mut publisher = Publisher::new(&server, NOTES);
        push(&mut crowd, &mut publisher, WRITERS, Until::Sent(WARM_UP))?;
        let mut buffer = vec![0; 64 * 1024];
        let sleeper = Subscriber::connect(&server, "order_changes", &mut buffer)?;
        std::thread::sleep(SETTLE);
        let base = server.memory()?.anonymous;
        let (mut events, mut highest, unread) = (0, base, crowd.bytes + UNREAD_BYTES);
        while crowd.bytes < unread {
            events += push(&mut crowd, &mut publisher, WRITERS, Until::Sent(STEP))?.events;
            highest = server.memory()?.anonymous.max(highest);
        }
        let begun = Instant::now();
        let read = wake(&server, sleeper, events, &mut buffer)?;
        let lost = 100.0 * (1.0 - float(read) / float(events));
        Ok([(highest - base) / 1024.0, lost, begun.elapsed().as_secs_f64()])
    })?;
    time.bun.clear(); // it never gets all events
    let mib = UNREAD_BYTES / 1_000_000;
    let what = format!("growth of RssAnon while one does not read {mib} MB of events, MiB");
    let lost_what = "events that it does not get when it reads again, %".to_owned();
    Ok(vec![
        Line { what, goal: Goal::AtMost(0.25), figures: grown },
        Line { what: lost_what, goal: Goal::AtMost(0.0), figures: lost },
        Line { what: "until it has them, s".to_owned(), goal: Goal::None, figures: time },
    ])
}

/// Reads until no more events come; returns their number. Tillcast's events must come in the order
/// of their `seq`, without a gap.
fn wake(server: &Server, sleeper: Subscriber, events: u64, buffer: &mut [u8]) -> Outcome<u64> {
    let mut stream = sleeper.stream;
    stream.set_read_timeout(Some(SILENCE))?;
    let (mut bytes, mut read, mut last) = (Vec::new(), 0, None);
    while read < events {
        // A timeout, an end and a reset all mean that no more events come.
        let Ok(count @ 1..) = stream.read(buffer) else {
            break;
        };
        bytes.extend_from_slice(&buffer[..count]);
        let mut begin = 0;
        while let Some((kind, payload)) = first_frame(&bytes[begin..]) {
            begin += payload.end;
            if kind == TEXT {
                read += 1;
                let seq = seq(&bytes[begin - payload.len()..begin])?;
                if server.kind == Kind::Tillcast && last.is_some_and(|last| seq != last + 1) {
                    return Err(format!("event {seq} follows {last:?}").into());
                }
                last = Some(seq);
            }
        }
        bytes.drain(..begin);
    }
    Ok(read)
}

fn seq(text: &[u8]) -> Outcome<u64> {
    let tail = String::from_utf8_lossy(&text[text.len().saturating_sub(30)..]).into_owned();
    let digits = tail.rsplit_once(':').map(|(_, digits)| digits.trim_end_matches('}'));
    let seq = digits.and_then(|digits| digits.parse().ok());
    Ok(seq.ok_or_else(|| format!("no seq in {}", String::from_utf8_lossy(text)))?)
}
