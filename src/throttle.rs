//! Keeps one client from taking everything: pools with a share for each owner, and bounded tables
//! that limit how often an address or a name may do something.

mod address_prefix;
mod failures;
mod ledger;
mod order_rate;
mod pool;

use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

use heapless::index_map::FnvIndexMap;

use crate::limits::{CONNECT_BURST_SECONDS, RATE_ADDRESSES_MAX};

pub use address_prefix::AddressPrefix;
pub use failures::Failures;
pub use ledger::{NoRoom, Owner};
pub use order_rate::OrderRate;
pub use pool::{Permit, Pool};

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
    fn a_burst_empties_the_bucket() {
        let mut rate = Rate::new(20);
        for _ in 0..200 {
            assert!(rate.take("address").is_ok());
        }
        assert!(rate.take("address").is_err_and(|wait| wait <= Duration::from_millis(50)));
        assert!(rate.take("another").is_ok());
    }
}
