//! The one row about the shop as a whole: its name, and the terms on which it sells.

use std::borrow::Cow;

use rusqlite::Connection;

use crate::domain::tax::TaxMode;
use crate::domain::{Code, Precondition, Reject, ShopPatch, ShopProfile, ShopTerms};
use crate::shop::{TermsInUse, check_terms};
use crate::store::audit;
use crate::store::audit_record::{Action, AuditRecord, AuditSubject};
use crate::store::caller::Actor;
use crate::store::columns::CurrencyCode;
use crate::store::error::{OpenError, failed};
use crate::store::write_tx::{HeldTerms, WriteTx};

/// The terms with which the server starts. A tax mode that is wanted is stored, unless there are orders with the
/// other one; without, the stored one stays.
///
/// # Errors
/// The wanted mode is not that of the orders, or the database failed.
pub(super) fn settle(conn: &Connection, wanted: Option<TaxMode>) -> Result<HeldTerms, OpenError> {
    let unreadable = |error| OpenError(format!("the shop's terms cannot be read: {error:?}"));
    let stored = terms(conn).map_err(unreadable)?;
    let after = ShopTerms { tax: wanted.unwrap_or(stored.tax), ..stored };
    let used = in_use(conn).map_err(unreadable)?;
    check_terms(stored, after, used).map_err(|_| {
        OpenError(format!(
            "the prices of this shop's orders have the tax {}, so --tax {} cannot be set",
            stored.tax.word(),
            after.tax.word()
        ))
    })?;
    if after != stored {
        let sql = "UPDATE shop SET tax = ?, version = version + 1";
        let done = conn.execute(sql, [after.tax.word()]);
        done.map_err(|error| OpenError(format!("the shop's terms cannot be stored: {error}")))?;
    }
    Ok(HeldTerms { terms: after, tax_is_set: wanted.is_some() })
}

/// The terms that the shop has by now.
pub(super) fn terms(conn: &Connection) -> Result<ShopTerms, Reject> {
    read(conn).map(|shop| shop.terms)
}

/// The shop.
pub(super) fn read(conn: &Connection) -> Result<ShopProfile, Reject> {
    let sql = "SELECT name, currency, tax, version FROM shop";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let shop = statement.query_row([], |row| {
        let CurrencyCode(currency) = row.get(1)?;
        let tax = row.get::<_, Option<TaxMode>>(2)?.unwrap_or(TaxMode::Included);
        let terms = ShopTerms { currency, tax };
        Ok(ShopProfile { name: row.get(0)?, terms, version: row.get(3)? })
    });
    shop.map_err(failed)
}

/// Changes the shop. The open transaction sells on the new terms from here on.
pub(super) fn update(
    tx: &mut WriteTx<'_>,
    patch: &ShopPatch,
    precondition: &Precondition,
    actor: impl Into<Actor>,
) -> Result<ShopProfile, Reject> {
    let before = read(tx.conn)?;
    precondition.check(before.version)?;
    let terms = ShopTerms {
        currency: patch.currency.unwrap_or(before.terms.currency),
        tax: patch.tax.unwrap_or(before.terms.tax),
    };
    let name = patch.name.clone().or_else(|| before.name.clone());
    let fields = [
        ("name", name != before.name),
        ("currency", terms.currency != before.terms.currency),
        ("tax", terms.tax != before.terms.tax),
    ];
    let names = fields.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name);
    let names: Vec<_> = names.map(Cow::Borrowed).collect();
    if names.is_empty() {
        return Ok(before);
    }
    check_terms(before.terms, terms, in_use(tx.conn)?)?;
    if tx.shop.tax_is_set && terms.tax != before.terms.tax {
        let text = format!("--tax says {}; change it there", before.terms.tax.word());
        return Err(Reject::conflict(Code::ShopFixed, text));
    }
    let sql = "UPDATE shop SET name = ?, currency = ?, tax = ?, version = version + 1";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement.execute((name, terms.currency, terms.tax.word())).map_err(failed)?;
    tx.shop.terms = terms;
    let (action, subject) = (Action::Update(names), AuditSubject::Shop);
    audit::note(tx, actor, &AuditRecord { action, subject, row_id: 1, seqs: None })?;
    read(tx.conn)
}

fn in_use(conn: &Connection) -> Result<TermsInUse, Reject> {
    let exists = |sql: &str| {
        conn.prepare_cached(sql).and_then(|mut statement| statement.exists([])).map_err(failed)
    };
    let has_orders = exists("SELECT 1 FROM orders")?;
    let has_amounts = has_orders || exists("SELECT 1 FROM products")?;
    Ok(TermsInUse { has_amounts, has_orders })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::MIGRATIONS;
    use crate::store::{schema, test_shop};

    fn add_order(conn: &Connection) {
        let order = "INSERT INTO orders (status, payment_status, total, currency, items, seq, created_at, updated_at)
                     VALUES ('pending', 'pending', 1, 'USD', '[]', 1, 1, 1)";
        conn.execute(order, []).unwrap();
    }

    #[test]
    fn the_mode_stays_once_there_are_orders() {
        use TaxMode::{Added, Included};
        let conn = test_shop::new();
        let settled = |wanted| settle(&conn, wanted).map(|held| held.terms.tax);
        for (wanted, told) in
            [(None, Included), (Some(Added), Added), (None, Added), (Some(Included), Included)]
        {
            assert_eq!(settled(wanted).ok(), Some(told));
        }
        add_order(&conn);
        assert!(settled(Some(Added)).unwrap_err().0.contains("--tax added"));
        assert_eq!(settled(Some(Included)).ok(), Some(Included));
        assert_eq!(settled(None).ok(), Some(Included));
    }

    #[test]
    fn a_setting_stands_above_a_request_and_an_unchanged_shop_keeps_its_version() {
        let conn = test_shop::new();
        let mut tx = test_shop::transaction(&conn);
        tx.shop = settle(&conn, Some(TaxMode::Included)).unwrap();
        let mut set = |patch: ShopPatch| {
            let actor = Actor { principal_id: None, address: None };
            update(&mut tx, &patch, &Precondition::default(), actor).map(|shop| shop.version)
        };
        let named = ShopPatch { name: Some("Corner".to_owned()), ..ShopPatch::default() };
        assert_eq!(set(named.clone()), Ok(2));
        assert_eq!(set(named), Ok(2));
        let tax = |mode| ShopPatch { tax: Some(mode), ..ShopPatch::default() };
        assert!(matches!(set(tax(TaxMode::Added)), Err(Reject::Conflict(Code::ShopFixed, _))));
        assert_eq!(set(tax(TaxMode::Included)), Ok(2));
    }

    #[test]
    fn an_older_shop_has_the_currency_of_its_goods_or_else_of_its_orders() {
        let products = "
            INSERT INTO products (name, sku, status, price, currency, seq, created_at, updated_at)
            SELECT 'Tea', value, 'published', 1, iif(value < 2, 'USD', 'CHF'), 1, 1, 1
            FROM json_each('[1,2,3]')";
        for (sql, currency) in [("", "USD"), (products, "CHF")] {
            let conn = schema::database(&MIGRATIONS[..10]).unwrap();
            conn.execute_batch(sql).unwrap();
            conn.execute_batch(MIGRATIONS[10]).unwrap();
            assert_eq!(terms(&conn).unwrap().currency, currency);
        }
        let conn = schema::database(&MIGRATIONS[..10]).unwrap();
        add_order(&conn);
        conn.execute("UPDATE orders SET currency = 'JPY'", []).unwrap();
        conn.execute_batch(MIGRATIONS[10]).unwrap();
        assert_eq!(terms(&conn).unwrap().currency, "JPY");
    }
}
