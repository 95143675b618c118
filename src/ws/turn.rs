//! When a client may come back. All clients lose a server that stops in the same moment; each has a turn of its own
//! in a period that repeats, so that they come back evenly, however long the server is away.

use std::num::NonZeroU8;

use crate::limits::{RETURN_STEP, RETURN_TURNS_MAX};

/// The turns of a period, which is the same for all clients: a power of two, so that it changes rarely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turns {
    /// The exponent, plus 1. Each connection keeps it, so it is small, and an `Option` of it, too.
    power: NonZeroU8,
}

impl Turns {
    /// The turns of a server without clients.
    pub(super) const NONE: Self = Self { power: NonZeroU8::MIN };

    /// Enough for so many sockets. They become fewer only when three quarters of them are free.
    pub(super) fn for_sockets(self, sockets: usize) -> Self {
        let enough = sockets.next_power_of_two().min(RETURN_TURNS_MAX).trailing_zeros();
        let power = NonZeroU8::MIN.saturating_add(u8::try_from(enough).unwrap_or(u8::MAX));
        let is_right = power <= self.power && self.power <= power.saturating_add(1);
        if is_right { self } else { Self { power } }
    }

    /// The turn of the connection with this index: those times that are `at` milliseconds, modulo `every`. Above
    /// `RETURN_TURNS_MAX`, several have the same.
    pub(super) fn of(self, index: usize) -> (u32, u32) {
        let turns = 1 << (self.power.get() - 1);
        let milliseconds = |count| u32::try_from(RETURN_STEP.as_millis() * count).unwrap_or(0);
        let place = u128::try_from(index).unwrap_or(0) % turns;
        (milliseconds(place), milliseconds(turns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_clients_have_a_turn_each_and_at_most_60_are_due_in_a_second() {
        let turns = Turns::NONE.for_sockets(1000);
        let mut due: Vec<u32> = (0..1000).map(|index| turns.of(index).0).collect();
        for from in 0..20_000 {
            let in_a_second = due.iter().filter(|at| (from..from + 1000).contains(*at)).count();
            assert!(in_a_second <= 60, "{in_a_second} from {from} ms");
        }
        due.dedup();
        assert_eq!(due.len(), 1000);
        assert_eq!(turns.of(0).1, 20_480);
        assert_eq!(Turns::NONE.for_sockets(3).of(2), (40, 80));
        assert_eq!(Turns::NONE.for_sockets(usize::MAX / 2).of(usize::MAX), (20_460, 20_480));
        assert_eq!(Turns::NONE.for_sockets(0).of(7), (0, 20));
    }

    #[test]
    fn the_period_grows_at_once_and_shrinks_late() {
        let mut turns = Turns::NONE;
        let mut every = |sockets| {
            turns = turns.for_sockets(sockets);
            turns.of(0).1 / 20
        };
        assert_eq!([1, 2, 3, 9, 8, 5, 4, 3, 2].map(&mut every), [1, 2, 4, 16, 16, 16, 4, 4, 4]);
    }
}
