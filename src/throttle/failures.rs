//! Counts of failures by key, in a bounded table.

use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

use heapless::index_map::FnvIndexMap;

/// Failures by `KEPT` keys at most. `max` of them within `window` block the key until the window is over.
///
/// A full table forgets the key with the fewest failures, but never a blocked one, so that failures
/// of other keys cannot free it. If all keys are blocked, a new key is not counted.
pub struct Failures<const KEPT: usize> {
    counts: Box<FnvIndexMap<u64, Count, KEPT>>,
    hasher: RandomState,
    max: u32,
    window: Duration,
}

#[derive(Clone, Copy)]
struct Count {
    failures: u32,
    since: Instant,
}

impl<const KEPT: usize> Failures<KEPT> {
    /// Creates a table that blocks a key after `max` failures within `window`.
    pub fn new(max: u32, window: Duration) -> Self {
        Self { counts: Box::new(FnvIndexMap::new()), hasher: RandomState::new(), max, window }
    }

    /// The number of the key's failures.
    pub fn count(&self, key: impl Hash, now: Instant) -> u32 {
        self.find(self.hasher.hash_one(key), now).map_or(0, |count| count.failures)
    }

    /// How long the key is still blocked; `None` if it is not.
    pub fn blocked(&self, key: impl Hash, now: Instant) -> Option<Duration> {
        let count = self.find(self.hasher.hash_one(key), now)?;
        (count.failures >= self.max).then(|| self.left(count, now))
    }

    /// Whether a failure of the key could not be counted.
    pub fn is_full_for(&self, key: impl Hash, now: Instant) -> bool {
        self.counts.len() == self.counts.capacity()
            && !self.counts.contains_key(&self.hasher.hash_one(key))
            && self.victim(now).is_none()
    }

    /// Counts a failure; returns whether this one blocks the key.
    pub fn add(&mut self, key: impl Hash, now: Instant) -> bool {
        let key = self.hasher.hash_one(key);
        let before = self.find(key, now);
        if before.is_none() && self.counts.len() == self.counts.capacity() {
            let Some(victim) = self.victim(now) else { return false };
            self.counts.remove(&victim);
        }
        let before = before.unwrap_or(Count { failures: 0, since: now });
        let count = Count { failures: before.failures.saturating_add(1), ..before };
        let added = self.counts.insert(key, count);
        debug_assert!(added.is_ok(), "another was removed");
        count.failures == self.max
    }

    /// Forgets the key's failures.
    pub fn clear(&mut self, key: impl Hash) {
        self.counts.remove(&self.hasher.hash_one(key));
    }

    fn find(&self, key: u64, now: Instant) -> Option<Count> {
        self.counts.get(&key).copied().filter(|count| !self.left(*count, now).is_zero())
    }

    /// The rest of the window in which these failures count.
    fn left(&self, count: Count, now: Instant) -> Duration {
        self.window.saturating_sub(now.saturating_duration_since(count.since))
    }

    /// The key that a full table forgets for another one.
    fn victim(&self, now: Instant) -> Option<u64> {
        let rank = |count: &Count| {
            let is_over = self.left(*count, now).is_zero();
            (is_over || count.failures < self.max).then_some((
                !is_over,
                count.failures,
                count.since,
            ))
        };
        let ranked = self.counts.iter().filter_map(|(key, count)| Some((rank(count)?, *key)));
        ranked.min().map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LOGIN_WINDOW;

    const KEPT: usize = 64;

    #[test]
    fn failures_block_their_key_and_no_other() {
        let (mut failures, now) = (Failures::<KEPT>::new(3, LOGIN_WINDOW), Instant::now());
        for _ in 0..3 {
            assert_eq!(failures.blocked("ana", now), None);
            failures.add("ana", now);
        }
        assert_eq!(failures.blocked("ana", now), Some(LOGIN_WINDOW));
        assert_eq!(failures.blocked("ben", now), None);
        failures.clear("ana");
        assert_eq!(failures.blocked("ana", now), None);
    }

    #[test]
    fn a_block_ends_with_its_window_and_is_told_once() {
        let (mut failures, begun) = (Failures::<KEPT>::new(2, LOGIN_WINDOW), Instant::now());
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!([1, 2, 3].map(|at| failures.add("ana", after(at))), [false, true, false]);
        assert_eq!(failures.blocked("ana", after(900)), Some(Duration::from_secs(1)));
        assert_eq!(
            (failures.blocked("ana", after(901)), failures.count("ana", after(901))),
            (None, 0)
        );
        assert!(!failures.add("ana", after(902)), "a new window");
        assert_eq!(failures.count("ana", after(902)), 1);
    }

    #[test]
    fn a_full_table_forgets_whoever_failed_least_and_never_a_blocked_key() {
        let (mut failures, now) = (Failures::<KEPT>::new(3, LOGIN_WINDOW), Instant::now());
        // The first keys are the oldest.
        let fail = |failures: &mut Failures<KEPT>, key: usize, times| {
            for _ in 0..times {
                failures.add(key, now + Duration::from_millis(key as u64));
            }
        };
        fail(&mut failures, 0, 3);
        fail(&mut failures, 1, 2);
        for key in 2..10 * KEPT {
            fail(&mut failures, key, 1);
        }
        assert!(failures.blocked(0_usize, now).is_some());
        assert_eq!([0_usize, 1].map(|key| failures.count(key, now)), [3, 2]);
        let kept = (2..10 * KEPT).filter(|key| failures.count(key, now) > 0);
        assert_eq!(kept.count(), KEPT - 2);
        for key in 0..KEPT {
            assert!(!failures.is_full_for(key, now));
            fail(&mut failures, key, 3);
        }
        let last = KEPT;
        assert!(failures.is_full_for(last, now) && !failures.is_full_for(0_usize, now));
        fail(&mut failures, last, 3);
        assert_eq!(failures.count(last, now), 0);
        assert!((0..last).all(|key| failures.blocked(key, now).is_some()));
        let later = now + LOGIN_WINDOW.mul_f32(1.5);
        assert!(!failures.is_full_for(last, later));
        failures.add(last, later);
        assert_eq!(failures.count(last, later), 1);
    }
}
