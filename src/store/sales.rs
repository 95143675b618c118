//! Sales: each has a name that the client gave, which stays known for ever.

use rusqlite::OptionalExtension;

use crate::domain::sale::SoldLine;
use crate::domain::{
    Cell, Code, EntityKind, Precondition, Principal, Reject, Row, Sale, decimal, event, order,
};
use crate::shop::{self, Change, Operation};
use crate::store::apply::{self, Changed, TxReads};
use crate::store::caller::Caller;
use crate::store::error::failed;
use crate::store::idempotency::StoredResponse;
use crate::store::rows;
use crate::store::write_tx::WriteTx;

/// A sale that is stored.
struct Stored {
    order_id: i64,
    lines: Vec<SoldLine>,
    /// The change that the customer got, in minor units.
    change: i64,
}

/// The response to a repeat of a stored sale: the order as it is now. `None` if no sale has this name.
///
/// # Errors
/// The name is that of another sale, or of one whose order is gone.
pub(super) fn repeat(
    tx: &WriteTx<'_>,
    caller: Caller,
    sale: &Sale,
) -> Result<Option<StoredResponse>, Reject> {
    let Some(stored) = find(tx, &sale.client_id)? else { return Ok(None) };
    let Some(order) = rows::load(tx.conn, EntityKind::Order, stored.order_id)? else {
        let text = "the order of the sale with this client_id was deleted";
        return Err(Reject::conflict(Code::SaleDeleted, text));
    };
    let is_visible = may_see(&order, caller.principal);
    if !is_visible || !shop::is_repeat(&TxReads::of(tx), sale, &stored.lines, order.currency())? {
        let text = "the client_id was used for another sale; give each sale its own";
        return Err(Reject::conflict(Code::ClientIdReused, text));
    }
    response(tx, &order, stored.change).map(Some)
}

/// Stores a new sale, and returns the response to it.
pub(super) fn sell(
    tx: &mut WriteTx<'_>,
    caller: Caller,
    sale: &Sale,
) -> Result<StoredResponse, Reject> {
    let operation = Operation::Sell(sale.clone());
    let (kind, precondition) = (EntityKind::Order, Precondition::default());
    let change = Change { kind, operation, precondition };
    let Changed::Created(order) = apply::apply(tx, caller, &change, usize::MAX)? else {
        return Err(Reject::Unavailable);
    };
    let stored = Stored {
        order_id: order.id,
        lines: shop::sold_lines(sale, &order)?,
        change: shop::change(sale, &order)?,
    };
    let lines = serde_json::to_string(&stored.lines).map_err(|_| Reject::Unavailable)?;
    let sql = "INSERT INTO sales (client_id, order_id, lines, change) VALUES (?, ?, ?, ?)";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    let values = (&sale.client_id, stored.order_id, lines, stored.change);
    statement.execute(values).map_err(failed)?;
    response(tx, &order, stored.change)
}

fn find(tx: &WriteTx<'_>, client_id: &str) -> Result<Option<Stored>, Reject> {
    let sql = "SELECT order_id, lines, change FROM sales WHERE client_id = ?";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    let found = statement
        .query_row([client_id], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?)));
    let Some((order_id, lines, change)) = found.optional().map_err(failed)? else {
        return Ok(None);
    };
    let lines = serde_json::from_str(&lines).map_err(|error| {
        tracing::error!(%error, order_id, "the stored lines of a sale cannot be read");
        Reject::Unavailable
    })?;
    Ok(Some(Stored { order_id, lines, change }))
}

/// A kiosk sees only its own sales.
fn may_see(order: &Row, principal: Principal) -> bool {
    principal.own_orders().is_none_or(|id| *order.cell(order::KIOSK_ID) == Cell::Int(id))
}

fn response(tx: &WriteTx<'_>, order: &Row, change: i64) -> Result<StoredResponse, Reject> {
    let mut body = format!("{{\"order\":{},\"transactions\":[", event::entity(order)?);
    for (at, transaction) in rows::transactions_of(tx.conn, order.id)?.iter().enumerate() {
        body.push_str(if at == 0 { "" } else { "," });
        body.push_str(&event::entity(transaction)?);
    }
    body.push_str("],\"change\":");
    decimal::write(&mut body, change, order.decimals()?);
    body.push('}');
    Ok(StoredResponse { id: order.id, version: order.seq, body })
}
