//! Who may come in: the bounds on connections, in all and for each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::metrics::Metrics;
use crate::throttle::Rate;

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    pub(super) per_address: usize,
    pub(super) per_second: u32,
}

/// Counts everybody who is inside.
pub(super) struct Doors {
    inside: Mutex<Inside>,
    bounds: Bounds,
    metrics: Arc<Metrics>,
}

struct Inside {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    rate: Rate,
}

/// The right to be connected, given back when dropped.
pub(super) struct Place {
    doors: Arc<Doors>,
    address: IpAddr,
}

/// Why somebody may not come in, and when to try again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) why: &'static str,
    pub(super) wait: Duration,
}

impl Doors {
    pub(super) fn new(bounds: Bounds, metrics: Arc<Metrics>) -> Self {
        let inside =
            Inside { all: 0, by_address: HashMap::new(), rate: Rate::new(bounds.per_second) };
        Self { inside: Mutex::new(inside), bounds, metrics }
    }

    /// Lets a connection in, or says why not.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Place, Refusal> {
        let address = household(address);
        let admitted = self.count_in(address);
        match admitted {
            Ok(()) => {
                self.metrics.connections.inc();
                Ok(Place { doors: Arc::clone(self), address })
            }
            Err(refusal) => {
                self.metrics.refused.inc();
                Err(refusal)
            }
        }
    }

    fn count_in(&self, address: IpAddr) -> Result<(), Refusal> {
        const LATER: Duration = Duration::from_secs(5);
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let too_fast = |wait| Refusal { why: "this address connects too fast", wait };
        inside.rate.take(address).map_err(too_fast)?;
        if inside.all >= self.bounds.connections {
            return Err(Refusal {
                why: "the server has as many connections as it may",
                wait: LATER,
            });
        }
        let of_address = inside.by_address.entry(address).or_default();
        if *of_address >= self.bounds.per_address {
            return Err(Refusal {
                why: "this address has as many connections as it may",
                wait: LATER,
            });
        }
        *of_address += 1;
        inside.all += 1;
        Ok(())
    }

    /// How many are inside.
    pub(super) fn count(&self) -> usize {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.doors.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.all -= 1;
        if let Some(count) = inside.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                inside.by_address.remove(&self.address);
            }
        }
        self.doors.metrics.connections.dec();
    }
}

/// What counts as one address: an IPv4 address, or the /64 that an IPv6 household has whole.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors(connections: usize, per_address: usize, per_second: u32) -> Arc<Doors> {
        let bounds = Bounds { connections, per_address, per_second };
        Arc::new(Doors::new(bounds, Arc::new(Metrics::new())))
    }

    fn address(last: u8) -> IpAddr {
        [127, 0, 0, last].into()
    }

    #[test]
    fn a_place_is_given_back() {
        let doors = doors(10, 1, 100);
        let place = doors.admit(address(1)).unwrap();
        assert!(doors.admit(address(1)).is_err_and(|refusal| refusal.why.contains("address")));
        assert!(doors.admit(address(2)).is_ok());
        drop(place);
        assert_eq!(doors.count(), 0);
        assert!(doors.admit(address(1)).is_ok());
    }

    #[test]
    fn the_house_is_full_for_everybody() {
        let doors = doors(2, 10, 100);
        let _inside = [doors.admit(address(1)).unwrap(), doors.admit(address(2)).unwrap()];
        assert!(doors.admit(address(3)).is_err());
    }

    #[test]
    fn who_knocks_too_fast_waits() {
        let doors = doors(1000, 1000, 1);
        let inside: Vec<_> = (0..10).map(|_| doors.admit(address(1)).unwrap()).collect();
        assert!(
            doors.admit(address(1)).is_err_and(|refusal| refusal.wait <= Duration::from_secs(1))
        );
        assert!(doors.admit(address(2)).is_ok());
        drop(inside);
    }

    #[test]
    fn an_ipv6_household_is_one_address() {
        let parse = |text: &str| household(text.parse().unwrap());
        assert_eq!(parse("2001:db8:1:2:3::4"), parse("2001:db8:1:2:ffff::1"));
        assert_ne!(parse("2001:db8:1:2::1"), parse("2001:db8:1:3::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
    }
}
