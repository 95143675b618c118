//! The open, unpaid orders of kiosks: their number, and those that are too old.

use std::sync::LazyLock;

use rusqlite::Connection;

use crate::domain::Reject;
use crate::domain::order::{OrderStatus, PaymentStatus};
use crate::limits::{KIOSK_EXPIRY_STEP, KIOSK_UNPAID_ORDERS_MAX};
use crate::store::error::failed;

/// An order at a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderVersion {
    /// The order's id.
    pub id: i64,
    /// Its version.
    pub version: i64,
}

/// The orders that are neither paid nor ended. The condition is that of the indexes `orders_unpaid_of_kiosk` and
/// `orders_unpaid_by_uptime`, word for word.
static UNPAID: LazyLock<String> = LazyLock::new(|| {
    let [pending, failed] =
        [PaymentStatus::Pending, PaymentStatus::Failed].map(PaymentStatus::word);
    let [completed, cancelled, refunded] =
        [OrderStatus::Completed, OrderStatus::Cancelled, OrderStatus::Refunded]
            .map(OrderStatus::word);
    format!(
        "(payment_status = '{pending}' OR payment_status = '{failed}')
         AND status <> '{completed}' AND status <> '{cancelled}' AND status <> '{refunded}'"
    )
});
static COUNT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT count(*) FROM (SELECT 1 FROM orders WHERE kiosk_id = ? AND {} LIMIT ?)",
        *UNPAID
    )
});
static OLD: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT id, seq FROM orders WHERE kiosk_uptime <= ? AND {} ORDER BY kiosk_uptime LIMIT ?",
        *UNPAID
    )
});

/// The number of a kiosk's open, unpaid orders; not counted above `KIOSK_UNPAID_ORDERS_MAX`.
pub(super) fn count(conn: &Connection, kiosk_id: i64) -> Result<i64, Reject> {
    let mut statement = conn.prepare_cached(&COUNT).map_err(failed)?;
    statement.query_row((kiosk_id, KIOSK_UNPAID_ORDERS_MAX), |row| row.get(0)).map_err(failed)
}

/// Some of the open, unpaid orders that a kiosk, which may be gone, made at this uptime or before.
pub(super) fn older_than(conn: &Connection, uptime: i64) -> Result<Vec<OrderVersion>, Reject> {
    let mut statement = conn.prepare_cached(&OLD).map_err(failed)?;
    let found = statement.query_map((uptime, KIOSK_EXPIRY_STEP), |row| {
        Ok(OrderVersion { id: row.get(0)?, version: row.get(1)? })
    });
    found.and_then(Iterator::collect).map_err(failed)
}

/// The uptime at which the newest of these orders was made; 0 if there is none.
pub(super) fn newest_uptime(conn: &Connection) -> rusqlite::Result<i64> {
    let sql = format!(
        "SELECT coalesce(max(kiosk_uptime), 0) FROM orders WHERE kiosk_uptime IS NOT NULL AND {}",
        *UNPAID
    );
    conn.query_row(&sql, [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::test_shop;

    /// Otherwise each order of a kiosk would look through all that it ever made.
    #[test]
    fn unpaid_orders_of_kiosks_are_found_in_their_indexes() {
        let conn = test_shop::new();
        for (sql, index) in
            [(&*COUNT, "orders_unpaid_of_kiosk"), (&*OLD, "orders_unpaid_by_uptime")]
        {
            let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let plan = statement.query_map((1, 20), |row| row.get::<_, String>(3)).unwrap();
            let plan: Vec<_> = plan.map(Result::unwrap).collect();
            let uses = |step: &String| step.contains(index) && !step.starts_with("SCAN orders");
            assert!(plan.iter().any(uses), "{plan:?}");
        }
    }
}
