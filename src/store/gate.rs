//! The gate that each read passes. SQLite can empty the write-ahead log only while no read is under
//! way, and reads that overlap leave no such moment. So the writer closes the gate, waits for the
//! last read, empties the log, and opens the gate again.
//!
//! Invariant: a read inside the gate waits for the disk only, never for the writer.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::limits::{GATE_WAIT_MAX, READ_TIME_LAST, READ_TIME_MAX, READERS};
use crate::sync;

/// The number of the check in the background, which is one more reader.
pub(super) const CHECK: usize = READERS;

/// A gate that lets reads in while it is open.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The time at which each reader's present read began.
    inside: [Option<Instant>; READERS + 1],
    /// The time since which the gate is closed.
    closed: Option<Instant>,
}

/// A read's stay inside the gate, until this is dropped.
pub(super) struct Pass<'g> {
    gate: &'g Gate,
    reader: usize,
}

/// The closed gate, until this is dropped.
pub(super) struct Closed<'g>(&'g Gate);

impl Gate {
    /// Lets a read of this reader in as soon as the gate is open.
    pub(super) fn enter(&self, reader: usize) -> Pass<'_> {
        let mut state = sync::lock(&self.state);
        while state.closed.is_some() {
            state = sync::wait(&self.changed, state);
        }
        state.inside[reader] = Some(Instant::now());
        Pass { gate: self, reader }
    }

    /// Closes the gate and waits until no read is inside. If one of them does not end, opens the gate
    /// again and returns `None`.
    pub(super) fn close(&self) -> Option<Closed<'_>> {
        let begun = Instant::now();
        let mut state = sync::lock(&self.state);
        state.closed = Some(begun);
        let closed = Closed(self);
        while state.inside.iter().any(Option::is_some) {
            let left = GATE_WAIT_MAX.saturating_sub(begun.elapsed());
            if left == Duration::ZERO {
                drop(state); // because dropping `closed` locks it
                return None;
            }
            state = sync::wait_for(&self.changed, state, left);
        }
        Some(closed)
    }

    /// Whether the writer waits for the reads inside.
    pub(super) fn is_closed(&self) -> bool {
        sync::lock(&self.state).closed.is_some()
    }

    /// Whether a read is inside.
    #[cfg(test)]
    pub(super) fn has_read_inside(&self) -> bool {
        sync::lock(&self.state).inside.iter().any(Option::is_some)
    }

    /// Whether this reader's read has to end, because it takes too long or because the writer waits.
    pub(super) fn is_over(&self, reader: usize) -> bool {
        let state = sync::lock(&self.state);
        let waited_for = state.closed.is_some_and(|closed| closed.elapsed() > READ_TIME_LAST);
        state.inside[reader].is_some_and(|begun| waited_for || begun.elapsed() > READ_TIME_MAX)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = sync::lock(&self.gate.state);
        state.inside[self.reader] = None;
        if state.closed.is_some() {
            self.gate.changed.notify_all();
        }
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        sync::lock(&self.0.state).closed = None;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::sync::mpsc::sync_channel;
    use std::thread::{self, scope};

    use super::*;

    #[test]
    fn a_closed_gate_has_no_read_inside_and_lets_none_in() {
        let gate = &Gate::default();
        let first = gate.enter(0);
        let (tell, told) = sync_channel(2);
        scope(|threads| {
            let writer = tell.clone();
            threads.spawn(move || {
                let closed = iter::from_fn(|| Some(gate.close())).flatten().next();
                writer.send("closed").unwrap();
                drop(closed);
            });
            while sync::lock(&gate.state).closed.is_none() {
                thread::yield_now();
            }
            threads.spawn(move || {
                let _second = gate.enter(1);
                tell.send("entered").unwrap();
            });
            assert!(told.try_recv().is_err(), "with a read inside");
            drop(first);
            assert_eq!(told.recv(), Ok("closed"));
            assert_eq!(told.recv(), Ok("entered"));
        });
    }

    #[test]
    fn a_read_that_does_not_end_opens_the_gate_again() {
        let gate = Gate::default();
        let first = gate.enter(0);
        assert!(!gate.is_over(0));
        assert!(gate.close().is_none());
        drop(gate.enter(1));
        drop(first);
        assert!(gate.close().is_some());
    }
}
