//! Shipments: the parcels of an order.

use crate::domain::schema::{Transitions, Type};
use crate::domain::{EntityKind, EntitySchema, Field, Row};
use crate::limits::NAME_CHARS_MAX;

const TRANSITIONS: Transitions = &[
    ("pending", &["shipped", "in_transit", "delivered"]),
    ("shipped", &["in_transit", "delivered", "returned"]),
    ("in_transit", &["delivered", "returned"]),
    ("delivered", &["returned"]),
    ("returned", &[]),
];

/// The order that it brings.
pub const ORDER_ID: Field =
    Field::new("order_id", Type::Id(EntityKind::Order), "The order that it brings.")
        .required()
        .in_event()
        .filterable();
/// Where it is.
pub const STATUS: Field = Field::new("status", Type::Status(TRANSITIONS), "Where the parcel is.")
    .default("pending")
    .patchable()
    .in_event()
    .filterable();

/// The fields of a shipment.
pub const SCHEMA: EntitySchema = EntitySchema {
    noun: "shipment",
    plural: "shipments",
    channel: "shipment_changes",
    fields: &[
        ORDER_ID,
        Field::new("tracking_number", Type::Line(1, NAME_CHARS_MAX), "The carrier's number.")
            .optional()
            .patchable()
            .in_event()
            .filterable(),
        STATUS,
        Field::new("carrier", Type::Line(1, NAME_CHARS_MAX), "Who carries it.")
            .optional()
            .patchable()
            .in_event(),
    ],
    in_use_message: "others refer to this shipment",
    duplicate_message: "a shipment like this exists already",
};

/// The parcel has left the shop.
pub fn has_left(shipment: &Row) -> bool {
    matches!(shipment.text(&STATUS), "shipped" | "in_transit" | "delivered")
}

/// The parcel is with the customer.
pub fn has_arrived(shipment: &Row) -> bool {
    shipment.text(&STATUS) == "delivered"
}
