//! The state of a pool: the units that each owner holds, the owners that wait, and the order of
//! their turns. This file neither waits nor wakes; `pool.rs` does.

use std::collections::{BTreeMap, HashMap};

use crate::limits::SHARE;
use crate::throttle::AddressPrefix;

/// The owner of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// A user or a device, by id.
    Principal(i64),
    /// All clients of one address that are not logged in.
    Address(AddressPrefix),
}

/// The reason that an owner gets no units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The owner holds its whole share.
    Share,
    /// The other owners together hold the rest.
    Full,
}

/// The units of a pool, and the turns of the owners that wait for them. `W` is the means to wake a
/// waiter.
///
/// Owners take turns; requests of one owner are served in their order. An owner that holds its
/// share has no turn, so it delays no other.
pub(super) struct Ledger<W> {
    free: usize,
    /// The most units of one owner.
    share: usize,
    /// The most waiters.
    line: usize,
    waiting: usize,
    /// The owners that hold units or wait for some.
    accounts: HashMap<Owner, Account<W>>,
    /// The owners that wait and hold less than their share, in the order of their turns.
    turns: BTreeMap<u64, Owner>,
    /// The number of the next turn or waiter.
    next: u64,
}

struct Account<W> {
    held: usize,
    /// The wanted units by the waiter's number.
    waiting: BTreeMap<u64, (usize, W)>,
    turn: Option<u64>,
}

impl<W> Ledger<W> {
    /// A pool of `units`, of which each owner may hold `share`. Of the `line` waiters one owner may
    /// be an eighth.
    pub(super) fn new(units: usize, share: usize, line: usize) -> Self {
        Self {
            free: units,
            share,
            line,
            waiting: 0,
            accounts: HashMap::new(),
            turns: BTreeMap::new(),
            next: 0,
        }
    }

    /// Takes free units, unless others wait for them.
    pub(super) fn take(&mut self, owner: Owner, units: usize) -> Result<(), NoRoom> {
        let account = self.accounts.get(&owner);
        let held = account.map_or(0, |account| account.held);
        if held + units > self.share || account.is_some_and(|account| !account.waiting.is_empty()) {
            return Err(NoRoom::Share);
        }
        if units > self.free || !self.turns.is_empty() {
            return Err(NoRoom::Full);
        }
        self.free -= units;
        self.account(owner).held += units;
        Ok(())
    }

    /// Adds a waiter; returns its number.
    pub(super) fn line_up(&mut self, owner: Owner, units: usize, waiter: W) -> Result<u64, NoRoom> {
        let line_share = share_of(self.line);
        let own = self.accounts.get(&owner).map_or(0, |account| account.waiting.len());
        if units > self.share || own >= line_share {
            return Err(NoRoom::Share);
        }
        if self.waiting >= self.line {
            return Err(NoRoom::Full);
        }
        let place = self.number();
        self.waiting += 1;
        self.account(owner).waiting.insert(place, (units, waiter));
        self.settle(owner);
        Ok(place)
    }

    /// Removes a waiter; returns false if it was served already, so that the owner holds the units.
    pub(super) fn leave(&mut self, owner: Owner, place: u64) -> bool {
        let left = self.account(owner).waiting.remove(&place).is_some();
        self.waiting -= usize::from(left);
        self.settle(owner);
        left
    }

    /// Releases units.
    pub(super) fn give_back(&mut self, owner: Owner, units: usize) {
        self.free += units;
        self.account(owner).held -= units;
        self.settle(owner);
    }

    /// Gives units to the next waiter if enough are free; returns the waiter to wake.
    pub(super) fn serve(&mut self) -> Option<W> {
        let (&turn, &owner) = self.turns.first_key_value()?;
        let account = self.accounts.get_mut(&owner)?;
        let units = account.waiting.first_key_value().map(|(_, (units, _))| *units)?;
        if units > self.free {
            return None;
        }
        let (_, (_, waiter)) = account.waiting.pop_first()?;
        account.held += units;
        account.turn = None;
        self.turns.remove(&turn);
        self.free -= units;
        self.waiting -= 1;
        self.settle(owner);
        Some(waiter)
    }

    /// Whether this owner or another one with less than its share waits for units.
    pub(super) fn is_wanted_of(&self, owner: Owner) -> bool {
        let own = self.accounts.get(&owner);
        !self.turns.is_empty() || own.is_some_and(|account| !account.waiting.is_empty())
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn account(&mut self, owner: Owner) -> &mut Account<W> {
        let new = || Account { held: 0, waiting: BTreeMap::new(), turn: None };
        self.accounts.entry(owner).or_insert_with(new)
    }

    /// Gives an owner a turn or takes it away, and drops one that neither holds units nor waits.
    fn settle(&mut self, owner: Owner) {
        let share = self.share;
        let account = self.account(owner);
        let wanted = account.waiting.first_key_value().map(|(_, (units, _))| *units);
        let may = wanted.is_some_and(|units| account.held + units <= share);
        match account.turn {
            None if may => {
                let turn = self.number();
                self.account(owner).turn = Some(turn);
                self.turns.insert(turn, owner);
            }
            Some(turn) if !may => {
                account.turn = None;
                self.turns.remove(&turn);
            }
            _ => {}
        }
        let account = self.account(owner);
        if account.held == 0 && account.waiting.is_empty() {
            self.accounts.remove(&owner);
        }
    }
}

/// An owner's share of `all` units: an eighth, but at least one.
pub(super) fn share_of(all: usize) -> usize {
    (all / SHARE).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A step of one owner: it takes units or waits, gives up, or releases units.
    #[derive(Clone, Copy, Debug)]
    enum Act {
        Acquire(i64, usize),
        Leave(usize),
        GiveBack(usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            3 => (0..12_i64, 1..4_usize).prop_map(|(owner, units)| Act::Acquire(owner, units)),
            1 => any::<usize>().prop_map(Act::Leave),
            2 => any::<usize>().prop_map(Act::GiveBack),
        ]
    }

    /// A ledger, and the state that it should have.
    struct Trial {
        ledger: Ledger<(Owner, usize)>,
        units: usize,
        line: usize,
        held: Vec<(Owner, usize)>,
        lined_up: Vec<(Owner, usize, u64)>,
    }

    impl Trial {
        fn new(units: usize, line: usize) -> Self {
            let ledger = Ledger::new(units, share_of(units), line);
            Self { ledger, units, line, held: Vec::new(), lined_up: Vec::new() }
        }

        fn held_by(&self, owner: Owner) -> usize {
            self.held.iter().filter(|(of, _)| *of == owner).map(|(_, units)| units).sum()
        }

        fn step(&mut self, act: Act) {
            match act {
                Act::Acquire(owner, units) => {
                    let owner = Owner::Principal(owner);
                    if self.ledger.take(owner, units).is_ok() {
                        self.held.push((owner, units));
                    } else if let Ok(place) = self.ledger.line_up(owner, units, (owner, units)) {
                        self.lined_up.push((owner, units, place));
                    }
                }
                Act::Leave(at) if !self.lined_up.is_empty() => {
                    let (owner, _, place) = self.lined_up.swap_remove(at % self.lined_up.len());
                    assert!(self.ledger.leave(owner, place), "it was waiting");
                }
                Act::GiveBack(at) if !self.held.is_empty() => {
                    let (owner, units) = self.held.swap_remove(at % self.held.len());
                    self.ledger.give_back(owner, units);
                }
                Act::Leave(_) | Act::GiveBack(_) => {}
            }
            while let Some((owner, units)) = self.ledger.serve() {
                let of = |(of, wanted, _): &&(Owner, usize, u64)| *of == owner && *wanted == units;
                let first = self.lined_up.iter().filter(of).map(|(.., place)| *place).min();
                let first = first.expect("who is served was waiting");
                self.lined_up.retain(|(.., place)| *place != first);
                let earlier = self.lined_up.iter().any(|(of, _, at)| *of == owner && *at < first);
                assert!(!earlier, "{owner:?} was served out of its own order");
                self.held.push((owner, units));
            }
        }

        fn check(&self) {
            let all: usize = self.held.iter().map(|(_, units)| units).sum();
            assert_eq!(all + self.ledger.free, self.units, "no unit is lost or made");
            assert_eq!(self.lined_up.len(), self.ledger.waiting);
            assert!(self.lined_up.len() <= self.line);
            let owners = (0..12).map(Owner::Principal);
            let share = share_of(self.units);
            assert!(owners.clone().all(|owner| self.held_by(owner) <= share));
            // No owner with less than its share waits for free units, except behind one that wants
            // more of them.
            let may = owners.filter_map(|owner| {
                let own = self.lined_up.iter().filter(|(of, ..)| *of == owner);
                let (_, units, _) = own.min_by_key(|(.., place)| *place)?;
                (self.held_by(owner) + units <= share).then_some(*units)
            });
            assert!(may.max().is_none_or(|units| units > self.ledger.free));
            let active = self.held.iter().map(|(owner, _)| owner);
            let active = active.chain(self.lined_up.iter().map(|(owner, ..)| owner));
            let active: std::collections::BTreeSet<_> = active.collect();
            assert_eq!(active.len(), self.ledger.accounts.len(), "an account of nobody");
        }
    }

    proptest! {
        #[test]
        fn any_acts_leave_the_books_right(
            units in 1..64_usize, line in 1..32_usize, acts in prop::collection::vec(act(), 1..200),
        ) {
            let mut trial = Trial::new(units, line);
            for act in acts {
                trial.step(act);
                trial.check();
            }
            // When all units are released, every waiter has been served.
            while !trial.held.is_empty() {
                trial.step(Act::GiveBack(0));
                trial.check();
            }
            prop_assert!(trial.lined_up.is_empty() && trial.ledger.turns.is_empty());
        }
    }

    #[test]
    fn an_owner_with_its_share_keeps_nobody_waiting() {
        let (greedy, other) = (Owner::Principal(1), Owner::Principal(2));
        let mut ledger = Ledger::new(16, 2, 16);
        assert_eq!(ledger.take(greedy, 2), Ok(()));
        assert_eq!(ledger.take(greedy, 1), Err(NoRoom::Share));
        assert!(ledger.line_up(greedy, 1, "greedy").is_ok());
        assert!(ledger.is_wanted_of(greedy) && !ledger.is_wanted_of(other));
        assert_eq!(ledger.take(other, 2), Ok(()));
        ledger.give_back(greedy, 1);
        assert_eq!(ledger.serve(), Some("greedy"));
    }

    #[test]
    fn owners_take_turns() {
        // An owner that holds its share has no turn, so the other one comes first then.
        for (share, expected) in [
            (1, ["late 1", "busy 1", "late 2", "busy 2", "busy 3"]),
            (2, ["busy 1", "late 1", "busy 2", "late 2", "busy 3"]),
        ] {
            let mut ledger = Ledger::new(1, share, 64);
            let (busy, late) = (Owner::Principal(1), Owner::Principal(2));
            assert_eq!(ledger.take(busy, 1), Ok(()));
            for name in ["busy 1", "busy 2", "busy 3"] {
                assert!(ledger.line_up(busy, 1, name).is_ok());
            }
            assert!(ledger.line_up(late, 1, "late 1").is_ok());
            assert!(ledger.line_up(late, 1, "late 2").is_ok());
            let mut holder = busy;
            let order = std::iter::from_fn(|| {
                ledger.give_back(holder, 1);
                let served = ledger.serve()?;
                holder = if served.starts_with("late") { late } else { busy };
                Some(served)
            });
            assert_eq!(order.collect::<Vec<_>>(), expected, "a share of {share}");
        }
    }

    #[test]
    fn the_line_has_a_share_too() {
        let mut ledger = Ledger::new(1, 1, 16);
        assert_eq!(ledger.take(Owner::Principal(0), 1), Ok(()));
        for owner in 1..=8 {
            let mut wait = || ledger.line_up(Owner::Principal(owner), 1, ());
            assert!(wait().is_ok() && wait().is_ok());
            assert_eq!(wait(), Err(NoRoom::Share));
        }
        assert_eq!(ledger.line_up(Owner::Principal(9), 1, ()), Err(NoRoom::Full));
        assert_eq!(
            ledger.line_up(Owner::Principal(9), 2, ()),
            Err(NoRoom::Share),
            "never to be had"
        );
    }
}
