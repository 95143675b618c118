//! Domain values in their columns. A value that this program does not know is an error,
//! never a default: a newer version may have written it.

use std::net::IpAddr;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::domain::shipment::ShipmentStatus;
use crate::domain::stock_change::StockReason;
use crate::domain::tax::TaxMode;
use crate::domain::text::shorten;
use crate::domain::transaction::{TransactionStatus, TransactionType};
use crate::domain::{EntityKind, LogId, Role, currency};
use crate::limits::QUOTED_CHARS_MAX;

/// Reads texts by the function that knows them; the literal names the value in an error.
macro_rules! text_columns {
    ($($type:ty: $name:literal, $find:expr;)+) => {$(
        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let text = value.as_str()?;
                let shown = shorten(text, QUOTED_CHARS_MAX);
                let unknown = || FromSqlError::Other(format!("no {} {shown:?}", $name).into());
                $find(text).ok_or_else(unknown)
            }
        }
    )+};
}

text_columns! {
    LogId: "log id", Self::parse;
    Role: "role", Self::named;
    ShipmentStatus: "status of a shipment", Self::from_word;
    StockReason: "reason", Self::from_word;
    TaxMode: "tax mode", Self::from_word;
    TransactionStatus: "status of a transaction", Self::from_word;
    TransactionType: "type of a transaction", Self::from_word;
}

/// A currency, which a column holds as its code.
pub(super) struct CurrencyCode(pub(super) &'static str);

impl FromSql for CurrencyCode {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let unknown = || FromSqlError::Other("no currency".into());
        currency::known(value.as_str()?).map(Self).ok_or_else(unknown)
    }
}

/// An address, which a column holds as its 4 or 16 bytes.
pub(super) struct Address(pub(super) IpAddr);

impl ToSql for Address {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.bytes().into())
    }
}

impl Address {
    /// The bytes in network order.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self.0 {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        }
    }
}

impl FromSql for Address {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
        address.map(Self).map_err(|_| FromSqlError::Other("no address".into()))
    }
}

impl FromSql for EntityKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = u8::column_result(value)?;
        let unknown = || FromSqlError::Other(format!("no kind {number}").into());
        Self::from_number(number).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_later_version_are_errors() {
        let text = ValueRef::Text(b"wizard");
        assert!(Role::column_result(text).is_err());
        assert!(ShipmentStatus::column_result(text).is_err());
        assert!(TransactionType::column_result(text).is_err());
        assert!(TransactionStatus::column_result(text).is_err());
        assert!(EntityKind::column_result(ValueRef::Integer(5)).is_err(), "the user's number");
        // The log gets this error, and a terminal may show the log.
        let long = [b"\x1b[2J".as_slice(), &[b'x'; 10_000]].concat();
        let told = Role::column_result(ValueRef::Text(&long)).unwrap_err().to_string();
        assert!(told.starts_with("no role \"\\u{1b}[2Jxx") && told.len() < 200, "{told}");
        assert_eq!(Role::column_result(ValueRef::Text(b"kiosk")), Ok(Role::Kiosk));
        assert_eq!(EntityKind::column_result(ValueRef::Integer(4)), Ok(EntityKind::Transaction));
    }
}
