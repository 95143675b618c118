//! Saves one step of a change: the row, its links, its event.

use rusqlite::Connection;

use crate::domain::{Cell, EntityKind, Reject, Row, event, order, order_lists};
use crate::shop::Step;
use crate::store::error::failed;
use crate::store::write_tx::WriteTx;
use crate::store::{events, idempotency, rows};

/// Saves a step with its event, and sets the row's id, version and times. A step that changes
/// nothing makes no event and is not stored; one that changes only hidden fields is stored, but
/// makes no event and no new version.
pub(super) fn save(tx: &mut WriteTx<'_>, step: Step) -> Result<Step, Reject> {
    let (seq, now) = (tx.next_seq, tx.now);
    let saved = match step {
        Step::Create { row, products, payments } => {
            let mut row = Row { seq, created_at: now, updated_at: now, ..row };
            if is_order(&row) && *row.cell(order::KIOSK_ID) != Cell::Null {
                row.set(order::KIOSK_UPTIME, Cell::Int(tx.uptime));
            }
            rows::insert(tx.conn, &mut row)?;
            link_products(tx.conn, row.id, &products)?;
            Step::Create { row, products, payments }
        }
        Step::Update { before, after } => {
            let visible = after.changes(&before).any(|(_, field)| field.visible());
            let after = if visible { Row { seq, updated_at: now, ..after } } else { after };
            if is_order(&before) && before.cell(order::ITEMS) != after.cell(order::ITEMS) {
                idempotency::complete(tx.conn, &before)?;
                unlink_products(tx.conn, &before)?;
                let products: Vec<i64> = order_lists::products(&after)?.into_iter().collect();
                link_products(tx.conn, after.id, &products)?;
            }
            rows::update(tx.conn, &before, &after)?;
            Step::Update { before, after }
        }
        Step::Delete(row) => {
            if is_order(&row) {
                idempotency::complete(tx.conn, &row)?;
                unlink_products(tx.conn, &row)?;
            }
            rows::delete(tx.conn, &row)?;
            Step::Delete(row)
        }
    };
    if let Some(event) = event::envelope(saved.before(), saved.after(), now, seq)? {
        events::append(tx, event)?;
    }
    Ok(saved)
}

fn is_order(row: &Row) -> bool {
    row.kind == EntityKind::Order
}

/// Records the products to which an order refers, so that they cannot be deleted.
fn link_products(conn: &Connection, order_id: i64, products: &[i64]) -> Result<(), Reject> {
    if products.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO order_products (product_id, order_id) VALUES (?, ?)";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    for product_id in products {
        statement.execute([*product_id, order_id]).map_err(failed)?;
    }
    Ok(())
}

/// Removes the links of an order to its products.
fn unlink_products(conn: &Connection, row: &Row) -> Result<(), Reject> {
    let sql = "DELETE FROM order_products WHERE product_id = ? AND order_id = ?";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    for product_id in order_lists::products(row)? {
        statement.execute([product_id, row.id]).map_err(failed)?;
    }
    Ok(())
}
