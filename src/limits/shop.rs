//! The bounds of one entity's fields.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Amounts in minor units: below 2^53, so that a JavaScript client reads every total exactly.
/// Above: `422`.
pub const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000_000;
/// Lines of one order: a receipt one metre long. Above: `422`.
pub const ORDER_LINES_MAX: usize = 100;
/// Transactions of one order: more than any shop has, and few enough that their sums fit 64 bits and their
/// rows are read in a millisecond. Above: `409`.
pub const ORDER_TRANSACTIONS_MAX: usize = 1_000;
/// Shipments of one order, for the same reasons. Above: `409`.
pub const ORDER_SHIPMENTS_MAX: usize = 1_000;
/// Rows that one change saves: an order and every product of its lines, with what follows. Above: `503`
/// and an error in the log, because it is a bug.
pub const CHANGE_STEPS_MAX: usize = 4 * ORDER_LINES_MAX;
/// Pieces, or units of weight, volume or length, of one line. Above: `422`.
pub const QUANTITY_MAX: i64 = 1_000_000;
/// The same of one product in stock: in thousandths below 2^53. Above: `422`.
pub const STOCK_MAX: i64 = 1_000_000_000_000;
/// The highest tax rate, in per cent. Above: `422`.
pub const TAX_RATE_MAX: i64 = 100;
/// Characters of a barcode: no code that a scanner reads is longer. Above: `422`.
pub const BARCODE_CHARS_MAX: usize = 32;
/// Bytes of an e-mail address (RFC 5321, section 4.5.3.1.3). Above: `422`.
pub const EMAIL_BYTES_MAX: usize = 254;
/// Bytes of an address before its `@` (RFC 5321, section 4.5.3.1.1). Above: `422`.
pub const EMAIL_NAME_BYTES_MAX: usize = 64;
/// Bytes of one label of a host name (RFC 1035, section 2.3.4). Above: `422`.
pub const HOST_LABEL_BYTES_MAX: usize = 63;
/// Characters of the name of a product, a person or a shop. Above: `422`.
pub const NAME_CHARS_MAX: usize = 200;
/// Characters of a product's SKU. Above: `422`.
pub const SKU_CHARS_MAX: usize = 64;
/// Characters of a telephone number as people write it. Above: `422`.
pub const PHONE_CHARS_MAX: usize = 40;
/// Characters of an order's notes. Above: `422`.
pub const NOTES_CHARS_MAX: usize = 2_000;
/// Payments of one sale. Above: `422`.
pub const SALE_PAYMENTS_MAX: usize = 20;
/// Characters of a sale's `client_id`. Above: `422`.
pub const CLIENT_ID_CHARS_MAX: usize = 64;
/// Characters of a user's name. Above: `422`.
pub const USERNAME_CHARS_MAX: usize = 64;
/// Characters of a device's name. Above: `422`.
pub const DEVICE_NAME_CHARS_MAX: usize = 64;
/// Characters of a password. argon2 would hash any length, but one request could then cost seconds.
/// Outside: `422`.
pub const PASSWORD_CHARS: RangeInclusive<usize> = 8..=128;

/// Orders of one kiosk user that are neither paid nor ended. Above: `409`, until one is paid, completed or
/// cancelled: a kiosk stands in the open, and its orders take goods from the stock.
pub const KIOSK_UNPAID_ORDERS_MAX: i64 = 20;
/// Pieces, or units of weight, volume or length, of one order of a kiosk, all lines together. Above: `422`.
pub const KIOSK_PIECES_MAX: i64 = 1_000;
/// Orders that one kiosk user makes within `KIOSK_ORDERS_WINDOW`. Above: `429`.
pub const KIOSK_ORDERS_MAX: usize = 30;
/// How long an order of a kiosk counts for that.
pub const KIOSK_ORDERS_WINDOW: Duration = Duration::from_secs(60);
/// Orders of kiosks that one look for those that are too old finds.
pub const KIOSK_EXPIRY_STEP: i64 = 50;
/// How often the server looks for them.
pub const KIOSK_EXPIRY_INTERVAL: Duration = Duration::from_millis(500);
/// Kiosk users whose orders are counted. Above, the one that ordered the longest ago is forgotten.
pub const KIOSKS_MAX: usize = 32;
