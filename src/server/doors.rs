//! Who may come in: the bounds on connections, in all and for each address.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::limits::{HALF_OPEN_SHARE, RESERVED_SHARE};
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
    /// How many have ever come in.
    came: u64,
    /// Those who have not said yet what they want, by their numbers, and how to send them away.
    half_open: BTreeMap<u64, Option<AbortHandle>>,
}

/// The right to be connected, given back when dropped.
pub(super) struct Place {
    doors: Arc<Doors>,
    /// Whose share it is; none for a proxy, which is many clients.
    address: Option<IpAddr>,
    /// It is a connection, and no client's share behind one.
    connects: bool,
    /// The how manieth it is.
    pub(super) number: u64,
    /// One of the last places: only who is logged in may keep it.
    pub(super) reserved: bool,
}

/// Why somebody may not come in, and when to try again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) why: &'static str,
    pub(super) wait: Duration,
}

const FULL: Refusal = Refusal { why: "the server has as many connections as it may", wait: LATER };
pub(super) const CROWDED: Refusal =
    Refusal { why: "the last places are for those who are logged in", wait: LATER };
const LATER: Duration = Duration::from_secs(5);

impl Doors {
    pub(super) fn new(bounds: Bounds, metrics: Arc<Metrics>) -> Self {
        let inside = Inside {
            all: 0,
            by_address: HashMap::new(),
            rate: Rate::new(bounds.per_second),
            came: 0,
            half_open: BTreeMap::new(),
        };
        Self { inside: Mutex::new(inside), bounds, metrics }
    }

    /// Lets a connection in, or says why not. Where too many are half-open, or all places are taken,
    /// it takes the place of the one that has been half-open for the longest.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Place, Refusal> {
        self.enter(Some(address), true)
    }

    /// The same for a trusted proxy: how many come through it is up to the server, not to one
    /// address.
    pub(super) fn admit_proxy(self: &Arc<Self>) -> Result<Place, Refusal> {
        self.enter(None, true)
    }

    /// The share of a client whose connection is a proxy's.
    pub(super) fn admit_behind_proxy(self: &Arc<Self>, address: IpAddr) -> Result<Place, Refusal> {
        self.enter(Some(address), false)
    }

    /// How to send a connection away while it is half-open.
    pub(super) fn remember(&self, number: u64, task: AbortHandle) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(unknown) = inside.half_open.get_mut(&number) {
            *unknown = Some(task);
        }
    }

    fn enter(self: &Arc<Self>, address: Option<IpAddr>, connects: bool) -> Result<Place, Refusal> {
        let address = address.map(household);
        match self.count_in(address, connects) {
            Ok(Counted { number, reserved, pushed_out }) => {
                if connects {
                    self.metrics.connections.inc();
                }
                if let Some(silent) = pushed_out {
                    self.metrics.refused.inc();
                    silent.abort();
                }
                Ok(Place { doors: Arc::clone(self), address, connects, number, reserved })
            }
            Err(refusal) => {
                self.metrics.refused.inc();
                Err(refusal)
            }
        }
    }

    fn count_in(&self, address: Option<IpAddr>, connects: bool) -> Result<Counted, Refusal> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = address {
            let too_fast = |wait| Refusal { why: "this address connects too fast", wait };
            inside.rate.take(address).map_err(too_fast)?;
            if inside.by_address.get(&address).is_some_and(|of| *of >= self.bounds.per_address) {
                let why = "this address has as many connections as it may";
                return Err(Refusal { why, wait: LATER });
            }
        }
        let counted =
            if connects { inside.connect(self.bounds.connections)? } else { Counted::default() };
        if let Some(address) = address {
            *inside.by_address.entry(address).or_default() += 1;
        }
        Ok(counted)
    }

    /// How many are inside.
    pub(super) fn all(&self) -> usize {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

/// What came of letting somebody in.
#[derive(Default)]
struct Counted {
    number: u64,
    reserved: bool,
    pushed_out: Option<AbortHandle>,
}

impl Inside {
    /// Takes one of so many places.
    fn connect(&mut self, most: usize) -> Result<Counted, Refusal> {
        let full = self.all >= most;
        let crowded = full || self.half_open.len() >= (most / HALF_OPEN_SHARE).max(1);
        let pushed_out = if crowded { self.half_open.pop_first() } else { None };
        if full && pushed_out.is_none() {
            return Err(FULL);
        }
        let reserved = self.all >= most - most / RESERVED_SHARE;
        self.all += 1;
        self.came += 1;
        self.half_open.insert(self.came, None);
        let pushed_out = pushed_out.and_then(|(_, task)| task);
        Ok(Counted { number: self.came, reserved, pushed_out })
    }
}

impl Place {
    /// Nobody can push it out any more.
    pub(super) fn keep(&self) {
        let mut inside = self.doors.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.half_open.remove(&self.number);
    }

    /// It is the connection of a trusted proxy.
    pub(super) fn is_of_proxy(&self) -> bool {
        self.address.is_none()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.doors.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if self.connects {
            inside.all -= 1;
            inside.half_open.remove(&self.number);
            self.doors.metrics.connections.dec();
        }
        let Some(address) = self.address else {
            return;
        };
        if let Some(count) = inside.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                inside.by_address.remove(&address);
            }
        }
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
    use std::future::pending;

    use tokio::task::JoinHandle;

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
        assert_eq!(doors.all(), 0);
        assert!(doors.admit(address(1)).is_ok());
    }

    #[test]
    fn the_house_is_full_for_everybody() {
        let doors = doors(2, 10, 100);
        let inside = [doors.admit(address(1)).unwrap(), doors.admit(address(2)).unwrap()];
        inside.iter().for_each(Place::keep);
        assert_eq!(doors.admit(address(3)).err(), Some(FULL));
    }

    #[tokio::test]
    async fn the_longest_half_open_makes_room() {
        /// Comes in and says nothing.
        fn silent(doors: &Arc<Doors>, at: u8) -> JoinHandle<()> {
            let place = doors.admit(address(at)).unwrap();
            let number = place.number;
            let task = tokio::spawn(async move {
                let _place = place;
                pending::<()>().await;
            });
            doors.remember(number, task.abort_handle());
            task
        }
        async fn is_sent_away(task: JoinHandle<()>) {
            assert!(task.await.is_err_and(|error| error.is_cancelled()));
        }
        let doors = doors(8, 100, 100);
        let [first, second, third, fourth] = [1, 2, 3, 4].map(|at| silent(&doors, at));
        let fifth = silent(&doors, 5);
        is_sent_away(first).await;
        assert_eq!(doors.all(), 4, "half of the places are for who says nothing");
        let talker = doors.admit(address(6)).unwrap();
        is_sent_away(second).await;
        talker.keep();
        let _talkers = [7, 8, 9, 10, 11].map(|at| {
            let place = doors.admit(address(at)).unwrap();
            place.keep();
            place
        });
        is_sent_away(third).await;
        assert!(!fourth.is_finished() && !fifth.is_finished());
    }

    #[test]
    fn the_last_places_are_reserved() {
        let doors = doors(32, 100, 100);
        let inside: Vec<_> = (0..32).map(|at| doors.admit(address(at)).unwrap()).collect();
        let reserved = inside.iter().filter(|place| place.reserved);
        assert_eq!(reserved.map(|place| place.number).collect::<Vec<_>>(), [31, 32]);
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
    fn a_proxy_is_many_addresses_and_each_has_its_share() {
        let doors = doors(4, 1, 100);
        let proxy: Vec<_> = (0..3).map(|_| doors.admit_proxy().unwrap()).collect();
        let share = doors.admit_behind_proxy(address(1)).unwrap();
        assert!(doors.admit_behind_proxy(address(1)).is_err());
        assert!(doors.admit(address(1)).is_err());
        assert_eq!(doors.all(), 3);
        drop((share, proxy));
        assert_eq!(doors.all(), 0);
        assert!(doors.admit(address(1)).is_ok());
    }

    #[test]
    fn an_ipv6_household_is_one_address() {
        let parse = |text: &str| household(text.parse().unwrap());
        assert_eq!(parse("2001:db8:1:2:3::4"), parse("2001:db8:1:2:ffff::1"));
        assert_ne!(parse("2001:db8:1:2::1"), parse("2001:db8:1:3::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
    }
}
