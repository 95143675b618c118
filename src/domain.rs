//! The entities of a shop and the rules of their values: pure data, no SQL, no sockets, no clock.
//!
//! The five entities differ in their schema (a table of fields) and in a few rules; all other code
//! is the same for all. A change is always *before → after*: a creation has no before, a deletion
//! no after, and `changed_fields` is the difference of the two.

pub mod amount;
pub mod check;
pub mod code;
pub mod currency;
pub mod customer;
pub mod decimal;
pub mod device;
pub mod entities;
pub mod event;
pub mod input;
pub mod json;
pub(crate) mod json_literal;
pub mod json_schema;
pub mod kind;
pub mod log_id;
pub mod order;
pub mod order_line;
pub mod order_lists;
pub mod order_schemas;
pub mod precondition;
pub mod principal;
pub mod product;
pub mod reject;
pub mod restock;
pub mod role;
pub mod row;
pub mod sale;
pub mod schema;
pub mod secret;
pub mod shipment;
pub mod shop_profile;
pub mod stock_change;
pub mod stored_list;
pub mod tax;
pub mod text;
pub mod thousandths;
pub mod timestamp;
pub mod transaction;
pub mod user;
mod words;

pub use code::Code;
pub use device::Device;
pub use input::Input;
pub use kind::{EntityKind, KindSet};
pub use log_id::LogId;
pub use precondition::{Precondition, Versions};
pub use principal::Principal;
pub use reject::{FieldError, Reject, Violation};
pub use role::Role;
pub use row::{Cell, Row};
pub use sale::Sale;
pub use schema::{EntitySchema, Field, FieldRef};
pub use secret::Secret;
pub use shop_profile::{ShopPatch, ShopProfile, ShopTerms};
pub use thousandths::Thousandths;
pub use user::User;
