//! The rules' view of the shop, and their look-ups in it.

use crate::domain::input::Input;
use crate::domain::order_line::ProductRef;
use crate::domain::schema::Type;
use crate::domain::shipment::ShipmentStatus;
use crate::domain::tax::TaxMode;
use crate::domain::{Code, EntityKind, FieldError, FieldRef, Reject, Row};
use crate::shop::sums::Payment;

/// The rules' view of the shop. The store implements it on its open transaction, so a rule sees the
/// steps that were saved before it.
pub trait Reads {
    /// The entity with that id; `None` if it does not exist.
    fn load(&self, kind: EntityKind, id: i64) -> Result<Option<Row>, Reject>;
    /// The product that a line names; `None` if it does not exist.
    fn product(&self, named: &ProductRef) -> Result<Option<Row>, Reject>;
    /// Whether an entity with that id exists.
    fn exists(&self, kind: EntityKind, id: i64) -> Result<bool, Reject>;
    /// The transactions of an order.
    fn payments(&self, order_id: i64) -> Result<Vec<Payment>, Reject>;
    /// The states of the parcels of an order.
    fn parcels(&self, order_id: i64) -> Result<Vec<ShipmentStatus>, Reject>;
    /// The currency of what names none.
    fn currency(&self) -> &'static str;
    /// Whether the shop's prices have the tax in them.
    fn tax_mode(&self) -> TaxMode;
    /// The number of a kiosk's orders that are neither paid nor ended; not counted above
    /// `KIOSK_UNPAID_ORDERS_MAX`.
    fn unpaid_orders(&self, kiosk_id: i64) -> Result<i64, Reject>;
}

pub(super) fn all_found(errors: Vec<FieldError>) -> Result<(), Reject> {
    if errors.is_empty() { Ok(()) } else { Err(Reject::Invalid(errors)) }
}

/// The references of an input to entities that do not exist. A foreign key alone would not name
/// them.
pub(super) fn missing_references(
    reads: &impl Reads,
    input: &Input,
) -> Result<Vec<FieldError>, Reject> {
    let mut errors = Vec::new();
    for (index, field) in input.kind.schema().fields.iter().enumerate() {
        let Type::Id(kind) = field.ty else { continue };
        let Some(id) = input.id(FieldRef { name: field.name, index }) else { continue };
        if !reads.exists(kind, id)? {
            let message = format!("is unknown: there is no {} {id}", kind.schema().noun);
            errors.push(FieldError::new(field.name, Code::UnknownReference, message));
        }
    }
    Ok(errors)
}

/// The order that a transaction or a shipment is for.
pub(super) fn order_of(reads: &impl Reads, row: &Row, field: FieldRef) -> Result<Row, Reject> {
    reads.load(EntityKind::Order, row.int(field)?)?.ok_or_else(|| row.damaged(field))
}
