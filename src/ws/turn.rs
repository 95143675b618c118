//! When a client may come back. All clients lose a server that stops in the same moment; each has a turn of its own
//! in a period that repeats, so that they come back evenly, however long the server is away.

use std::num::NonZeroU8;

use crate::limits::{RETURN_PERIOD_MAX, RETURN_STEP};

/// A client's turn: the times that are `at` milliseconds, modulo `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) at: u32,
    pub(super) every: u32,
}

impl Turn {
    /// The turn of the connection with this index, among so many.
    pub(super) fn new(index: usize, sockets: usize) -> Self {
        let sockets = u128::try_from(sockets.max(1)).unwrap_or(u128::MAX);
        let every = (RETURN_STEP.as_millis() * sockets).min(RETURN_PERIOD_MAX.as_millis());
        // After others have gone, an index may be above the number of sockets.
        let at = u128::try_from(index).unwrap_or(0) % sockets * every / sockets;
        let milliseconds = |time| u32::try_from(time).unwrap_or(0);
        Self { at: milliseconds(at), every: milliseconds(every) }
    }
}

/// About how many clients there are, in one byte, because each connection has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crowd(NonZeroU8);

impl Crowd {
    /// Eight count as one, up to those that have a turn each.
    pub(super) fn of(sockets: usize) -> Self {
        Self(NonZeroU8::MIN.saturating_add(u8::try_from(sockets / 8).unwrap_or(u8::MAX).min(127)))
    }

    /// Whether the turns of `other` are right for these, too, within a tenth.
    pub(super) fn is_about(self, other: Self) -> bool {
        self.0.get().abs_diff(other.0.get()) <= self.0.get() / 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_clients_have_a_turn_each_and_at_most_60_are_due_in_a_second() {
        let mut due: Vec<u32> = (0..1000).map(|index| Turn::new(index, 1000).at).collect();
        due.sort_unstable();
        for from in 0..19_500 {
            let in_a_second = due.iter().filter(|at| (from..from + 1000).contains(*at)).count();
            assert!(in_a_second <= 60, "{in_a_second} from {from} ms");
        }
        due.dedup();
        assert_eq!(due.len(), 1000);
        assert_eq!(Turn::new(2, 3), Turn { at: 40, every: 60 });
        assert_eq!(Turn::new(5, 3), Turn { at: 40, every: 60 });
        assert_eq!(Turn::new(7, 0), Turn { at: 0, every: 20 });
        assert!(Turn::new(usize::MAX, usize::MAX).at < 19_500);
    }

    #[test]
    fn a_turn_is_told_again_once_the_number_of_clients_has_changed_by_a_tenth() {
        let told = Crowd::of(400);
        let fits = |sockets| told.is_about(Crowd::of(sockets));
        assert_eq!([360, 400, 440].map(fits), [true; 3]);
        assert_eq!([350, 450, 10_000].map(fits), [false; 3]);
        assert!(!Crowd::of(7).is_about(Crowd::of(8)));
        assert!(Crowd::of(1100).is_about(Crowd::of(10_000)));
    }
}
