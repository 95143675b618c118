//! The limit on guessing passwords: failed logins count for their user name and for their address.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::limits::{LOGIN_FAILURES_PER_ADDRESS, LOGIN_FAILURES_PER_NAME};
use crate::sync;
use crate::throttle::{AddressPrefix, Failures};

/// The recent failures. User names count without regard to case, as in the database.
pub(super) struct LoginThrottle(Mutex<ByKey>);

struct ByKey {
    names: Failures,
    addresses: Failures,
}

impl LoginThrottle {
    pub(super) fn new() -> Self {
        Self(Mutex::new(ByKey {
            names: Failures::new(LOGIN_FAILURES_PER_NAME),
            addresses: Failures::new(LOGIN_FAILURES_PER_ADDRESS),
        }))
    }

    /// Checks whether a login may be tried.
    ///
    /// # Errors
    /// The time to wait.
    pub(super) fn check(&self, username: &str, from: IpAddr) -> Result<(), Duration> {
        let ByKey { names, addresses } = &mut *self.lock();
        match names
            .blocked(username.to_lowercase())
            .max(addresses.blocked(AddressPrefix::from(from)))
        {
            Some(wait) => Err(wait),
            None => Ok(()),
        }
    }

    /// Counts a failed login.
    pub(super) fn record_failure(&self, username: &str, from: IpAddr) {
        let ByKey { names, addresses } = &mut *self.lock();
        names.add(username.to_lowercase());
        addresses.add(AddressPrefix::from(from));
    }

    /// Clears the failures of a user name after a login. Those of the address stay: it may guess at other
    /// names.
    pub(super) fn record_success(&self, username: &str) {
        self.lock().names.clear(username.to_lowercase());
    }

    fn lock(&self) -> MutexGuard<'_, ByKey> {
        sync::lock(&self.0)
    }
}
