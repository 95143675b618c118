//! One change of one row, before → after, with its event.

use rusqlite::Connection;

use crate::domain::{EntityKind, Reject, Row, event, order};
use crate::store::error::failed;
use crate::store::write_tx::WriteTx;
use crate::store::{events, rows};

/// Stores one change, before → after, and its event; a change of nothing does neither.
pub(super) fn record(
    tx: &mut WriteTx<'_>,
    before: Option<&Row>,
    after: Option<Row>,
) -> Result<Option<Row>, Reject> {
    let (seq, now) = (tx.next_seq(), tx.now);
    let stamped = after.map(|row| Row {
        seq,
        updated_at: now,
        created_at: before.map_or(now, |before| before.created_at),
        ..row
    });
    let stored = match (before, stamped) {
        (Some(before), Some(after)) if before.cells == after.cells => {
            return Ok(Some(before.clone()));
        }
        (Some(before), Some(after)) => {
            after.check_transitions(before)?;
            rows::update(tx.conn, before, &after)?;
            Some(after)
        }
        (None, Some(mut after)) => {
            rows::insert(tx.conn, &mut after)?;
            link_products(tx.conn, &after)?;
            Some(after)
        }
        (Some(before), None) => {
            unlink_products(tx.conn, before)?;
            rows::delete(tx.conn, before)?;
            None
        }
        (None, None) => return Ok(None),
    };
    if let Some(event) = event::envelope(before, stored.as_ref(), now, seq) {
        events::append(tx, event)?;
    }
    Ok(stored)
}

/// Notes which products a new order has.
fn link_products(conn: &Connection, row: &Row) -> Result<(), Reject> {
    if row.kind != EntityKind::Order {
        return Ok(());
    }
    let sql = "INSERT INTO order_products (product_id, order_id) VALUES (?, ?)";
    for product_id in order::quantities(row).into_keys() {
        let mut statement = conn.prepare_cached(sql).map_err(failed)?;
        statement.execute([product_id, row.id]).map_err(failed)?;
    }
    Ok(())
}

/// Forgets the products of an order that goes.
fn unlink_products(conn: &Connection, row: &Row) -> Result<(), Reject> {
    if row.kind != EntityKind::Order {
        return Ok(());
    }
    let sql = "DELETE FROM order_products WHERE product_id = ? AND order_id = ?";
    for product_id in order::quantities(row).into_keys() {
        let mut statement = conn.prepare_cached(sql).map_err(failed)?;
        statement.execute([product_id, row.id]).map_err(failed)?;
    }
    Ok(())
}
