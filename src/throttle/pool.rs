//! A bounded pool with a share for each owner: an owner that wants more than an eighth of it waits
//! or is refused, and no other.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::sync;
use crate::throttle::ledger::{Ledger, NoRoom, Owner, share_of};

/// Units of something bounded: slow clients, KiB of memory, turns.
pub struct Pool(Mutex<Ledger<oneshot::Sender<()>>>);

/// Units of a pool, released when dropped.
pub struct Permit {
    pool: Arc<Pool>,
    owner: Owner,
    units: usize,
}

/// A waiter of a pool, or the units that it was given, until a caller takes them.
struct Waiting<'p> {
    pool: &'p Arc<Pool>,
    owner: Owner,
    place: u64,
    units: usize,
}

impl Pool {
    /// A pool of `units`, for which at most `line` may wait. Each owner may hold an eighth, but at
    /// least one.
    pub fn new(units: usize, line: usize) -> Arc<Self> {
        Self::part(units, units, line)
    }

    /// A pool of `units`, of which each owner may hold an eighth of `whole`.
    pub fn part(units: usize, whole: usize, line: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Ledger::new(units, share_of(whole), line))))
    }

    /// Takes units if they are free now.
    ///
    /// # Errors
    /// The reason that there are none.
    pub fn try_acquire(self: &Arc<Self>, owner: Owner, units: usize) -> Result<Permit, NoRoom> {
        self.ledger().take(owner, units)?;
        Ok(Permit { pool: Arc::clone(self), owner, units })
    }

    /// Waits for units; owners take turns.
    ///
    /// # Errors
    /// The reason that there are none: at once if too many wait, else after `patience`.
    pub async fn acquire(
        self: &Arc<Self>,
        owner: Owner,
        units: usize,
        patience: Duration,
    ) -> Result<Permit, NoRoom> {
        let (reason, waiting, served) = {
            let mut ledger = self.ledger();
            let Err(reason) = ledger.take(owner, units) else {
                return Ok(Permit { pool: Arc::clone(self), owner, units });
            };
            let (sender, served) = oneshot::channel();
            let place = ledger.line_up(owner, units, sender)?;
            (reason, Waiting { pool: self, owner, place, units }, served)
        };
        match timeout(patience, served).await {
            Ok(Ok(())) => Ok(waiting.into_permit()),
            _ => Err(reason),
        }
    }

    /// Whether this owner or another one with less than its share waits for units.
    pub fn is_wanted_of(&self, owner: Owner) -> bool {
        self.ledger().is_wanted_of(owner)
    }

    /// Wakes the waiters whose turn has come; one that has stopped waiting releases its units
    /// itself.
    fn serve(ledger: &mut Ledger<oneshot::Sender<()>>) {
        while let Some(waiter) = ledger.serve() {
            let _ = waiter.send(());
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger<oneshot::Sender<()>>> {
        sync::lock(&self.0)
    }
}

impl Permit {
    /// Adds the units of another permit of the same pool and owner.
    pub fn add(&mut self, mut other: Self) {
        self.units += mem::take(&mut other.units);
    }

    /// The number of its units.
    pub fn units(&self) -> usize {
        self.units
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.units > 0 {
            let mut ledger = self.pool.ledger();
            ledger.give_back(self.owner, self.units);
            Pool::serve(&mut ledger);
        }
    }
}

impl Waiting<'_> {
    /// The units that it was given.
    fn into_permit(mut self) -> Permit {
        let units = mem::take(&mut self.units);
        Permit { pool: Arc::clone(self.pool), owner: self.owner, units }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.units > 0 {
            let mut ledger = self.pool.ledger();
            if !ledger.leave(self.owner, self.place) {
                ledger.give_back(self.owner, self.units);
            }
            Pool::serve(&mut ledger);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const ANA: Owner = Owner::Principal(1);
    const BEN: Owner = Owner::Principal(2);

    /// Whether a future is still waiting.
    fn waits(future: std::pin::Pin<&mut impl Future>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_gives_back_when_dropped() {
        let pool = Pool::new(16, 8);
        let mut permit = pool.acquire(ANA, 1, LONG).await.unwrap();
        permit.add(pool.try_acquire(ANA, 1).unwrap());
        assert_eq!(permit.units(), 2);
        assert_eq!(pool.try_acquire(ANA, 1).err(), Some(NoRoom::Share));
        assert!(pool.try_acquire(BEN, 2).is_ok());
        drop(permit);
        assert!(pool.try_acquire(ANA, 2).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_waiting_loses_nothing_of_the_pool() {
        let pool = Pool::new(1, 64);
        let held = pool.try_acquire(ANA, 1).unwrap();
        let mut first = Box::pin(pool.acquire(BEN, 1, LONG));
        let mut second = pin!(pool.acquire(BEN, 1, LONG));
        assert!(waits(first.as_mut()) && waits(second.as_mut()));
        drop(held);
        // The waiter was served, and is dropped before it learns of it.
        drop(first);
        let permit = second.await.unwrap();
        assert!(pool.try_acquire(ANA, 1).is_err());
        drop(permit);
        assert!(pool.try_acquire(ANA, 1).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let pool = Pool::new(1, 64);
        let _held = pool.try_acquire(ANA, 1).unwrap();
        assert_eq!(pool.acquire(BEN, 1, LONG).await.err(), Some(NoRoom::Full));
        assert_eq!(pool.acquire(ANA, 1, LONG).await.err(), Some(NoRoom::Share));
        assert!(!pool.is_wanted_of(ANA), "nobody waits any more");
    }
}
