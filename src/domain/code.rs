//! The machine-readable codes of problems and of wrong fields. A code is part of the interface: once
//! released it keeps its name and its meaning.

/// Makes the enum, its list and its texts from one row for each code.
macro_rules! codes {
    ($($variant:ident, $name:literal, $about:literal;)*) => {
        /// A kind of mistake, for a program to decide on; the text beside it is for people.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $about] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code as clients read it, in lower snake case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One sentence for the documentation.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

codes! {
    // Requests that are not understood.
    MalformedRequest, "malformed_request", "The request breaks HTTP: its line, a header or the framing of its body.";
    NotJson, "not_json", "The body is not JSON.";
    NotAnObject, "not_an_object", "The body is JSON, but no object.";
    DuplicateKey, "duplicate_key", "A key is given twice in one object.";
    TooDeep, "too_deep", "The body is nested deeper than a body may be.";
    TooManyValues, "too_many_values", "The body has more values than a body may have.";
    Invalid, "invalid", "Fields of the body or parameters of the query are wrong; `errors` names each of them.";
    BodyTooLarge, "body_too_large", "The body has more bytes than this path takes.";
    HeadersTooLarge, "headers_too_large", "The request's line and headers have more bytes than the server takes.";
    UnsupportedMediaType, "unsupported_media_type", "The body's Content-Type is not JSON.";
    UnsupportedEncoding, "unsupported_encoding", "The body is compressed; it has to come as it is.";
    RequestTimeout, "request_timeout", "The body took too long to arrive.";
    NotFound, "not_found", "Nothing has this path or this id, or you may not know of it.";
    MethodNotAllowed, "method_not_allowed", "The path exists, but not with this method; `Allow` has those that do.";
    NoHandshake, "no_handshake", "The path is a WebSocket, and the request is no handshake (RFC 6455, section 4.2.1).";
    UpgradeRequired, "upgrade_required", "The handshake is for another version of the WebSocket protocol than 13.";
    // Permission.
    NotLoggedIn, "not_logged_in", "The request has no valid session.";
    SessionEnded, "session_ended", "The session has ended: by logout, expiry, a new password or a new role.";
    WrongCredentials, "wrong_credentials", "The user name or the password is wrong.";
    RoleNotAllowed, "role_not_allowed", "Your role has no right to do this.";
    OriginNotAllowed, "origin_not_allowed", "Pages of this origin have no right to do this; see --allow-origin.";
    // Rules of the shop.
    OutOfStock, "out_of_stock", "Less is in stock than the order needs.";
    NotForSale, "not_for_sale", "The product is not published.";
    StatusSkipped, "status_skipped", "The new status cannot follow the present one.";
    OrderEnded, "order_ended", "The order is cancelled or refunded and takes no payment.";
    RefundTooLarge, "refund_too_large", "More would be refunded than was paid.";
    Overpaid, "overpaid", "The payment is more than what is still due.";
    TooManyTransactions, "too_many_transactions", "The order has as many transactions as an order may have.";
    TooManyShipments, "too_many_shipments", "The order has as many shipments as an order may have.";
    TotalFixed, "total_fixed", "The total is the sum of the order's lines and cannot be set.";
    InUse, "in_use", "Others refer to it, so it cannot be deleted.";
    Duplicate, "duplicate", "Another one already has the value of a unique field.";
    LastAdmin, "last_admin", "The last active admin cannot be removed, disabled or given another role.";
    PreconditionFailed, "precondition_failed", "`If-Match` names another version than the stored one.";
    IdempotencyKeyReused, "idempotency_key_reused", "The Idempotency-Key came before with another request.";
    // Load and state of the server.
    TooManyRequests, "too_many_requests", "Too many at once, of yours or in all; try again after `Retry-After`.";
    TooManyLogins, "too_many_logins", "Too many failed logins; try again after `Retry-After`.";
    Busy, "busy", "Too much is waiting; nothing was done.";
    DiskFull, "disk_full", "The disk is full; nothing was done.";
    Unavailable, "unavailable", "The database failed; repeat the request with the same Idempotency-Key.";
    Stopping, "stopping", "The server is about to stop.";
    // Single fields, in `errors`.
    Required, "required", "The field is missing.";
    UnknownField, "unknown_field", "The field does not exist here.";
    UnknownParameter, "unknown_parameter", "The query parameter does not exist here.";
    GivenTwice, "given_twice", "The query parameter is given twice.";
    ReadOnly, "read_only", "The field is set by the server.";
    NotChangeable, "not_changeable", "The field can be set at creation only.";
    WrongType, "wrong_type", "The value has another JSON type than the field.";
    TooSmall, "too_small", "The number is below its least value.";
    TooLarge, "too_large", "The number is above its greatest value.";
    TooShort, "too_short", "The text or the list is too short.";
    TooLong, "too_long", "The text or the list is too long.";
    TooManyDecimals, "too_many_decimals", "The amount has more decimals than its currency.";
    BadCharacter, "bad_character", "The text has a character that is not allowed there.";
    BadFormat, "bad_format", "The text does not have the form that the field needs.";
    UnknownValue, "unknown_value", "The value is none of those that the field allows.";
    UnknownReference, "unknown_reference", "No entity has the id that the field names.";
    CurrencyMismatch, "currency_mismatch", "The amounts are in different currencies.";
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_variants_in_snake_case() {
        for code in Code::ALL {
            let mut name = String::new();
            for letter in format!("{code:?}").chars() {
                if letter.is_uppercase() && !name.is_empty() {
                    name.push('_');
                }
                name.extend(letter.to_lowercase());
            }
            assert_eq!(code.name(), name);
            assert!(code.about().ends_with('.'), "{name}");
        }
    }
}
