//! What follows from a change, in the same transaction: stock, payment status, parcels.

use rusqlite::Connection;

use crate::domain::order::{self, Payments};
use crate::domain::{Code, EntityKind, Reject, Row, product, shipment, transaction};
use crate::store::error::failed;
use crate::store::record::record;
use crate::store::rows;
use crate::store::write_tx::WriteTx;

/// Does what follows from a change of an entity.
pub(super) fn follow(
    tx: &mut WriteTx<'_>,
    kind: EntityKind,
    before: Option<&Row>,
    after: Option<&Row>,
) -> Result<(), Reject> {
    match kind {
        EntityKind::Order => after_order(tx, before, after),
        EntityKind::Shipment => after_shipment(tx, after),
        EntityKind::Transaction => after_transaction(tx, before, after),
        EntityKind::Product | EntityKind::Customer => Ok(()),
    }
}

/// An order that ends or goes while it holds stock gives it back. A new total may be paid already.
fn after_order(
    tx: &mut WriteTx<'_>,
    before: Option<&Row>,
    after: Option<&Row>,
) -> Result<(), Reject> {
    let Some(before) = before else {
        return Ok(());
    };
    let ends = after.is_none_or(|after| after.text(&order::STATUS) == "cancelled");
    if ends && order::holds_stock(before) {
        give_back(tx, before)?;
    }
    match after {
        Some(after) if after.int(&order::TOTAL) != before.int(&order::TOTAL) => settle(tx, after),
        _ => Ok(()),
    }
}

fn give_back(tx: &mut WriteTx<'_>, order: &Row) -> Result<(), Reject> {
    for (product_id, quantity) in order::quantities(order) {
        if let Some(product) = rows::load(tx.conn, EntityKind::Product, product_id)? {
            let after = product::returned(&product, quantity);
            record(tx, Some(&product), Some(after))?;
        }
    }
    Ok(())
}

/// Money that moved changes how far the order is paid.
fn after_transaction(
    tx: &mut WriteTx<'_>,
    before: Option<&Row>,
    after: Option<&Row>,
) -> Result<(), Reject> {
    let Some(row) = after.or(before) else {
        return Ok(());
    };
    let order = parent(tx.conn, Some(row.int(&transaction::ORDER_ID)))?;
    transaction::check_sums(payments(tx.conn, order.id)?)?;
    settle(tx, &order)
}

/// Brings an order's payment status in line with its transactions.
fn settle(tx: &mut WriteTx<'_>, order: &Row) -> Result<(), Reject> {
    let sums = payments(tx.conn, order.id)?;
    record(tx, Some(order), Some(order::after_payments(order, sums)))?;
    Ok(())
}

fn payments(conn: &Connection, order_id: i64) -> Result<Payments, Reject> {
    let sql = "
        SELECT coalesce(sum(amount) FILTER (WHERE type = 'payment' AND status = 'completed'), 0),
               coalesce(sum(amount) FILTER (WHERE type = 'refund'  AND status = 'completed'), 0),
               coalesce(sum(amount) FILTER (WHERE type = 'payment' AND status = 'pending'), 0),
               count(*) FILTER (WHERE type = 'payment' AND status = 'failed')
        FROM transactions WHERE order_id = ?";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let sums = statement.query_row([order_id], |row| {
        Ok(Payments {
            paid: row.get(0)?,
            refunded: row.get(1)?,
            pending: row.get(2)?,
            failed: row.get(3)?,
        })
    });
    sums.map_err(failed)
}

/// A parcel that left makes its order shipped, the last that arrived makes it completed.
fn after_shipment(tx: &mut WriteTx<'_>, after: Option<&Row>) -> Result<(), Reject> {
    let Some(parcel) = after else {
        return Ok(());
    };
    let order = parent(tx.conn, Some(parcel.int(&shipment::ORDER_ID)))?;
    if order::is_ended(&order) && shipment::has_left(parcel) {
        let status = order.text(&order::STATUS);
        return Err(Reject::Conflict(
            Code::OrderEnded,
            format!("this order is {status} and nothing of it can be sent"),
        ));
    }
    let sql = "SELECT count(*) FROM shipments WHERE order_id = ? AND status NOT IN ('delivered', 'returned')";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    let open = statement.query_row([order.id], |row| row.get(0)).map_err(failed)?;
    drop(statement);
    let (left, arrived) = (shipment::has_left(parcel), shipment::has_arrived(parcel));
    let moved = order::after_shipment(&order, left, arrived, open);
    record(tx, Some(&order), Some(moved))?;
    Ok(())
}

/// The order that a transaction or a shipment is for.
pub(super) fn parent(conn: &Connection, order_id: Option<i64>) -> Result<Row, Reject> {
    let row = match order_id {
        Some(id) => rows::load(conn, EntityKind::Order, id)?,
        None => None,
    };
    let missing = || format!("there is no order {}", order_id.unwrap_or_default());
    row.ok_or_else(|| Reject::field("order_id", Code::UnknownReference, missing()))
}
