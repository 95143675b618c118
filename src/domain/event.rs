//! What clients read: an entity as JSON, and the envelope of an event.

use crate::domain::decimal::write_integer;
use crate::domain::schema::Type;
use crate::domain::{Cell, EntityKind, Field, Row, currency, decimal, order, timestamp};

/// One entry of the event log, as it is stored and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log: 1 and up, without holes.
    pub seq: i64,
    /// Whose channel it belongs to.
    pub kind: EntityKind,
    /// The envelope as JSON, without line breaks.
    pub body: String,
}

/// The whole entity as JSON.
pub fn entity(row: &Row) -> String {
    let mut out = String::with_capacity(512);
    out.push_str("{\"id\":");
    write_integer(&mut out, row.id, 1);
    for (field, cell) in row.kind.schema().fields.iter().zip(&row.cells) {
        if field.visible() {
            put_member(&mut out, row, field, cell);
        }
    }
    for (name, ms) in [("created_at", row.created_at), ("updated_at", row.updated_at)] {
        out.extend([",\"", name, "\":\""]);
        timestamp::write(&mut out, ms);
        out.push('"');
    }
    out.push('}');
    out
}

/// The event of a change, `None` where nothing changed. At least one side must be there.
pub fn envelope(before: Option<&Row>, after: Option<&Row>, at: i64, seq: i64) -> Option<Event> {
    let state = after.or(before)?;
    let changed = match (before, after) {
        (Some(before), Some(after)) => Some(changes(before, after)),
        _ => None,
    };
    if changed.as_ref().is_some_and(Vec::is_empty) {
        return None;
    }
    let verb = match (before, after) {
        (None, _) => "created",
        (Some(_), Some(_)) => "updated",
        (Some(_), None) => "deleted",
    };
    let mut out = String::with_capacity(384);
    let noun = state.kind.schema().noun;
    out.extend(["{\"event\":\"", noun, ":", verb, "\",\"data\":{\"id\":"]);
    write_integer(&mut out, state.id, 1);
    for (field, cell) in state.kind.schema().fields.iter().zip(&state.cells) {
        if field.event {
            put_member(&mut out, state, field, cell);
        }
    }
    if let Some(changed) = changed {
        put_changed(&mut out, state, &changed);
    }
    out.push_str("},\"timestamp\":\"");
    timestamp::write(&mut out, at);
    out.push_str("\",\"seq\":");
    write_integer(&mut out, seq, 1);
    out.push('}');
    Some(Event { seq, kind: state.kind, body: out })
}

/// The fields whose value differs. Those outside the event's keys count only where no other
/// changed: the public protocol lists an event's fields, and `changed_fields` keeps to them.
fn changes(before: &Row, after: &Row) -> Vec<(&'static Field, Cell)> {
    let cells = before.cells.iter().zip(&after.cells);
    let differs = |(field, (old, new)): (&'static Field, (&Cell, &Cell))| {
        (old != new).then(|| (field, new.clone()))
    };
    let fields = after.kind.schema().fields.iter();
    let mut changed: Vec<_> = fields.zip(cells).filter_map(differs).collect();
    if changed.iter().any(|(field, _)| field.event) {
        changed.retain(|(field, _)| field.event);
    }
    changed
}

fn put_changed(out: &mut String, row: &Row, changed: &[(&'static Field, Cell)]) {
    out.push_str(",\"changed_fields\":{");
    let start = out.len();
    for (field, cell) in changed {
        put_member(out, row, field, cell);
    }
    if out.len() > start {
        out.remove(start); // the comma before the first member
    }
    out.push('}');
}

/// Appends `,"name":value`.
fn put_member(out: &mut String, row: &Row, field: &Field, cell: &Cell) {
    out.extend([",\"", field.name, "\":"]);
    match (field.ty, cell) {
        (Type::OrderNumber, _) => {
            out.push_str("\"ORD-");
            write_integer(out, row.id, 10);
            out.push('"');
        }
        (Type::Items, _) => put_items(out, row),
        (_, Cell::Null) => out.push_str("null"),
        (Type::Money(_), Cell::Int(minor)) => decimal::write(out, *minor, decimals(row)),
        (_, Cell::Int(number)) => write_integer(out, *number, 1),
        (_, Cell::Text(text)) => put_text(out, text),
    }
}

fn put_items(out: &mut String, row: &Row) {
    let decimals = decimals(row);
    out.push('[');
    for (at, item) in order::items(row).iter().enumerate() {
        out.push_str(if at == 0 { "{\"product_id\":" } else { ",{\"product_id\":" });
        write_integer(out, item.product_id, 1);
        out.push_str(",\"name\":");
        put_text(out, &item.name);
        out.push_str(",\"sku\":");
        put_text(out, &item.sku);
        out.push_str(",\"quantity\":");
        write_integer(out, item.quantity, 1);
        out.push_str(",\"unit_price\":");
        decimal::write(out, item.unit_price, decimals);
        out.push_str(",\"line_total\":");
        decimal::write(out, item.line_total(), decimals);
        out.push('}');
    }
    out.push(']');
}

fn decimals(row: &Row) -> u32 {
    currency::exponent(row.currency()).unwrap_or(0)
}

/// Appends a text as a JSON string.
pub fn put_text(out: &mut String, text: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.extend(["\"", text, "\""]);
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}
