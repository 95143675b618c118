//! The one path of every change: load, lay the input over it, check, save, log the event.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::domain::input::{Input, Provided};
use crate::domain::order::{self, ITEMS};
use crate::domain::order_line::OrderLine;
use crate::domain::schema::Type;
use crate::domain::{Cell, Code, EntityKind, FieldError, Reject, Role, Row, product, transaction};
use crate::store::audit::{self, Action, AuditRecord, AuditSubject, Caller};
use crate::store::effects::{self, parent};
use crate::store::error::failed;
use crate::store::record::record;
use crate::store::rows;
use crate::store::write_tx::WriteTx;

/// What is to be done to an entity.
#[derive(Debug)]
pub enum Change {
    /// Make a new one.
    Create(Input),
    /// Change the given fields of this one.
    Update(i64, Input),
    /// Remove this one.
    Delete(i64),
}

/// Who asks for a change, and on what condition.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Which user, and from where.
    pub caller: Caller,
    /// The user's role.
    pub role: Role,
    /// The versions of which the entity must be one; none for any.
    pub if_match: Option<Vec<i64>>,
}

/// Applies a change with everything that follows from it, and notes who did it; returns the entity
/// as it is then, none after a deletion.
pub(super) fn apply(
    tx: &mut WriteTx<'_>,
    actor: &Actor,
    kind: EntityKind,
    change: &Change,
) -> Result<Option<Row>, Reject> {
    let (head, mut sold) = (tx.head, Vec::new());
    let (before, proposed) = match change {
        Change::Create(input) => {
            let row = create(tx.conn, actor, input, &mut sold)?;
            (None, Some(row))
        }
        Change::Update(id, input) => {
            let before = existing(tx.conn, actor, kind, *id)?;
            all_found(missing_references(tx.conn, input)?)?;
            let mut after = before.clone();
            input.apply_to(&mut after)?;
            check_total(&before, &after)?;
            (Some(before), Some(after))
        }
        Change::Delete(id) => (Some(existing(tx.conn, actor, kind, *id)?), None),
    };
    let after = record(tx, before.as_ref(), proposed)?;
    for (before, after) in sold {
        record(tx, Some(&before), Some(after))?;
    }
    effects::follow(tx, kind, before.as_ref(), after.as_ref())?;
    if tx.head > head {
        let action = match (&before, &after) {
            (None, _) => Action::Create,
            (Some(before), Some(after)) => Action::Update(after.changed_since(before)),
            (Some(_), None) => Action::Delete,
        };
        let row_id = after.as_ref().or(before.as_ref()).map_or(0, |row| row.id);
        let seqs = Some((head + 1, tx.head));
        let note = AuditRecord { action, subject: AuditSubject::Entity(kind), row_id, seqs };
        audit::note(tx, Some(actor.caller), &note)?;
    }
    Ok(after)
}

fn existing(conn: &Connection, actor: &Actor, kind: EntityKind, id: i64) -> Result<Row, Reject> {
    let row = rows::load(conn, kind, id)?.ok_or(Reject::NotFound)?;
    match &actor.if_match {
        Some(versions) if !versions.contains(&row.seq) => Err(Reject::PreconditionFailed),
        _ => Ok(row),
    }
}

/// The row of a new entity. Puts what it sells into `sold`: each product before and after.
fn create(
    conn: &Connection,
    actor: &Actor,
    input: &Input,
    sold: &mut Vec<(Row, Row)>,
) -> Result<Row, Reject> {
    let mut errors = missing_references(conn, input)?;
    let lines = match input.get(ITEMS.name) {
        Some(Provided::Lines(lines)) => lines.as_slice(),
        _ => &[],
    };
    let products = load_products(conn, lines, &mut errors)?;
    all_found(errors)?;
    let mut row = Row::blank(input.kind);
    match input.kind {
        EntityKind::Order => {
            order::set_items(&mut row, &[])?;
            if actor.role.sees_only_own_orders() {
                check_kiosk(input)?;
                row.set(&order::KIOSK_ID, Cell::Int(actor.caller.user_id));
            }
        }
        EntityKind::Transaction => {
            let order = parent(conn, input.id(&transaction::ORDER_ID))?;
            transaction::begin(&mut row, &order, input.text(&transaction::TYPE))?;
        }
        EntityKind::Product | EntityKind::Customer | EntityKind::Shipment => {}
    }
    if lines.is_empty() {
        input.apply_to(&mut row)?;
    } else {
        price(&mut row, lines, &products, input)?;
        *sold = sell(lines, products)?;
    }
    Ok(row)
}

/// Takes the lines of an order from the stock: each product before and after.
fn sell(lines: &[OrderLine], products: Vec<Row>) -> Result<Vec<(Row, Row)>, Reject> {
    let mut wanted = BTreeMap::new();
    for (line, product) in lines.iter().zip(products) {
        wanted.entry(product.id).or_insert((product, 0)).1 += line.quantity;
    }
    let sold = |(before, quantity)| {
        let after = product::sold(&before, quantity)?;
        Ok((before, after))
    };
    wanted.into_values().map(sold).collect()
}

fn all_found(errors: Vec<FieldError>) -> Result<(), Reject> {
    if errors.is_empty() { Ok(()) } else { Err(Reject::Invalid(errors)) }
}

/// The product of each line.
fn load_products(
    conn: &Connection,
    lines: &[OrderLine],
    errors: &mut Vec<FieldError>,
) -> Result<Vec<Row>, Reject> {
    let mut products = Vec::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        match rows::load(conn, EntityKind::Product, line.product_id)? {
            Some(product) => products.push(product),
            None => errors.push(FieldError::new(
                format!("items[{at}].product_id"),
                Code::UnknownReference,
                format!("there is no product {}", line.product_id),
            )),
        }
    }
    Ok(products)
}

/// A kiosk stands in the open: what an order costs and where it stands is not for it to say.
fn check_kiosk(input: &Input) -> Result<(), Reject> {
    if input.get(ITEMS.name).is_none() {
        return Err(Reject::field(ITEMS.name, Code::Required, "is required from a kiosk"));
    }
    match input.text(&order::STATUS) {
        "" | "pending" => Ok(()),
        _ => Err(Reject::field(
            order::STATUS.name,
            Code::UnknownValue,
            "must be pending from a kiosk",
        )),
    }
}

/// Prices an order's lines; a total or a currency that the client gave must be the server's.
fn price(
    row: &mut Row,
    lines: &[OrderLine],
    products: &[Row],
    input: &Input,
) -> Result<(), Reject> {
    order::price(row, lines, products)?;
    let priced = row.clone();
    input.apply_to(row)?;
    for field in [&order::TOTAL, &order::CURRENCY] {
        if row.cell(field) != priced.cell(field) {
            let message = "is not what the server's prices make it; leave it out";
            return Err(Reject::field(field.name, Code::TotalFixed, message));
        }
    }
    Ok(())
}

/// The total of an order with lines is their sum and cannot be patched.
fn check_total(before: &Row, after: &Row) -> Result<(), Reject> {
    let changed =
        before.kind == EntityKind::Order && before.int(&order::TOTAL) != after.int(&order::TOTAL);
    if changed && !order::items(before).is_empty() {
        return Err(Reject::field(
            order::TOTAL.name,
            Code::TotalFixed,
            "is the sum of the items and cannot be changed",
        ));
    }
    Ok(())
}

/// The references of an input that lead nowhere; a foreign key alone would not name them.
fn missing_references(conn: &Connection, input: &Input) -> Result<Vec<FieldError>, Reject> {
    let mut errors = Vec::new();
    for field in input.kind.schema().fields {
        let (Type::Id(kind), Some(id)) = (field.ty, input.id(field)) else {
            continue;
        };
        if !exists(conn, kind, id)? {
            let message = format!("there is no {} {id}", kind.schema().noun);
            errors.push(FieldError::new(field.name, Code::UnknownReference, message));
        }
    }
    Ok(errors)
}

fn exists(conn: &Connection, kind: EntityKind, id: i64) -> Result<bool, Reject> {
    let sql = match kind {
        EntityKind::Order => "SELECT 1 FROM orders WHERE id = ?",
        EntityKind::Product => "SELECT 1 FROM products WHERE id = ?",
        EntityKind::Customer => "SELECT 1 FROM customers WHERE id = ?",
        EntityKind::Shipment => "SELECT 1 FROM shipments WHERE id = ?",
        EntityKind::Transaction => "SELECT 1 FROM transactions WHERE id = ?",
    };
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    statement.exists([id]).map_err(failed)
}
