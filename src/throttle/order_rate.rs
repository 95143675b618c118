//! The limit on how fast a kiosk makes orders.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use heapless::Deque;
use heapless::index_map::FnvIndexMap;

use crate::limits::{KIOSK_ORDERS_MAX, KIOSK_ORDERS_WINDOW, KIOSKS_MAX};
use crate::sync;

const TENTH_MS: u64 = 100;

/// The times of a kiosk's newest orders, oldest first, in tenths of a second since the table was made: four
/// bytes each last for years.
type Times = Deque<u32, KIOSK_ORDERS_MAX>;

/// The newest orders of each kiosk, by its id: at most `KIOSK_ORDERS_MAX` within any `KIOSK_ORDERS_WINDOW`.
pub struct OrderRate {
    kiosks: Mutex<Box<FnvIndexMap<i64, Times, KIOSKS_MAX>>>,
    started: Instant,
}

impl OrderRate {
    /// Creates a table without an order.
    #[expect(clippy::new_without_default, reason = "it starts a clock")]
    pub fn new() -> Self {
        Self { kiosks: Mutex::new(Box::new(FnvIndexMap::new())), started: Instant::now() }
    }

    /// Counts an order of a kiosk.
    ///
    /// # Errors
    /// The time until the kiosk may order again.
    pub fn take(&self, kiosk_id: i64) -> Result<(), Duration> {
        self.take_at(kiosk_id, self.started.elapsed())
    }

    fn take_at(&self, kiosk_id: i64, now: Duration) -> Result<(), Duration> {
        let now = u32::try_from(now.as_millis() / u128::from(TENTH_MS)).unwrap_or(u32::MAX);
        let mut kiosks = sync::lock(&self.kiosks);
        if !kiosks.contains_key(&kiosk_id) {
            if kiosks.is_full() {
                let quiet = kiosks.iter().min_by_key(|(_, times)| times.back()).map(|(id, _)| *id);
                quiet.and_then(|quiet| kiosks.remove(&quiet));
            }
            let added = kiosks.insert(kiosk_id, Times::new());
            debug_assert!(added.is_ok(), "the quietest was removed");
        }
        let Some(times) = kiosks.get_mut(&kiosk_id) else { return Ok(()) };
        let left = |time: &u32| {
            let age = Duration::from_millis(u64::from(now.saturating_sub(*time)) * TENTH_MS);
            KIOSK_ORDERS_WINDOW.saturating_sub(age)
        };
        while times.front().is_some_and(|oldest| left(oldest).is_zero()) {
            times.pop_front();
        }
        let wait = times.front().map_or(Duration::ZERO, left);
        times.push_back(now).map_err(|_| wait)
    }

    /// Takes the newest order of a kiosk back: it was refused.
    pub fn give_back(&self, kiosk_id: i64) {
        if let Some(times) = sync::lock(&self.kiosks).get_mut(&kiosk_id) {
            times.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_waits_until_the_first_of_the_last_thirty_is_a_minute_old() {
        let rate = OrderRate::new();
        let take = |user, second| rate.take_at(user, Duration::from_secs(second));
        for second in 0..30 {
            assert_eq!(take(1, second), Ok(()));
        }
        assert_eq!(take(1, 30), Err(Duration::from_secs(30)));
        assert_eq!(take(2, 30), Ok(()));
        assert_eq!(take(1, 59), Err(Duration::from_secs(1)));
        assert_eq!(take(1, 60), Ok(()));
        assert_eq!(take(1, 60), Err(Duration::from_secs(1)));
        rate.give_back(1);
        assert_eq!(take(1, 60), Ok(()));
    }

    #[test]
    fn a_full_table_forgets_the_quietest() {
        let rate = OrderRate::new();
        let users = u8::try_from(KIOSKS_MAX).unwrap();
        for user in 0..=users {
            for _ in 0..KIOSK_ORDERS_MAX {
                let now = Duration::from_secs(user.into());
                assert_eq!(rate.take_at(user.into(), now), Ok(()));
            }
        }
        let now = Duration::from_secs(users.into());
        assert!(rate.take_at(users.into(), now).is_err());
        assert_eq!(rate.take_at(0, now), Ok(()));
    }
}
