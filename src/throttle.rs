//! What keeps one client from taking all there is: pools with a share for each, and bounded tables that
//! limit how often an address or a name may do something.

mod address_prefix;
mod ledger;
mod pool;

use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

use heapless::index_map::FnvIndexMap;

use crate::limits::{CONNECT_BURST_SECONDS, LOGIN_NAMES_MAX, LOGIN_WINDOW, RATE_ADDRESSES_MAX};

pub use address_prefix::AddressPrefix;
pub use ledger::{NoRoom, Owner};
pub use pool::{Permit, Pool};

/// Failures by key. Too many within `LOGIN_WINDOW` block the key until the window is over.
pub struct Failures {
    counts: Box<FnvIndexMap<u64, Count, LOGIN_NAMES_MAX>>,
    hasher: RandomState,
    max: u32,
}

struct Count {
    failures: u32,
    since: Instant,
}

impl Failures {
    /// Creates a table that blocks a key after `max` failures.
    pub fn new(max: u32) -> Self {
        Self { counts: Box::new(FnvIndexMap::new()), hasher: RandomState::new(), max }
    }

    /// How long the key is still blocked; `None` if it is not.
    pub fn blocked(&mut self, key: impl Hash) -> Option<Duration> {
        let key = self.hasher.hash_one(key);
        let count = self.counts.get(&key)?;
        let left = LOGIN_WINDOW.saturating_sub(count.since.elapsed());
        if left.is_zero() {
            self.counts.remove(&key);
            return None;
        }
        (count.failures >= self.max).then_some(left)
    }

    /// Counts a failure.
    pub fn add(&mut self, key: impl Hash) {
        let key = self.hasher.hash_one(key);
        if let Some(count) = self.counts.get_mut(&key) {
            count.failures += 1;
            return;
        }
        if self.counts.len() == self.counts.capacity() {
            let oldest =
                self.counts.iter().min_by_key(|(_, count)| count.since).map(|(key, _)| *key);
            oldest.and_then(|key| self.counts.remove(&key));
        }
        let first = Count { failures: 1, since: Instant::now() };
        let added = self.counts.insert(key, first);
        debug_assert!(added.is_ok(), "the oldest was removed");
    }

    /// Forgets the key's failures.
    pub fn clear(&mut self, key: impl Hash) {
        self.counts.remove(&self.hasher.hash_one(key));
    }
}

/// A token bucket for each address.
pub struct Rate {
    buckets: Box<FnvIndexMap<u64, Bucket, RATE_ADDRESSES_MAX>>,
    hasher: RandomState,
    per_second: f64,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Rate {
    /// Creates buckets that fill with `per_second` tokens and hold `CONNECT_BURST_SECONDS` times as many.
    pub fn new(per_second: u32) -> Self {
        let buckets = Box::new(FnvIndexMap::new());
        Self { buckets, hasher: RandomState::new(), per_second: f64::from(per_second) }
    }

    /// Takes a token for the key.
    ///
    /// # Errors
    /// The time until the next token.
    pub fn take(&mut self, key: impl Hash) -> Result<(), Duration> {
        let key = self.hasher.hash_one(key);
        let burst = self.per_second * f64::from(CONNECT_BURST_SECONDS);
        if !self.buckets.contains_key(&key) {
            if self.buckets.len() == self.buckets.capacity() {
                let quiet = self
                    .buckets
                    .iter()
                    .min_by_key(|(_, bucket)| bucket.filled)
                    .map(|(key, _)| *key);
                quiet.and_then(|key| self.buckets.remove(&key));
            }
            let full = Bucket { tokens: burst, filled: Instant::now() };
            let added = self.buckets.insert(key, full);
            debug_assert!(added.is_ok(), "the quietest was removed");
        }
        let Some(bucket) = self.buckets.get_mut(&key) else {
            return Ok(());
        };
        let earned = bucket.filled.elapsed().as_secs_f64() * self.per_second;
        bucket.tokens = (bucket.tokens + earned).min(burst);
        bucket.filled = Instant::now();
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / self.per_second));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_block_their_key_and_no_other() {
        let mut failures = Failures::new(3);
        for _ in 0..3 {
            assert!(failures.blocked("ana").is_none());
            failures.add("ana");
        }
        assert!(failures.blocked("ana").is_some());
        assert!(failures.blocked("ben").is_none());
        failures.clear("ana");
        assert!(failures.blocked("ana").is_none());
    }

    #[test]
    fn a_full_table_forgets_the_oldest() {
        let mut failures = Failures::new(1);
        for key in 0..=LOGIN_NAMES_MAX {
            failures.add(key);
        }
        assert!(failures.blocked(0).is_none());
        assert!(failures.blocked(LOGIN_NAMES_MAX).is_some());
    }

    #[test]
    fn a_burst_empties_the_bucket() {
        let mut rate = Rate::new(20);
        for _ in 0..200 {
            assert!(rate.take("address").is_ok());
        }
        assert!(rate.take("address").is_err_and(|wait| wait <= Duration::from_millis(50)));
        assert!(rate.take("another").is_ok());
    }
}
