//! Every change goes through this file. The shop's rules plan its steps and say what follows from
//! each step; this file saves the steps in the open transaction and adds an entry to the audit
//! trail.

use std::borrow::Cow;
use std::collections::VecDeque;

use rusqlite::Connection;

use crate::domain::order_line::ProductRef;
use crate::domain::shipment::ShipmentStatus;
use crate::domain::tax::TaxMode;
use crate::domain::{EntityKind, Reject, Row, ShopTerms, product};
use crate::limits::CHANGE_STEPS_MAX;
use crate::shop::{self, Change, Operation, Payment, Reads, Step};
use crate::store::audit;
use crate::store::audit_record::{Action, AuditRecord, AuditSubject};
use crate::store::caller::Caller;
use crate::store::error::failed;
use crate::store::save::save;
use crate::store::write_tx::WriteTx;
use crate::store::{erase, kiosk_orders, rows};

/// The outcome of a change for its entity.
#[derive(Debug)]
pub enum Changed {
    /// The new entity.
    Created(Row),
    /// The entity's new state.
    Row(Row),
    /// The entity was removed.
    Removed,
    /// Nothing was done, because the entity would have more than `bytes_max` bytes of text.
    TooLarge,
}

/// Applies a change with everything that follows from it, unless the entity would have more than
/// `bytes_max` bytes of text.
///
/// # Errors
/// The rule that the change breaks, `Unavailable` if the database failed.
pub(super) fn apply(
    tx: &mut WriteTx<'_>,
    caller: Caller,
    change: &Change,
    bytes_max: usize,
) -> Result<Changed, Reject> {
    let (head, first_seq) = (tx.head, tx.next_seq);
    let mut steps = VecDeque::from(shop::plan(&TxReads::of(tx), caller.principal, change)?);
    let planned = steps.front().and_then(Step::after);
    if planned.is_some_and(|row| rows::size(row) > bytes_max) {
        return Ok(Changed::TooLarge);
    }
    let (mut first, mut saved_steps) = (None, 0);
    while let Some(step) = steps.pop_front() {
        saved_steps += 1;
        if saved_steps > CHANGE_STEPS_MAX {
            tracing::error!("a change has more than {CHANGE_STEPS_MAX} steps");
            return Err(Reject::Unavailable);
        }
        let saved = save(tx, step)?;
        steps.extend(shop::follow(&TxReads::of(tx), &saved)?);
        first.get_or_insert(saved);
    }
    let Some(first) = first else {
        return Ok(Changed::Removed);
    };
    if let Operation::Erase(id) = change.operation {
        erase::forget(tx, id)?;
    }
    if tx.head > head {
        let action = match (&change.operation, &first) {
            (Operation::Erase(_), _) => Action::Erase,
            (Operation::ChangeStock(_, by), _) => Action::ChangeStock(by.reason, by.note.clone()),
            (_, Step::Create { .. }) => Action::Create,
            (_, Step::Update { before, after }) => {
                let names = after.changed_since(before).map(Cow::Borrowed);
                Action::Update(names.collect())
            }
            (_, Step::Delete(_)) => Action::Delete,
        };
        let record = AuditRecord {
            action,
            subject: AuditSubject::Entity(change.kind),
            row_id: first.row().id,
            seqs: Some((first_seq, tx.head)),
        };
        audit::note(tx, caller, &record)?;
    }
    Ok(match first {
        Step::Create { row, .. } => Changed::Created(row),
        Step::Update { after: row, .. } => Changed::Row(row),
        Step::Delete(_) => Changed::Removed,
    })
}

/// The rules' view of the open transaction.
pub(super) struct TxReads<'c> {
    conn: &'c Connection,
    terms: ShopTerms,
}

impl<'c> TxReads<'c> {
    pub(super) fn of(tx: &WriteTx<'c>) -> Self {
        Self { conn: tx.conn, terms: tx.shop.terms }
    }
}

impl Reads for TxReads<'_> {
    fn load(&self, kind: EntityKind, id: i64) -> Result<Option<Row>, Reject> {
        rows::load(self.conn, kind, id)
    }

    fn currency(&self) -> &'static str {
        self.terms.currency
    }

    fn tax_mode(&self) -> TaxMode {
        self.terms.tax
    }

    fn product(&self, named: &ProductRef) -> Result<Option<Row>, Reject> {
        match named {
            ProductRef::Id(id) => self.load(EntityKind::Product, *id),
            ProductRef::Sku(sku) => rows::load_by(self.conn, product::SKU, sku),
            ProductRef::Gtin(gtin) => rows::load_by(self.conn, product::GTIN, gtin),
        }
    }

    fn exists(&self, kind: EntityKind, id: i64) -> Result<bool, Reject> {
        let sql = match kind {
            EntityKind::Order => "SELECT 1 FROM orders WHERE id = ?",
            EntityKind::Product => "SELECT 1 FROM products WHERE id = ?",
            EntityKind::Customer => "SELECT 1 FROM customers WHERE id = ?",
            EntityKind::Shipment => "SELECT 1 FROM shipments WHERE id = ?",
            EntityKind::Transaction => "SELECT 1 FROM transactions WHERE id = ?",
        };
        let mut statement = self.conn.prepare_cached(sql).map_err(failed)?;
        statement.exists([id]).map_err(failed)
    }

    fn payments(&self, order_id: i64) -> Result<Vec<Payment>, Reject> {
        let sql = "SELECT type, status, amount FROM transactions WHERE order_id = ?";
        let mut statement = self.conn.prepare_cached(sql).map_err(failed)?;
        let payments = statement.query_map([order_id], |row| {
            Ok(Payment { direction: row.get(0)?, status: row.get(1)?, amount: row.get(2)? })
        });
        payments.and_then(Iterator::collect).map_err(failed)
    }

    fn parcels(&self, order_id: i64) -> Result<Vec<ShipmentStatus>, Reject> {
        let sql = "SELECT status FROM shipments WHERE order_id = ?";
        let mut statement = self.conn.prepare_cached(sql).map_err(failed)?;
        let parcels = statement.query_map([order_id], |row| row.get(0));
        parcels.and_then(Iterator::collect).map_err(failed)
    }

    fn unpaid_orders(&self, kiosk_id: i64) -> Result<i64, Reject> {
        kiosk_orders::count(self.conn, kiosk_id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::input::Purpose;
    use crate::domain::{Input, Precondition};
    use crate::store::test_shop;

    fn product(purpose: Purpose, body: Value) -> Input {
        let Value::Object(body) = body else { panic!("no object: {body}") };
        Input::read(EntityKind::Product, purpose, body).unwrap()
    }

    /// The caller then waits for memory and tries again.
    #[test]
    fn a_change_that_would_be_too_large_does_nothing() {
        let conn = test_shop::new();
        let mut tx = test_shop::transaction(&conn);
        let mut apply = |operation, bytes_max| {
            let change = Change {
                kind: EntityKind::Product,
                operation,
                precondition: Precondition::default(),
            };
            let changed = apply(&mut tx, Caller::CONSOLE, &change, bytes_max).unwrap();
            (changed, tx.head)
        };
        let tea =
            product(Purpose::Create("USD"), json!({"name": "Tea", "sku": "T-1", "price": 2.5}));
        let (made, head) = apply(Operation::Create(tea), usize::MAX);
        assert!(matches!(made, Changed::Created(row) if row.id == 1) && head == 1);
        let renamed = || {
            let input = product(Purpose::Patch, json!({"name": "a long name".repeat(9)}));
            Operation::Update(1, input)
        };
        let (refused, head) = apply(renamed(), 80);
        assert!(matches!(refused, Changed::TooLarge) && head == 1);
        let (done, head) = apply(renamed(), usize::MAX);
        assert!(matches!(done, Changed::Row(row) if row.seq == 2) && head == 2);
    }
}
