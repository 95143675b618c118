//! Whether the shop's prices include the tax: chosen once, and kept in the database.

use rusqlite::Connection;

use crate::domain::tax::TaxMode;
use crate::store::error::OpenError;

/// The shop's tax mode. It is stored at the first start, and can be changed until there is an order, whose
/// amounts depend on it.
///
/// # Errors
/// The wanted mode is not that of the orders, or the database failed.
pub(super) fn settle(conn: &Connection, wanted: Option<TaxMode>) -> Result<TaxMode, OpenError> {
    let failed = |error| OpenError(format!("the shop's tax mode cannot be read: {error}"));
    let sql = "SELECT EXISTS (SELECT 1 FROM orders)";
    let has_orders: bool = conn.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
    let stored = stored(conn).map_err(failed)?;
    let tax = wanted.or(stored).unwrap_or(TaxMode::Included);
    match stored {
        Some(stored) if stored != tax && has_orders => Err(OpenError(format!(
            "the prices of this shop's orders have the tax {}, so --tax {} cannot be set",
            stored.word(),
            tax.word()
        ))),
        Some(stored) if stored == tax => Ok(tax),
        _ => {
            conn.execute("UPDATE shop SET tax = ?", [tax.word()]).map_err(failed)?;
            Ok(tax)
        }
    }
}

/// The tax mode that the shop has by now.
pub(super) fn stored(conn: &Connection) -> rusqlite::Result<Option<TaxMode>> {
    conn.query_row("SELECT tax FROM shop", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::test_shop;

    #[test]
    fn the_mode_stays_once_there_are_orders() {
        use TaxMode::{Added, Included};
        let conn = test_shop::new();
        for (wanted, settled) in
            [(None, Included), (Some(Added), Added), (None, Added), (Some(Included), Included)]
        {
            assert_eq!(settle(&conn, wanted).ok(), Some(settled));
        }
        let order = "INSERT INTO orders (status, payment_status, total, currency, items, seq, created_at, updated_at)
                     VALUES ('pending', 'pending', 1, 'USD', '[]', 1, 1, 1)";
        conn.execute(order, []).unwrap();
        assert!(settle(&conn, Some(Added)).unwrap_err().0.contains("--tax added"));
        assert_eq!(settle(&conn, Some(Included)).ok(), Some(Included));
        assert_eq!(settle(&conn, None).ok(), Some(Included));
    }
}
