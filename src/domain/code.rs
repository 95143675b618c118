//! The machine-readable codes of problems and of wrong fields. A code is part of the interface: once
//! released it keeps its name and its meaning.

/// Makes the enum, its list and its texts from one row per code.
macro_rules! codes {
    ($($variant:ident, $name:literal, $about:literal;)*) => {
        /// A kind of error, for programs; the text beside it is for people.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    TooDeep, "too_deep", "The body is nested too deeply.";
    TooManyValues, "too_many_values", "The body has too many values.";
    Invalid, "invalid", "Fields of the body or parameters of the query are wrong; `errors` names each of them.";
    BodyTooLarge, "body_too_large", "The body has more bytes than this path accepts.";
    HeadersTooLarge, "headers_too_large", "The request's line and headers have more bytes than the server accepts.";
    UnsupportedMediaType, "unsupported_media_type", "The body's Content-Type is not JSON.";
    UnsupportedEncoding, "unsupported_encoding", "The body is compressed; send it uncompressed.";
    RequestTimeout, "request_timeout", "The body took too long to arrive.";
    NotFound, "not_found", "Nothing has this path or this id, or your role must not see it.";
    MethodNotAllowed, "method_not_allowed", "The path does not support this method; `Allow` lists those it supports.";
    NoHandshake, "no_handshake", "The path is a WebSocket, and the request is no handshake (RFC 6455, section 4.2.1).";
    UpgradeRequired, "upgrade_required", "The handshake is for another version of the WebSocket protocol than 13.";
    MisdirectedRequest, "misdirected_request", "The host is none of this server's; see --allow-host.";
    // Permission.
    NotLoggedIn, "not_logged_in", "The request has no valid session or token.";
    SessionEnded, "session_ended", "The session has ended: by logout, expiry, a new password or role, or a removal.";
    AmbiguousSession, "ambiguous_session", "The cookie has valid sessions of two users; a login ends both.";
    WrongCredentials, "wrong_credentials", "The user name or the password is wrong.";
    NoPairing, "no_pairing", "The request has no cookie of a pairing.";
    PairingEnded, "pairing_ended", "The pairing has expired or was lost, or its device was deleted.";
    WrongSetupCode, "wrong_setup_code", "No link of the first start has this code; `tillcast setup` prints a new one.";
    SetupEnded, "setup_ended", "The shop has an admin, or the link has expired; `tillcast setup` prints a new one.";
    CodeUsed, "code_used", "The code of the pairing was used before.";
    RoleNotAllowed, "role_not_allowed", "Your role has no right to do this.";
    MetricsNotAllowed, "metrics_not_allowed", "The metrics are not for this client; see --metrics.";
    OriginNotAllowed, "origin_not_allowed", "Pages of this origin have no right to do this; see --allow-origin.";
    // Rules of the shop.
    OutOfStock, "out_of_stock", "Less is in stock than the order needs.";
    NotForSale, "not_for_sale", "The product is not published.";
    StatusSkipped, "status_skipped", "The new status cannot follow the present one.";
    OrderEnded, "order_ended", "The order is cancelled or refunded and accepts no payment.";
    RefundTooLarge, "refund_too_large", "More would be refunded than was paid.";
    Overpaid, "overpaid", "The payment is more than what is still due.";
    TooManyTransactions, "too_many_transactions", "The order has the maximum number of transactions.";
    TooManyShipments, "too_many_shipments", "The order has the maximum number of shipments.";
    TooManyOpenOrders, "too_many_open_orders", "The kiosk has as many open, unpaid orders as a kiosk may have.";
    FieldFixed, "field_fixed", "The field follows from others, or from the path, and cannot be set.";
    TotalChanged, "total_changed", "The sale costs another sum than the one that the till told.";
    ClientIdReused, "client_id_reused", "The `client_id` was used for another sale.";
    SaleDeleted, "sale_deleted", "The order of the sale with this `client_id` was deleted.";
    NotCounted, "not_counted", "The product's stock is not counted, so it cannot change by a quantity.";
    OrderCompleted, "order_completed", "The order is completed and paid; it can be refunded, but not deleted.";
    OrderFixed, "order_fixed", "The order's items can no longer be changed.";
    ShopFixed, "shop_fixed", "The shop has amounts in its currency or orders with its tax, or `--tax` sets the tax.";
    InUse, "in_use", "Other entities refer to it, so it cannot be deleted.";
    Duplicate, "duplicate", "Another one already has the value of a unique field.";
    TooManyDevices, "too_many_devices", "There are as many devices as there may be; remove one first.";
    LastAdmin, "last_admin", "The last active admin cannot be removed, disabled or given another role.";
    BackupRunning, "backup_running", "A backup is being made already.";
    BackupFailed, "backup_failed", "The backup could not be made; `detail` names the reason.";
    PreconditionFailed, "precondition_failed", "`If-Match` or `If-None-Match` rules out the stored version.";
    IdempotencyKeyReused, "idempotency_key_reused", "The Idempotency-Key was used for another request.";
    // Load and state of the server.
    TooManyRequests, "too_many_requests", "Too many requests are in progress; try again after `Retry-After`.";
    TooManyResponses, "too_many_responses", "No more responses are kept for the user before `Retry-After`.";
    TooManyLogins, "too_many_logins", "There were too many failed logins; try again after `Retry-After`.";
    TooManyPairings, "too_many_pairings", "Too many devices wait to be paired; try again after `Retry-After`.";
    TooManyCodes, "too_many_codes", "There were too many wrong codes; try again after `Retry-After`.";
    Busy, "busy", "A queue is full; nothing was done.";
    DiskFull, "disk_full", "The disk is full; nothing was done.";
    Unavailable, "unavailable", "The database failed; repeat the request with the same Idempotency-Key.";
    Stopping, "stopping", "The server is stopping.";
    // Single fields, in `errors`.
    Required, "required", "The field is missing.";
    UnknownField, "unknown_field", "The field does not exist here.";
    UnknownParameter, "unknown_parameter", "The query parameter does not exist here.";
    GivenTwice, "given_twice", "The query parameter is given twice.";
    ReadOnly, "read_only", "The field is set by the server.";
    NotChangeable, "not_changeable", "The field can only be set at creation.";
    WrongType, "wrong_type", "The value has another JSON type than the field.";
    TooSmall, "too_small", "The number is below its least value.";
    TooLarge, "too_large", "The number is above its greatest value.";
    TooShort, "too_short", "The text or the list is too short.";
    TooLong, "too_long", "The text or the list is too long.";
    TooManyDecimals, "too_many_decimals", "The amount has more decimals than its currency.";
    BadCharacter, "bad_character", "The text has a character that is not allowed there.";
    BadFormat, "bad_format", "The text does not have the form that the field needs.";
    UnknownValue, "unknown_value", "The value is not one that the field allows.";
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
