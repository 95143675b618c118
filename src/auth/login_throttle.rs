//! The limits on guessing passwords: they allow, delay or refuse each attempt.
//!
//! Failures are counted for a name from one address, for an address over all names, and for a name from all
//! addresses. The last ones only delay, because anybody can make them in a user's name. A client with a token
//! of the user is counted separately (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). Names
//! that do not exist are counted like those that do.

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::limits::{
    LOGIN_DELAY_FIRST, LOGIN_DELAY_MAX, LOGIN_DELAY_STEP, LOGIN_DELAYS_MAX,
    LOGIN_DELAYS_PER_CLIENT, LOGIN_DELAYS_PER_NAME, LOGIN_FAILURES_KEPT,
    LOGIN_FAILURES_PER_ADDRESS, LOGIN_FAILURES_PER_CLIENT, LOGIN_FAILURES_PER_NAME, LOGIN_WINDOW,
    OWN_FAILURES_KEPT,
};
use crate::store::TokenHash;
use crate::sync;
use crate::throttle::{AddressPrefix, Failures};

/// The client that tries a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// The user's own client: the token of a session, or of a browser in which the user has logged in before.
    Own(TokenHash),
    /// An address from which the user has logged in before.
    Known(AddressPrefix),
    /// Any other address.
    Stranger(AddressPrefix),
}

/// One attempt to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    /// The user's name in lower case: failures count without regard to case, as in the database.
    name: String,
    source: Source,
}

/// Whether a password may be tried. The greater of two verdicts is the stricter one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// The attempt may run at once.
    Go,
    /// The attempt may run after this time.
    Delay(Duration),
    /// The attempt is refused; the client may try again after this time.
    Refuse(Duration),
}

/// The brakes that a failure puts on the next attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Brakes {
    /// From now on, those of the same client or address are refused.
    pub refuses: bool,
    /// From now on, strangers' attempts at the same name are delayed.
    pub delays: bool,
}

/// The recent failures, and the attempts that wait.
pub(super) struct LoginThrottle(Mutex<State>);

struct State {
    /// By name and source.
    clients: Failures<LOGIN_FAILURES_KEPT>,
    /// By address.
    addresses: Failures<LOGIN_FAILURES_KEPT>,
    /// By name.
    names: Failures<LOGIN_FAILURES_KEPT>,
    /// By name and token: a table that only a user's own clients can fill.
    own: Failures<OWN_FAILURES_KEPT>,
    delayed: Vec<Attempt>,
}

impl Attempt {
    pub(super) fn new(username: &str, source: Source) -> Self {
        Self { name: username.to_lowercase(), source }
    }
}

impl LoginThrottle {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            clients: Failures::new(LOGIN_FAILURES_PER_CLIENT, LOGIN_WINDOW),
            addresses: Failures::new(LOGIN_FAILURES_PER_ADDRESS, LOGIN_WINDOW),
            names: Failures::new(LOGIN_FAILURES_PER_NAME, LOGIN_WINDOW),
            own: Failures::new(LOGIN_FAILURES_PER_CLIENT, LOGIN_WINDOW),
            delayed: Vec::with_capacity(LOGIN_DELAYS_MAX),
        }))
    }

    /// Whether this attempt may run.
    pub(super) fn check(&self, Attempt { name, source }: &Attempt, now: Instant) -> Verdict {
        let state = self.lock();
        match source {
            Source::Own(token) => counted(&state.own, (name, token), now),
            Source::Known(address) => counted(&state.own, (name, address), now).max(blocked(
                &state.addresses,
                address,
                now,
            )),
            Source::Stranger(address) => counted(&state.clients, (name, address), now)
                .max(counted(&state.addresses, address, now))
                .max(state.delay_of_name(name, now)),
        }
    }

    /// A place for an attempt that waits, until it is dropped; `None` if too many wait already: in all, for this
    /// name, or of this client.
    pub(super) fn delay(&self, attempt: &Attempt) -> Option<DelayPlace<'_>> {
        let mut state = self.lock();
        let of_name = state.delayed.iter().filter(|other| other.name == attempt.name).count();
        let of_client = state.delayed.iter().filter(|other| other.source == attempt.source).count();
        let has_room = state.delayed.len() < LOGIN_DELAYS_MAX
            && of_name < LOGIN_DELAYS_PER_NAME
            && of_client < LOGIN_DELAYS_PER_CLIENT;
        has_room.then(|| {
            state.delayed.push(attempt.clone());
            DelayPlace { throttle: self, attempt: attempt.clone() }
        })
    }

    /// Counts a failure.
    pub(super) fn record_failure(
        &self,
        Attempt { name, source }: &Attempt,
        now: Instant,
    ) -> Brakes {
        let mut state = self.lock();
        let (client, address) = match source {
            Source::Own(token) => (state.own.add((name, token), now), false),
            Source::Known(from) => {
                (state.own.add((name, from), now), state.addresses.add(from, now))
            }
            Source::Stranger(from) => {
                (state.clients.add((name, from), now), state.addresses.add(from, now))
            }
        };
        let is_strangers = matches!(source, Source::Stranger(_));
        Brakes { refuses: client || address, delays: is_strangers && state.names.add(name, now) }
    }

    /// Clears the client's failures for the name after a login. Those of the address stay, because it may guess
    /// at other names, and those of the name, because other clients made them.
    pub(super) fn record_success(&self, Attempt { name, source }: &Attempt) {
        let mut state = self.lock();
        match source {
            Source::Own(token) => state.own.clear((name, token)),
            Source::Known(address) => state.own.clear((name, address)),
            Source::Stranger(address) => state.clients.clear((name, address)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        sync::lock(&self.0)
    }
}

impl State {
    /// The delay of a stranger's attempt at a name.
    fn delay_of_name(&self, name: &String, now: Instant) -> Verdict {
        match self.names.count(name, now).checked_sub(LOGIN_FAILURES_PER_NAME) {
            Some(excess) => Verdict::Delay(delay(excess)),
            None => uncounted(&self.names, name, now),
        }
    }
}

/// The verdict on an attempt whose failure counts for this key.
fn counted<const KEPT: usize>(
    failures: &Failures<KEPT>,
    key: impl Hash + Copy,
    now: Instant,
) -> Verdict {
    blocked(failures, key, now).max(uncounted(failures, key, now))
}

fn blocked<const KEPT: usize>(failures: &Failures<KEPT>, key: impl Hash, now: Instant) -> Verdict {
    failures.blocked(key, now).map_or(Verdict::Go, Verdict::Refuse)
}

/// The longest delay, if the failure could not be counted: all keys of the table are blocked.
fn uncounted<const KEPT: usize>(
    failures: &Failures<KEPT>,
    key: impl Hash,
    now: Instant,
) -> Verdict {
    if failures.is_full_for(key, now) { Verdict::Delay(LOGIN_DELAY_MAX) } else { Verdict::Go }
}

/// The delay of an attempt whose name has `excess` failures above the limit. It doubles at each
/// `LOGIN_DELAY_STEP`.
fn delay(excess: u32) -> Duration {
    let factor = 2_u32.saturating_pow(excess / LOGIN_DELAY_STEP);
    LOGIN_DELAY_FIRST.saturating_mul(factor).min(LOGIN_DELAY_MAX)
}

/// The place of an attempt that waits.
pub(super) struct DelayPlace<'t> {
    throttle: &'t LoginThrottle,
    attempt: Attempt,
}

impl Drop for DelayPlace<'_> {
    fn drop(&mut self) {
        let mut state = self.throttle.lock();
        if let Some(at) = state.delayed.iter().position(|one| *one == self.attempt) {
            state.delayed.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn stranger(name: &str, number: u32) -> Attempt {
        Attempt::new(name, Source::Stranger(IpAddr::from(number.to_be_bytes()).into()))
    }

    fn own(name: &str, number: u8) -> Attempt {
        Attempt::new(name, Source::Own(TokenHash([number; 32])))
    }

    fn known(name: &str, number: u32) -> Attempt {
        Attempt::new(name, Source::Known(IpAddr::from(number.to_be_bytes()).into()))
    }

    fn fail(throttle: &LoginThrottle, attempt: &Attempt, times: u32, now: Instant) {
        for _ in 0..times {
            throttle.record_failure(attempt, now);
        }
    }

    #[test]
    fn five_failures_of_a_name_refuse_their_address_and_no_other() {
        let (throttle, now) = (LoginThrottle::new(), Instant::now());
        let ana = stranger("Ana", 1);
        for failure in 1..=5 {
            assert_eq!(throttle.check(&ana, now), Verdict::Go);
            assert_eq!(throttle.record_failure(&ana, now).refuses, failure == 5);
        }
        let refused = Verdict::Refuse(LOGIN_WINDOW);
        assert_eq!(throttle.check(&stranger("ANA", 1), now), refused);
        for other in [stranger("ana", 2), stranger("ben", 1), own("ana", 1)] {
            assert_eq!(throttle.check(&other, now), Verdict::Go, "{other:?}");
        }
        let later = now + LOGIN_WINDOW.mul_f32(0.5);
        assert_eq!(throttle.check(&ana, later), Verdict::Refuse(LOGIN_WINDOW.mul_f32(0.5)));
        assert_eq!(throttle.check(&ana, now + LOGIN_WINDOW), Verdict::Go);
        throttle.record_success(&ana);
        assert_eq!(throttle.check(&ana, now), Verdict::Go);
    }

    #[test]
    fn twenty_failures_of_an_address_refuse_it_for_all_names_but_an_own_client() {
        let (throttle, now) = (LoginThrottle::new(), Instant::now());
        for name in 0..20 {
            fail(&throttle, &stranger(&name.to_string(), 1), 1, now);
        }
        let refused = Verdict::Refuse(LOGIN_WINDOW);
        for refuses in [stranger("ana", 1), known("ana", 1)] {
            assert_eq!(throttle.check(&refuses, now), refused);
        }
        for other in [stranger("ana", 2), own("ana", 1)] {
            assert_eq!(throttle.check(&other, now), Verdict::Go);
        }
    }

    #[test]
    fn failures_of_a_name_from_everywhere_delay_more_and_more() {
        let (throttle, now) = (LoginThrottle::new(), Instant::now());
        let mut delays = Vec::new();
        for address in 0..120 {
            delays.push(match throttle.check(&stranger("ana", address), now) {
                Verdict::Go => 0,
                Verdict::Delay(wait) => wait.as_secs(),
                Verdict::Refuse(_) => panic!("refused at {address}"),
            });
            let brakes = throttle.record_failure(&stranger("ana", address), now);
            assert_eq!(brakes, Brakes { refuses: false, delays: address == 49 });
        }
        let at = [0, 49, 50, 59, 60, 70, 80, 119].map(|failures| delays[failures]);
        assert_eq!(at, [0, 0, 1, 1, 2, 4, 8, 8]);
        for other in [own("ana", 1), known("ana", 1), stranger("ben", 1)] {
            assert_eq!(throttle.check(&other, now), Verdict::Go, "{other:?}");
        }
    }

    /// Whoever has a great many networks can block as many keys as the table has. Strangers then wait.
    #[test]
    fn a_table_full_of_blocked_ones_delays_strangers() {
        let (throttle, now) = (LoginThrottle::new(), Instant::now());
        for address in 0..u32::try_from(LOGIN_FAILURES_KEPT).unwrap() {
            fail(&throttle, &stranger(&address.to_string(), address), 5, now);
        }
        let wait = Verdict::Delay(LOGIN_DELAY_MAX);
        assert_eq!(throttle.check(&stranger("ana", u32::MAX), now), wait);
        assert_eq!(throttle.check(&own("ana", 1), now), Verdict::Go);
        assert_eq!(throttle.check(&stranger("ana", u32::MAX), now + LOGIN_WINDOW), Verdict::Go);
    }

    /// A user's own client that cannot be counted waits, too, and is not refused.
    #[test]
    fn a_full_table_of_own_clients_delays_another_one() {
        let (throttle, now) = (LoginThrottle::new(), Instant::now());
        for number in 0..u32::try_from(OWN_FAILURES_KEPT).unwrap() {
            fail(&throttle, &known("ben", number), 5, now);
        }
        for attempt in [own("ana", 1), known("ana", u32::MAX)] {
            assert_eq!(throttle.check(&attempt, now), Verdict::Delay(LOGIN_DELAY_MAX));
            let places = [(); 3].map(|()| throttle.delay(&attempt));
            assert_eq!(places.iter().flatten().count(), LOGIN_DELAYS_PER_CLIENT);
        }
        assert_eq!(throttle.check(&known("ben", 0), now), Verdict::Refuse(LOGIN_WINDOW));
    }

    #[test]
    fn few_tries_wait_at_once() {
        let throttle = LoginThrottle::new();
        let many = |name: &str, addresses: std::ops::Range<u32>| -> Vec<_> {
            addresses.filter_map(|from| throttle.delay(&stranger(name, from / 3))).collect()
        };
        let of_address = many("ana", 0..3);
        assert_eq!(of_address.len(), LOGIN_DELAYS_PER_CLIENT);
        let of_name = many("ana", 3..1_000);
        assert_eq!(of_address.len() + of_name.len(), LOGIN_DELAYS_PER_NAME);
        let others =
            (0..100).flat_map(|name: u32| many(&name.to_string(), 3_000 + 3 * name..4_000));
        let others: Vec<_> = others.collect();
        assert_eq!(of_address.len() + of_name.len() + others.len(), LOGIN_DELAYS_MAX);
        drop((of_address, of_name, others));
        assert_eq!(many("ana", 0..3).len(), LOGIN_DELAYS_PER_CLIENT);
        assert!(throttle.lock().delayed.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Each failure is one of another client: a name, an address, and the seconds since the one before.
        #[test]
        fn others_neither_keep_an_own_client_out_nor_free_a_blocked_one(
            others in vec((0..3_u8, 1..400_u32, 0..3_u64), 0..3_000),
        ) {
            let (throttle, begun) = (LoginThrottle::new(), Instant::now());
            let (till, shop, blocked) = (own("name0", 7), known("name0", 1_000), stranger("name0", 0));
            fail(&throttle, &till, 4, begun);
            fail(&throttle, &shop, 4, begun);
            fail(&throttle, &blocked, 5, begun);
            let mut now = begun;
            for (name, address, seconds) in others {
                now += Duration::from_secs(seconds);
                let name = format!("name{name}");
                throttle.record_failure(&stranger(&name, address), now);
                throttle.record_failure(&stranger(&address.to_string(), address), now);
                throttle.record_failure(&own(&name, 8), now);
                throttle.record_success(&own(&name, 9));
                prop_assert_eq!(throttle.check(&till, now), Verdict::Go);
                prop_assert_eq!(throttle.check(&shop, now), Verdict::Go);
                let left = LOGIN_WINDOW.saturating_sub(now - begun);
                if !left.is_zero() {
                    prop_assert_eq!(throttle.check(&blocked, now), Verdict::Refuse(left));
                }
            }
        }
    }
}
