//! The JSON that clients read: an entity, and the envelope of an event.

use std::borrow::Cow;

use crate::domain::decimal::write_integer;
use crate::domain::schema::Type;
use crate::domain::{
    Cell, EntityKind, Field, KindSet, Reject, Row, Thousandths, decimal, order_lists, timestamp,
    transaction,
};

/// One entry of the event log, as it is stored and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its position in the log, from 1 up; only a restore leaves a gap.
    pub seq: i64,
    /// The kind of the entity that changed, which decides the channel.
    pub kind: EntityKind,
    /// The envelope as JSON, without line breaks.
    pub body: String,
}

/// The whole entity as JSON.
///
/// # Errors
/// `Unavailable` if the stored row is damaged.
pub fn entity(row: &Row) -> Result<String, Reject> {
    let mut json = JsonWriter::new(row, 512)?;
    json.out.push_str("{\"id\":");
    write_integer(&mut json.out, row.id, 1);
    for (field, cell) in row.kind.schema().fields.iter().zip(&row.cells) {
        if field.visible() {
            json.put_member(field, cell)?;
        }
    }
    let mut out = json.out;
    for (name, ms) in [("created_at", row.created_at), ("updated_at", row.updated_at)] {
        put_name(&mut out, name);
        out.push('"');
        timestamp::write(&mut out, ms);
        out.push('"');
    }
    out.push('}');
    Ok(out)
}

/// The lines of an order as they are in the order's JSON.
///
/// # Errors
/// `Unavailable` if the stored row is damaged.
pub fn lines(order: &Row) -> Result<String, Reject> {
    let mut json = JsonWriter::new(order, 512)?;
    json.put_items()?;
    Ok(json.out)
}

/// The event of a change; `None` if no visible field changed. One side is `None` for a creation or
/// a deletion; with neither there is no event.
///
/// # Errors
/// `Unavailable` if the stored row is damaged.
pub fn envelope(
    before: Option<&Row>,
    after: Option<&Row>,
    at: i64,
    seq: i64,
) -> Result<Option<Event>, Reject> {
    let Some(state) = after.or(before) else {
        return Ok(None);
    };
    let changed = match (before, after) {
        (Some(before), Some(after)) => Some(changes(before, after)),
        _ => None,
    };
    if changed.as_ref().is_some_and(Vec::is_empty) {
        return Ok(None);
    }
    let verb = match (before, after) {
        (None, _) => "created",
        (Some(_), Some(_)) => "updated",
        (Some(_), None) => "deleted",
    };
    let mut json = JsonWriter::new(state, 384)?;
    let noun = state.kind.schema().noun;
    json.out.extend(["{\"event\":\"", noun, ":", verb, "\",\"data\":{\"id\":"]);
    write_integer(&mut json.out, state.id, 1);
    for (field, cell) in state.kind.schema().fields.iter().zip(&state.cells) {
        if field.event {
            json.put_member(field, cell)?;
        }
    }
    if let Some(changed) = changed {
        json.put_changed(&changed)?;
    }
    let mut out = json.out;
    out.push_str("},\"timestamp\":\"");
    timestamp::write(&mut out, at);
    out.push_str("\",\"seq\":");
    write_integer(&mut out, seq, 1);
    out.push('}');
    Ok(Some(Event { seq, kind: state.kind, body: out }))
}

/// The body of an event of this kind; where the kind is among `narrowed`, without changed fields that are
/// not keys of the event, such as an order's notes. All that sends events to clients asks here.
pub fn narrow(kind: EntityKind, body: &str, narrowed: KindSet) -> Cow<'_, str> {
    // A quote inside a text is escaped, so neither of these is in a text of a client.
    const START: &str = ",\"changed_fields\":{\"";
    const END: &str = "}},\"timestamp\":";
    let whole = Cow::Borrowed(body);
    if !narrowed.contains(kind) {
        return whole;
    }
    let Some((data, changed)) = body.split_once(START) else { return whole };
    let first = changed.split('"').next().unwrap_or_default();
    // The fields are all keys of the event, or none is: see `changes`.
    if kind.schema().fields.iter().any(|field| field.event && field.name == first) {
        return whole;
    }
    let end = changed.rfind(END).map_or("", |end| &changed[end..]);
    Cow::Owned([data, ",\"changed_fields\":{", end].concat())
}

/// The fields whose values differ, with the indices of their cells. A field that is not in the
/// event's `data` is listed only if no other field changed, because the protocol lists an event's
/// fields and `changed_fields` keeps to them.
fn changes(before: &Row, after: &Row) -> Vec<(usize, &'static Field)> {
    let mut changed: Vec<_> = after.changes(before).filter(|(_, field)| field.visible()).collect();
    if changed.iter().any(|(_, field)| field.event) {
        changed.retain(|(_, field)| field.event);
    }
    changed
}

/// Writes the members of one row.
struct JsonWriter<'r> {
    out: String,
    row: &'r Row,
    /// The decimals of the row's currency.
    decimals: u32,
}

impl<'r> JsonWriter<'r> {
    fn new(row: &'r Row, capacity: usize) -> Result<Self, Reject> {
        let decimals = row.decimals()?;
        Ok(Self { out: String::with_capacity(capacity), row, decimals })
    }

    fn put_changed(&mut self, changed: &[(usize, &'static Field)]) -> Result<(), Reject> {
        self.out.push_str(",\"changed_fields\":{");
        let start = self.out.len();
        for (index, field) in changed {
            self.put_member(field, &self.row.cells[*index])?;
        }
        if self.out.len() > start {
            self.out.remove(start); // the comma before the first member
        }
        self.out.push('}');
        Ok(())
    }

    /// Appends `,"name":value`.
    fn put_member(&mut self, field: &Field, cell: &Cell) -> Result<(), Reject> {
        let out = &mut self.out;
        put_name(out, field.name);
        match (field.ty, cell) {
            (Type::OrderNumber, _) => {
                out.push_str("\"ORD-");
                write_integer(out, self.row.id, 10);
                out.push('"');
            }
            (Type::Items, _) => self.put_items()?,
            (Type::Taxes, _) => self.put_taxes()?,
            (Type::LineNumbers, Cell::Text(numbers)) => out.push_str(numbers),
            (Type::LineNumbers, _) => out.push_str("[]"),
            (Type::Restock, _) => self.put_restock()?,
            (Type::Oversold, _) => self.put_oversold()?,
            (_, Cell::Null) => out.push_str("null"),
            (Type::Thousandths(_), Cell::Int(number)) => Thousandths(*number).write(out),
            (Type::Time, Cell::Int(ms)) => {
                out.push('"');
                timestamp::write(out, *ms);
                out.push('"');
            }
            (Type::Money(_), Cell::Int(minor)) => decimal::write(out, *minor, self.decimals),
            (_, Cell::Int(number)) => write_integer(out, *number, 1),
            (_, Cell::Text(text)) => put_text(out, text),
        }
        Ok(())
    }

    fn put_items(&mut self) -> Result<(), Reject> {
        let (list, decimals) = (order_lists::ITEMS.read(self.row)?, self.decimals);
        put_objects(&mut self.out, &list, |out, item| {
            out.push_str("\"product_id\":");
            write_integer(out, item.product_id, 1);
            out.push_str(",\"name\":");
            put_text(out, &item.name);
            out.push_str(",\"sku\":");
            put_text(out, &item.sku);
            out.push_str(",\"quantity\":");
            item.quantity.write(out);
            out.push_str(",\"unit_price\":");
            decimal::write(out, item.unit_price, decimals);
            out.push_str(",\"line_total\":");
            decimal::write(out, item.line_total(), decimals);
            out.push_str(",\"discount\":");
            decimal::write(out, item.discount, decimals);
            out.push_str(",\"tax_rate\":");
            match item.tax_rate {
                Some(rate) => rate.write(out),
                None => out.push_str("null"),
            }
            out.push_str(",\"note\":");
            match &item.note {
                Some(note) => put_text(out, note),
                None => out.push_str("null"),
            }
        });
        Ok(())
    }

    fn put_restock(&mut self) -> Result<(), Reject> {
        let list = transaction::RESTOCK_LIST.read(self.row)?;
        put_objects(&mut self.out, &list, |out, one| {
            out.push_str("\"line\":");
            out.push_str(itoa::Buffer::new().format(one.line));
            put_name(out, "quantity");
            one.quantity.write(out);
        });
        Ok(())
    }

    fn put_oversold(&mut self) -> Result<(), Reject> {
        let list = order_lists::OVERSOLD.read(self.row)?;
        put_objects(&mut self.out, &list, |out, one| {
            out.push_str("\"product_id\":");
            write_integer(out, one.product_id, 1);
            put_name(out, "quantity");
            one.quantity.write(out);
        });
        Ok(())
    }

    fn put_taxes(&mut self) -> Result<(), Reject> {
        let (list, decimals) = (order_lists::TAXES.read(self.row)?, self.decimals);
        put_objects(&mut self.out, &list, |out, one| {
            out.push_str("\"rate\":");
            one.rate.write(out);
            for (name, minor) in [("net", one.net), ("tax", one.tax)] {
                put_name(out, name);
                decimal::write(out, minor, decimals);
            }
        });
        Ok(())
    }
}

/// Appends a list of objects; `put` appends the members of each.
fn put_objects<T>(out: &mut String, list: &[T], put: impl Fn(&mut String, &T)) {
    out.push('[');
    for (at, one) in list.iter().enumerate() {
        out.push_str(if at == 0 { "{" } else { ",{" });
        put(out, one);
        out.push('}');
    }
    out.push(']');
}

/// Appends `,"name":`. A page of orders has a thousand of them; `extend` would take three times as long.
fn put_name(out: &mut String, name: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
}

/// Appends a text as a JSON string.
pub fn put_text(out: &mut String, text: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_beside_the_keys_are_taken_out() {
        let orders = KindSet::of(EntityKind::Order);
        let event = |changed: &str| {
            let data = format!(r#"{{"id":1,"status":"pending","changed_fields":{{{changed}}}}}"#);
            format!(r#"{{"event":"order:updated","data":{data},"timestamp":"2026","seq":5}}"#)
        };
        let narrowed = |body: &str| narrow(EntityKind::Order, body, orders).into_owned();
        for secret in [
            r#""notes":"tel 0123""#,
            r#""notes":null"#,
            r#""notes":"}},\"timestamp\":\"x\",\"changed_fields\":{\"status\":1}}""#,
            r#""items":[{"product_id":1,"name":"}},"}],"notes":"x""#,
        ] {
            assert_eq!(narrowed(&event(secret)), event(""), "{secret}");
            let whole = narrow(EntityKind::Order, &event(secret), KindSet::EMPTY).into_owned();
            assert_eq!(whole, event(secret));
        }
        let shown = event(r#""status":"ready","total":1.50"#);
        assert_eq!(narrowed(&shown), shown);
        let other = narrow(EntityKind::Customer, &event(r#""phone":"1""#), orders).into_owned();
        assert_eq!(other, event(r#""phone":"1""#));
        let created = r#"{"event":"order:created","data":{"id":1},"timestamp":"2026","seq":5}"#;
        assert_eq!(narrowed(created), created);
    }
}
