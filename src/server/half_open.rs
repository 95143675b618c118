//! The connections that have not sent a request yet, and which of them ends when there are too many.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::throttle::AddressPrefix;

/// Half-open connections; `H` is the means to end one.
pub(super) struct HalfOpen<H> {
    connections: BTreeMap<u64, (AddressPrefix, H)>,
    /// The numbers of each address's connections, the oldest first.
    by_address: HashMap<AddressPrefix, Vec<u64>>,
    /// How many each address has, and the oldest of them. The last entry is the next to lose one, which is then
    /// found without a look at all of them.
    ranking: BTreeSet<(usize, Reverse<u64>)>,
}

impl<H> HalfOpen<H> {
    pub(super) fn new() -> Self {
        Self { connections: BTreeMap::new(), by_address: HashMap::new(), ranking: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Adds a connection, whose number is higher than all before.
    pub(super) fn insert(&mut self, number: u64, address: AddressPrefix, handle: H) {
        self.connections.insert(number, (address, handle));
        self.rank(address, |numbers| numbers.push(number));
    }

    pub(super) fn handle_mut(&mut self, number: u64) -> Option<&mut H> {
        self.connections.get_mut(&number).map(|(_, handle)| handle)
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<H> {
        let (address, handle) = self.connections.remove(&number)?;
        self.rank(address, |numbers| numbers.retain(|kept| *kept != number));
        Some(handle)
    }

    /// Removes the oldest connection of the address that has the most. So an address alone makes no other lose
    /// one, and devices that share an address lose none while another address has more.
    pub(super) fn evict(&mut self) -> Option<H> {
        let (_, Reverse(oldest)) = *self.ranking.last()?;
        self.remove(oldest)
    }

    /// Ranks an address anew after this change of its connections.
    fn rank(&mut self, address: AddressPrefix, change: impl FnOnce(&mut Vec<u64>)) {
        let rank = |numbers: &[u64]| Some((numbers.len(), Reverse(*numbers.first()?)));
        let numbers = self.by_address.entry(address).or_default();
        if let Some(before) = rank(numbers) {
            self.ranking.remove(&before);
        }
        change(numbers);
        match rank(numbers) {
            Some(now) => drop(self.ranking.insert(now)),
            None => drop(self.by_address.remove(&address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn address(last: u8) -> AddressPrefix {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    /// A step: an address connects, or a connection ends or has sent its request.
    #[derive(Clone, Copy, Debug)]
    enum Act {
        Connect(u8),
        Leave(usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            5 => (0..6_u8).prop_map(Act::Connect),
            3 => Just(Act::Connect(0)),
            2 => any::<usize>().prop_map(Act::Leave),
        ]
    }

    proptest! {
        #[test]
        fn the_address_with_the_most_loses_its_oldest(
            most in 1..24_usize, acts in prop::collection::vec(act(), 1..200),
        ) {
            let mut half_open = HalfOpen::new();
            let mut expected: Vec<(u64, u8)> = Vec::new();
            for (number, act) in (1..).zip(acts) {
                match act {
                    Act::Connect(from) => {
                        half_open.insert(number, address(from), (number, from));
                        expected.push((number, from));
                    }
                    Act::Leave(at) if !expected.is_empty() => {
                        let left = expected.remove(at % expected.len());
                        prop_assert_eq!(half_open.remove(left.0), Some(left));
                        prop_assert_eq!(half_open.remove(left.0), None);
                    }
                    Act::Leave(_) => {}
                }
                if half_open.len() > most {
                    let of = |from: u8| expected.iter().filter(|(_, of)| *of == from).count();
                    let victim = half_open.evict().unwrap();
                    prop_assert!((0..6).all(|from| of(from) <= of(victim.1)));
                    let older = expected.iter().take_while(|older| **older != victim);
                    prop_assert!(older.clone().all(|(_, from)| of(*from) < of(victim.1)));
                    prop_assert!(victim.0 < number, "the newest has had no time yet");
                    expected.retain(|kept| *kept != victim);
                }
                prop_assert_eq!(half_open.len(), expected.len());
                let addresses: BTreeSet<_> = expected.iter().map(|(_, of)| of).collect();
                prop_assert_eq!(half_open.by_address.len(), addresses.len());
                prop_assert_eq!(half_open.ranking.len(), addresses.len());
            }
        }
    }
}
