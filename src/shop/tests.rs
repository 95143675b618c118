//! A shop in memory: the rules with a map in place of the database.

mod amounts;
mod facts;
mod model;
mod open_orders;
mod pricing;
mod properties;
mod restock;
mod rules;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::input::Purpose;
use crate::domain::order::{self, OrderStatus, PaymentStatus};
use crate::domain::order_line::ProductRef;
use crate::domain::shipment::{self, ShipmentStatus};
use crate::domain::tax::TaxMode;
use crate::domain::{
    Cell, Code, EntityKind, FieldRef, Input, Precondition, Principal, Reject, Role, Row,
};
use crate::domain::{product, transaction};
use crate::shop::{Change, Operation, Payment, Reads, Step, follow, plan};

const ADMIN: Principal = Principal::User { id: 1, role: Role::Admin };
/// The currency of a shop of the tests.
const CURRENCY: &str = "USD";
const KIOSK: Principal = Principal::User { id: 2, role: Role::Kiosk };

/// The rows of a shop by their kind's index and their id.
#[derive(Clone)]
struct MemoryShop {
    rows: BTreeMap<(usize, i64), Row>,
    last_id: i64,
    tax: TaxMode,
    /// The steps of the last change.
    steps: Vec<Step>,
}

impl Default for MemoryShop {
    fn default() -> Self {
        let (rows, steps) = (BTreeMap::new(), Vec::new());
        Self { rows, last_id: 0, tax: TaxMode::Included, steps }
    }
}

impl MemoryShop {
    fn row(&self, kind: EntityKind, id: i64) -> &Row {
        &self.rows[&(kind.index(), id)]
    }

    fn of_order(
        &self,
        kind: EntityKind,
        field: FieldRef,
        order: i64,
    ) -> impl Iterator<Item = &Row> {
        let rows = self.rows.values().filter(move |row| row.kind == kind);
        rows.filter(move |row| row.int(field) == Ok(order))
    }

    fn create(&mut self, kind: EntityKind, body: Value) -> Result<i64, Reject> {
        self.create_as(ADMIN, kind, body)
    }

    fn create_as(&mut self, who: Principal, kind: EntityKind, body: Value) -> Result<i64, Reject> {
        let operation = Operation::Create(input(kind, Purpose::Create("USD"), body)?);
        self.change(who, kind, operation)?;
        Ok(self.steps[0].row().id)
    }

    fn update(&mut self, kind: EntityKind, id: i64, body: Value) -> Result<(), Reject> {
        let operation = Operation::Update(id, input(kind, Purpose::Patch, body)?);
        self.change(ADMIN, kind, operation)
    }

    fn delete(&mut self, kind: EntityKind, id: i64) -> Result<(), Reject> {
        self.change(ADMIN, kind, Operation::Delete(id))
    }

    /// Applies a change with everything that follows, or nothing.
    fn change(
        &mut self,
        who: Principal,
        kind: EntityKind,
        operation: Operation,
    ) -> Result<(), Reject> {
        self.steps.clear();
        let mut next = self.clone();
        let mut steps =
            plan(&next, who, &Change { kind, operation, precondition: Precondition::default() })?;
        let mut at = 0;
        while at < steps.len() {
            next.save(&mut steps[at])?;
            steps.extend(follow(&next, &steps[at])?);
            at += 1;
        }
        *self = Self { steps, ..next };
        Ok(())
    }

    fn save(&mut self, step: &mut Step) -> Result<(), Reject> {
        match step {
            Step::Create { row, .. } => {
                self.last_id += 1;
                row.id = self.last_id;
                self.rows.insert((row.kind.index(), row.id), row.clone());
            }
            Step::Update { before, after } => {
                let stored = self.rows.insert((after.kind.index(), after.id), after.clone());
                assert_eq!(stored.as_ref(), Some(&*before), "a step was planned with an old state");
            }
            Step::Delete(row) => {
                if row.kind == EntityKind::Order && self.is_referred_to(row.id) {
                    return Err(Reject::conflict(Code::InUse, ""));
                }
                self.rows.remove(&(row.kind.index(), row.id));
            }
        }
        Ok(())
    }

    fn is_referred_to(&self, order: i64) -> bool {
        let payments = self.of_order(EntityKind::Transaction, transaction::ORDER_ID, order);
        let parcels = self.of_order(EntityKind::Shipment, shipment::ORDER_ID, order);
        payments.chain(parcels).next().is_some()
    }
}

impl Reads for MemoryShop {
    fn load(&self, kind: EntityKind, id: i64) -> Result<Option<Row>, Reject> {
        Ok(self.rows.get(&(kind.index(), id)).cloned())
    }

    fn product(&self, named: &ProductRef) -> Result<Option<Row>, Reject> {
        let field = match named {
            ProductRef::Id(id) => return self.load(EntityKind::Product, *id),
            ProductRef::Sku(sku) => (product::SKU, sku),
            ProductRef::Gtin(gtin) => (product::GTIN, gtin),
        };
        let of_kind = |row: &&Row| row.kind == EntityKind::Product;
        let mut found = self.rows.values().filter(of_kind);
        Ok(found.find(|row| row.text(field.0).is_ok_and(|text| text == field.1)).cloned())
    }

    fn exists(&self, kind: EntityKind, id: i64) -> Result<bool, Reject> {
        Ok(self.rows.contains_key(&(kind.index(), id)))
    }

    fn payments(&self, order_id: i64) -> Result<Vec<Payment>, Reject> {
        self.of_order(EntityKind::Transaction, transaction::ORDER_ID, order_id)
            .map(Payment::read)
            .collect()
    }

    fn parcels(&self, order_id: i64) -> Result<Vec<ShipmentStatus>, Reject> {
        let status = |row: &Row| {
            ShipmentStatus::from_word(row.text(shipment::STATUS)?).ok_or(Reject::Unavailable)
        };
        self.of_order(EntityKind::Shipment, shipment::ORDER_ID, order_id).map(status).collect()
    }

    fn currency(&self) -> &'static str {
        CURRENCY
    }

    fn tax_mode(&self) -> TaxMode {
        self.tax
    }

    fn unpaid_orders(&self, kiosk_id: i64) -> Result<i64, Reject> {
        let orders = self.rows.values().filter(|row| row.kind == EntityKind::Order);
        let of_kiosk = orders.filter(|row| *row.cell(order::KIOSK_ID) == Cell::Int(kiosk_id));
        let is_unpaid = |row: &&Row| {
            let status = PaymentStatus::from_word(row.text(order::PAYMENT_STATUS).unwrap());
            matches!(status.unwrap(), PaymentStatus::Pending | PaymentStatus::Failed)
        };
        let is_open = |row: &&Row| {
            let status = OrderStatus::from_word(row.text(order::STATUS).unwrap()).unwrap();
            !status.is_ended() && status != OrderStatus::Completed
        };
        Ok(i64::try_from(of_kiosk.filter(is_unpaid).filter(is_open).count()).unwrap())
    }
}

fn input(kind: EntityKind, purpose: Purpose, body: Value) -> Result<Input, Reject> {
    let Value::Object(body) = body else { panic!("{body} is no object") };
    Input::read(kind, purpose, body)
}

/// The code of a rejection.
#[track_caller]
fn refused<T>(result: Result<T, Reject>) -> Code {
    match result.err() {
        Some(Reject::Conflict(code, _)) => code,
        Some(Reject::Invalid(errors)) if errors.len() == 1 => errors[0].code,
        other => panic!("{other:?}"),
    }
}
