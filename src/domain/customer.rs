//! Customers: personal data, for admin and staff only.

use crate::domain::schema::Type;
use crate::domain::{EntitySchema, Field, FieldRef};
use crate::limits::{NAME_CHARS_MAX, PHONE_CHARS_MAX};

const FIELDS: &[Field] = &[
        Field::new(
            "email",
            Type::Email,
            "Unique, whatever the case of its letters; at most 254 bytes of UTF-8. A customer needs it or a name.",
        )
        .optional()
        .patchable()
        .in_event()
        .filterable()
        .personal(),
        Field::new("first_name", Type::Line(1, NAME_CHARS_MAX), "The given name.")
            .optional()
            .patchable()
            .in_event()
            .personal(),
        Field::new("last_name", Type::Line(0, NAME_CHARS_MAX), "The family name; may be empty.")
            .optional()
            .patchable()
            .in_event()
            .personal(),
        Field::new("phone", Type::Line(0, PHONE_CHARS_MAX), "A number to call.")
            .optional()
            .patchable()
            .personal(),
];

/// The e-mail address.
pub const EMAIL: FieldRef = FieldRef::of(FIELDS, "email");
/// The given name.
pub const FIRST_NAME: FieldRef = FieldRef::of(FIELDS, "first_name");
/// The family name.
pub const LAST_NAME: FieldRef = FieldRef::of(FIELDS, "last_name");

/// The names and fields of a customer.
pub const SCHEMA: EntitySchema = EntitySchema {
    noun: "customer",
    plural: "customers",
    channel: "customer_changes",
    fields: FIELDS,
    currency: None,
    in_use_message: "this customer has orders; erase the personal data instead, with \
                     POST /api/customers/{id}/erase, or delete the orders first",
    duplicate_message: "a customer with this email exists already",
};
