//! The right to be forgotten: personal data are erased from the event log and the stored responses
//! in the transaction that erases them from the row.

use crate::domain::{EntityKind, Reject};
use crate::store::error::failed;
use crate::store::write_tx::WriteTx;

/// Sets the personal fields of a customer to null in the customer's events and stored responses.
pub(super) fn forget(tx: &mut WriteTx<'_>, customer_id: i64) -> Result<(), Reject> {
    let events = format!(
        "UPDATE events SET body = json_replace(body{}{}) WHERE kind = 2 AND body ->> '$.data.id' = ?",
        nulls("$.data"),
        nulls("$.data.changed_fields")
    );
    let responses = format!(
        "UPDATE responses SET body = json_replace(body{}) WHERE kind = 2 AND row_id = ?",
        nulls("$")
    );
    tx.conn.execute(&events, [customer_id]).map_err(failed)?;
    tx.conn.execute(&responses, [customer_id]).map_err(failed)?;
    tx.outbox.rewritten.insert(EntityKind::Customer);
    Ok(())
}

/// `, 'path', NULL` for each personal field of a customer.
fn nulls(object: &str) -> String {
    let fields = EntityKind::Customer.schema().fields.iter().filter(|field| field.personal);
    fields.flat_map(|field| [", '", object, ".", field.name, "', NULL"]).collect()
}
