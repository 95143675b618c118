//! Admission of connections: the bounds on their number, on those of one address, and on their rate.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::domain::Code;
use crate::http::Problem;
use crate::limits::{HALF_OPEN_SHARE, RESERVED_SHARE};
use crate::metrics::Metrics;
use crate::server::half_open::HalfOpen;
use crate::sync;
use crate::throttle::{AddressPrefix, Rate};

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdmissionLimits {
    /// Connections, all together.
    pub(super) connections: usize,
    /// Connections of one address.
    pub(super) per_address: usize,
    /// New connections of one address a second.
    pub(super) per_second: u32,
}

/// Counts the connections, and admits or refuses new ones.
pub(super) struct Admission {
    counts: Mutex<Counts>,
    limits: AdmissionLimits,
    metrics: Arc<Metrics>,
}

struct Counts {
    connections: usize,
    by_address: HashMap<AddressPrefix, usize>,
    rate: Rate,
    /// Connections admitted since the start.
    admitted_total: u64,
    half_open: HalfOpen<Option<AbortHandle>>,
}

/// The permit of a connection, which is released when dropped.
pub(super) struct ConnectionPermit {
    admission: Arc<Admission>,
    /// The address that it counts for; `None` for a proxy, which carries many clients.
    address: Option<AddressPrefix>,
    /// Whether it is a connection of its own, not a client's share of a proxy's connection.
    is_connection: bool,
    /// Sequence number of this connection, starting at 1.
    pub(super) number: u64,
    /// Whether it is one of the last permits, which only a client that is logged in may keep.
    pub(super) reserved: bool,
}

/// Why a connection is refused, and when to try again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: &'static str,
    pub(super) retry_after: Duration,
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        Self::retry_after(Code::TooManyRequests, refusal.reason, refusal.retry_after)
    }
}

pub(super) const FULL: Refusal = Refusal {
    reason: "the server has as many connections as it may have",
    retry_after: RETRY_AFTER,
};
pub(super) const RESERVED: Refusal = Refusal {
    reason: "the last connections are for devices that are logged in",
    retry_after: RETRY_AFTER,
};
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Admission {
    pub(super) fn new(limits: AdmissionLimits, metrics: Arc<Metrics>) -> Self {
        let counts = Counts {
            connections: 0,
            by_address: HashMap::new(),
            rate: Rate::new(limits.per_second),
            admitted_total: 0,
            half_open: HalfOpen::new(),
        };
        Self { counts: Mutex::new(counts), limits, metrics }
    }

    /// Admits a connection, or says why not. If too many are half-open, or all permits are taken, it
    /// replaces the oldest half-open one of the address with the most.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<ConnectionPermit, Refusal> {
        self.issue(Some(address.into()), Some(address.into()))
    }

    /// Admits a connection of a trusted proxy: it is not bounded by its address.
    pub(super) fn admit_proxy(
        self: &Arc<Self>,
        address: IpAddr,
    ) -> Result<ConnectionPermit, Refusal> {
        self.issue(None, Some(address.into()))
    }

    /// Counts a client behind a proxy for the client's own address.
    pub(super) fn admit_behind_proxy(
        self: &Arc<Self>,
        address: IpAddr,
    ) -> Result<ConnectionPermit, Refusal> {
        self.issue(Some(address.into()), None)
    }

    /// Stores how to end a connection while it is half-open.
    pub(super) fn set_abort_handle(&self, number: u64, task: AbortHandle) {
        if let Some(handle) = self.counts().half_open.handle_mut(number) {
            *handle = Some(task);
        }
    }

    /// Connections that are open.
    pub(super) fn connections(&self) -> usize {
        self.counts().connections
    }

    /// Counts for the one address, and as a connection from the other.
    fn issue(
        self: &Arc<Self>,
        address: Option<AddressPrefix>,
        from: Option<AddressPrefix>,
    ) -> Result<ConnectionPermit, Refusal> {
        let admitted = self.count_in(address, from).inspect_err(|_| {
            self.metrics.refused.inc();
        })?;
        let is_connection = from.is_some();
        if is_connection {
            self.metrics.connections.inc();
        }
        if let Some(evicted) = admitted.evicted {
            self.metrics.refused.inc();
            evicted.abort();
        }
        let Admitted { number, reserved, .. } = admitted;
        let admission = Arc::clone(self);
        Ok(ConnectionPermit { admission, address, is_connection, number, reserved })
    }

    fn count_in(
        &self,
        address: Option<AddressPrefix>,
        from: Option<AddressPrefix>,
    ) -> Result<Admitted, Refusal> {
        let mut counts = self.counts();
        if let Some(address) = address {
            let too_fast =
                |retry_after| Refusal { reason: "this address connects too fast", retry_after };
            counts.rate.take(address).map_err(too_fast)?;
            if counts.by_address.get(&address).is_some_and(|of| *of >= self.limits.per_address) {
                let reason = "this address has as many connections as it may have";
                return Err(Refusal { reason, retry_after: RETRY_AFTER });
            }
        }
        let admitted = match from {
            Some(from) => counts.connect(from, self.limits.connections)?,
            None => Admitted::default(),
        };
        if let Some(address) = address {
            *counts.by_address.entry(address).or_default() += 1;
        }
        Ok(admitted)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        sync::lock(&self.counts)
    }
}

/// The result of counting in a connection.
#[derive(Default)]
struct Admitted {
    number: u64,
    reserved: bool,
    evicted: Option<AbortHandle>,
}

impl Counts {
    /// Counts in one more connection, of at most `connections_max`.
    fn connect(
        &mut self,
        from: AddressPrefix,
        connections_max: usize,
    ) -> Result<Admitted, Refusal> {
        let full = self.connections >= connections_max;
        if full && self.half_open.len() == 0 {
            return Err(FULL);
        }
        let reserved = self.connections >= connections_max - connections_max / RESERVED_SHARE;
        self.connections += 1;
        self.admitted_total += 1;
        self.half_open.insert(self.admitted_total, from, None);
        let half_open_max = (connections_max / HALF_OPEN_SHARE).max(1);
        let evicts = full || self.half_open.len() > half_open_max;
        let evicted = if evicts { self.half_open.evict().flatten() } else { None };
        Ok(Admitted { number: self.admitted_total, reserved, evicted })
    }
}

impl ConnectionPermit {
    /// Marks the connection as no longer half-open, so that no other connection replaces it.
    pub(super) fn keep(&self) {
        self.admission.counts().half_open.remove(self.number);
    }

    /// Whether it is the connection of a trusted proxy.
    pub(super) fn is_proxy(&self) -> bool {
        self.address.is_none()
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        if self.is_connection {
            counts.connections -= 1;
            counts.half_open.remove(self.number);
            self.admission.metrics.connections.dec();
        }
        let Some(address) = self.address else {
            return;
        };
        if let Some(count) = counts.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::task::JoinHandle;

    use super::*;

    fn admission(connections: usize, per_address: usize, per_second: u32) -> Arc<Admission> {
        let limits = AdmissionLimits { connections, per_address, per_second };
        Arc::new(Admission::new(limits, Arc::new(Metrics::new())))
    }

    fn address(last: u8) -> IpAddr {
        [127, 0, 0, last].into()
    }

    #[test]
    fn a_permit_is_given_back() {
        let admission = admission(10, 1, 100);
        let permit = admission.admit(address(1)).unwrap();
        assert!(
            admission.admit(address(1)).is_err_and(|refusal| refusal.reason.contains("address"))
        );
        assert!(admission.admit(address(2)).is_ok());
        drop(permit);
        assert_eq!(admission.connections(), 0);
        assert!(admission.admit(address(1)).is_ok());
    }

    #[test]
    fn a_full_server_refuses_every_address() {
        let admission = admission(2, 10, 100);
        let inside = [admission.admit(address(1)).unwrap(), admission.admit(address(2)).unwrap()];
        inside.iter().for_each(ConnectionPermit::keep);
        assert_eq!(admission.admit(address(3)).err(), Some(FULL));
    }

    #[tokio::test]
    async fn the_longest_half_open_is_replaced() {
        /// Connects and sends nothing.
        fn silent(admission: &Arc<Admission>, at: u8) -> JoinHandle<()> {
            let permit = admission.admit(address(at)).unwrap();
            let number = permit.number;
            let task = tokio::spawn(async move {
                let _permit = permit;
                pending::<()>().await;
            });
            admission.set_abort_handle(number, task.abort_handle());
            task
        }
        async fn is_aborted(task: JoinHandle<()>) {
            assert!(task.await.is_err_and(|error| error.is_cancelled()));
        }
        let admission = admission(8, 100, 100);
        let [first, second, third, fourth] = [1, 2, 3, 4].map(|at| silent(&admission, at));
        let fifth = silent(&admission, 5);
        is_aborted(first).await;
        assert_eq!(admission.connections(), 4, "half of the permits are for half-open ones");
        let talker = admission.admit(address(6)).unwrap();
        is_aborted(second).await;
        talker.keep();
        let _talkers = [7, 8, 9, 10, 11].map(|at| {
            let permit = admission.admit(address(at)).unwrap();
            permit.keep();
            permit
        });
        is_aborted(third).await;
        assert!(!fourth.is_finished() && !fifth.is_finished());
    }

    #[test]
    fn the_last_permits_are_reserved() {
        let admission = admission(32, 100, 100);
        let inside: Vec<_> = (0..32).map(|at| admission.admit(address(at)).unwrap()).collect();
        let reserved = inside.iter().filter(|permit| permit.reserved);
        assert_eq!(reserved.map(|permit| permit.number).collect::<Vec<_>>(), [31, 32]);
    }

    #[test]
    fn an_address_that_connects_too_fast_waits() {
        let admission = admission(1000, 1000, 1);
        let inside: Vec<_> = (0..10).map(|_| admission.admit(address(1)).unwrap()).collect();
        assert!(
            admission
                .admit(address(1))
                .is_err_and(|refusal| refusal.retry_after <= Duration::from_secs(1))
        );
        assert!(admission.admit(address(2)).is_ok());
        drop(inside);
    }

    #[test]
    fn a_proxy_counts_for_its_clients_addresses() {
        let admission = admission(4, 1, 100);
        let proxy: Vec<_> = (0..3).map(|_| admission.admit_proxy(address(9)).unwrap()).collect();
        let share = admission.admit_behind_proxy(address(1)).unwrap();
        assert!(admission.admit_behind_proxy(address(1)).is_err());
        assert!(admission.admit(address(1)).is_err());
        assert_eq!(admission.connections(), 3);
        drop((share, proxy));
        assert_eq!(admission.connections(), 0);
        assert!(admission.admit(address(1)).is_ok());
    }
}
