//! Shipments: the parcels of an order.

use crate::domain::schema::Type;
use crate::domain::words::words;
use crate::domain::{EntityKind, EntitySchema, Field, FieldRef};
use crate::limits::NAME_CHARS_MAX;

words! {
    /// The state of a parcel. Any state may follow any other, because a carrier's report may come
    /// late or be corrected.
    ShipmentStatus {
        /// Still in the shop.
        Pending = "pending",
        /// Handed to the carrier.
        Shipped = "shipped",
        /// Moved by the carrier.
        InTransit = "in_transit",
        /// With the customer.
        Delivered = "delivered",
        /// Back in the shop.
        Returned = "returned",
    }
}

const FIELDS: &[Field] = &[
    Field::new("order_id", Type::Id(EntityKind::Order), "The order that it belongs to.")
        .required()
        .in_event()
        .filterable(),
    Field::new("tracking_number", Type::Line(1, NAME_CHARS_MAX), "The carrier's number.")
        .optional()
        .patchable()
        .in_event()
        .filterable(),
    Field::new(
        "status",
        Type::Choice(ShipmentStatus::WORDS),
        "The state of the parcel; any may follow any other. The order's status follows from it.",
    )
    .default(ShipmentStatus::Pending.word())
    .patchable()
    .in_event()
    .filterable(),
    Field::new("carrier", Type::Line(1, NAME_CHARS_MAX), "The name of the carrier.")
        .optional()
        .patchable()
        .in_event(),
];

/// The order that it belongs to.
pub const ORDER_ID: FieldRef = FieldRef::of(FIELDS, "order_id");
/// The state of the parcel.
pub const STATUS: FieldRef = FieldRef::of(FIELDS, "status");

/// The names and fields of a shipment.
pub const SCHEMA: EntitySchema = EntitySchema {
    noun: "shipment",
    plural: "shipments",
    channel: "shipment_changes",
    fields: FIELDS,
    currency: None,
    in_use_message: "others refer to this shipment",
    duplicate_message: "a shipment like this exists already",
};
