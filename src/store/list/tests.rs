//! Tests that every list has its index, and that pages that end early leave nothing out.

use rusqlite::Connection;

use super::*;
use crate::domain::order::{OrderStatus, PaymentStatus};
use crate::domain::schema::Type;
use crate::domain::{FieldRef, order};
use crate::limits::LIST_SCAN_MAX;
use crate::store::test_shop;

/// SQLite's plan for a statement, its lines joined.
fn plan(conn: &Connection, sql: &str) -> String {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let lines = statement.raw_query().mapped(|row| row.get::<_, String>(3));
    lines.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
}

/// The filters of a kind's lists: those that clients give, and the one of a kiosk.
fn filters(kind: EntityKind) -> Vec<Filter> {
    let kiosk = (kind == EntityKind::Order).then_some(order::KIOSK_ID);
    let given = kind.schema().filters().map(|(_, searched)| searched);
    let with_value = |at: FieldRef| match kind.schema().fields[at.index].ty {
        Type::Id(_) | Type::Owner => Some(Filter::equals(at, Cell::Int(1))),
        Type::Oversold => Some(Filter { field: at, wanted: Wanted::Some }),
        // It is an id.
        Type::OrderNumber => None,
        _ => Some(Filter::equals(at, Cell::Text("x".to_owned()))),
    };
    given.chain(kiosk).filter_map(with_value).collect()
}

/// Every set of filters of a kind, with and without a time, from the first id on and from a later
/// one, in both orders.
fn queries(kind: EntityKind) -> impl Iterator<Item = Query> {
    let all = filters(kind);
    let times = [None, Some(1)];
    let starts = [(None, true), (None, false), (Some(7), true), (Some(7), false)];
    (0_u32..1 << all.len()).flat_map(move |set| {
        let chosen = all.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0);
        let filters: Vec<_> = chosen.map(|(_, filter)| filter.clone()).collect();
        times.into_iter().flat_map(move |updated_since| {
            let filters = filters.clone();
            starts.into_iter().map(move |(after, ascending)| Query {
                limit: 50,
                after,
                ascending,
                filters: filters.clone(),
                updated_since,
                id: None,
            })
        })
    })
}

/// Lists stay as quick in a large shop as in a new one.
#[test]
fn every_list_is_found_by_an_index_in_its_order() {
    let conn = test_shop::new();
    for kind in EntityKind::ALL {
        for query in queries(kind) {
            let leading = leading(kind, &query).map(|at| (at, &query.filters[at]));
            let mut select = by_index(kind, &query, leading);
            let scan = plan(&conn, &select.scan(LIST_SCAN_MAX).sql);
            select.within(Some(3));
            select.sort(1);
            let page = plan(&conn, &select.sql);
            let table = kind.schema().plural;
            for found in [&scan, &page] {
                let by = match leading.map(|(_, filter)| filter) {
                    Some(Filter { wanted: Wanted::Some, .. }) => "orders_oversold".to_owned(),
                    Some(filter) => format!("({}=?", filter.field.name),
                    None => "PRIMARY KEY (rowid".to_owned(),
                };
                // Without an index the table is scanned by id, up to the last row that the page
                // looks at; an index of a list with entries has few rows.
                let is_short = by == "orders_oversold" && found.contains(&by);
                let all = leading.is_none() && query.after.is_none();
                let searched = found.starts_with("SEARCH") && found.contains(&by);
                let walked = all && found.starts_with(&format!("SCAN {table}"));
                assert!(searched || walked || is_short, "{query:?}: {found}");
                assert!(!found.contains("TEMP") && !found.contains(';'), "{query:?}: {found}");
            }
            let one = plan(&conn, &by_id(kind, &query).sql);
            assert_eq!(one, format!("SEARCH {table} USING INTEGER PRIMARY KEY (rowid=?)"));
        }
    }
    assert_eq!(plan(&conn, CHANGED), "SCAN events"); // `LIMIT` ends it after `LIST_EVENTS_MAX`
}

/// Inserts orders with these statuses, each changed once at the time that equals its id.
fn fill(conn: &Connection, statuses: &[OrderStatus]) {
    let sql = "INSERT INTO orders (id, status, payment_status, total, currency, items, seq,
                                   created_at, updated_at)
               VALUES (?1, ?2, ?3, 1, 'USD', '[]', ?1, ?1, ?1)";
    let event = "INSERT INTO events (seq, at, kind, body)
                 VALUES (?1, ?1, 0, json_object('data', json_object('id', ?1)))";
    for (id, status) in (1_i64..).zip(statuses) {
        conn.execute(sql, (id, status.word(), PaymentStatus::Pending.word())).unwrap();
        conn.execute(event, [id]).unwrap();
    }
}

/// All ids of a list, page by page.
fn walk(conn: &Connection, query: &Query) -> Vec<i64> {
    let (mut ids, mut query) = (Vec::new(), query.clone());
    loop {
        let (rows, next) = page(conn, EntityKind::Order, &query).unwrap();
        assert!(rows.len() <= query.limit);
        ids.extend(rows.iter().map(|row| row.id));
        match next {
            Some(next) => query.after = Some(next),
            None => return ids,
        }
    }
}

/// The pages of a list together are the whole list, however each page is found.
#[test]
fn pages_that_end_early_leave_nothing_out() {
    let conn = test_shop::new();
    let count = 2 * LIST_SCAN_MAX + LIST_EVENTS_MAX;
    let statuses: Vec<OrderStatus> = (0..count)
        .map(|at| if at % 1000 == 7 { OrderStatus::Ready } else { OrderStatus::Pending })
        .collect();
    fill(&conn, &statuses);
    conn.pragma_update(None, "foreign_keys", false).unwrap(); // there is no such kiosk
    conn.execute("UPDATE orders SET kiosk_id = 1", []).unwrap();
    let kiosk = || Filter::equals(order::KIOSK_ID, Cell::Int(1));
    let ready = || Filter::equals(order::STATUS, Cell::Text(OrderStatus::Ready.word().to_owned()));
    let either = |kind: &[OrderStatus]| {
        let words = kind.iter().map(|status| Cell::Text(status.word().to_owned())).collect();
        Filter { field: order::STATUS, wanted: Wanted::OneOf(words) }
    };
    let open = || either(&[OrderStatus::Ready, OrderStatus::Shipped, OrderStatus::Pending]);
    let none = || Filter { field: order::CUSTOMER_ID, wanted: Wanted::Null };
    let all = |wanted: &dyn Fn(i64) -> bool| -> Vec<i64> {
        (1..=count).filter(|id| wanted(*id)).collect()
    };
    let [recent, old] = [count - LIST_EVENTS_MAX / 2, count - LIST_EVENTS_MAX - 9];
    let is_ready = |id: i64| (id - 1) % 1000 == 7;
    let cases = [
        (vec![], None, all(&|_| true)),
        (vec![ready()], None, all(&is_ready)),
        (vec![ready()], Some(recent), all(&|id| is_ready(id) && id >= recent)),
        (vec![], Some(recent), all(&|id| id >= recent)),
        // A list reads fewer events than there are since then, and a page may find no row.
        (vec![], Some(old), all(&|id| id >= old)),
        (vec![ready()], Some(old), all(&|id| is_ready(id) && id >= old)),
        // One filter leads to more rows than a page looks at.
        (vec![ready(), kiosk()], None, all(&is_ready)),
        // The pages of several values are merged.
        (vec![open()], None, all(&|_| true)),
        (vec![either(&[OrderStatus::Ready, OrderStatus::Shipped])], None, all(&is_ready)),
        (vec![open()], Some(recent), all(&|id| id >= recent)),
        (vec![open(), none()], None, all(&|_| true)),
        (vec![none()], Some(old), all(&|id| id >= old)),
    ];
    for (filters, updated_since, ids) in cases {
        let ascending =
            Query { limit: 200, ascending: true, filters, updated_since, ..Query::default() };
        assert_eq!(walk(&conn, &ascending), ids, "{ascending:?}");
        let descending = Query { ascending: false, ..ascending };
        assert_eq!(walk(&conn, &descending), ids.into_iter().rev().collect::<Vec<_>>());
    }
}

/// A row whose event was pruned is still found by its own time.
#[test]
fn a_pruned_log_hides_no_change() {
    let conn = test_shop::new();
    fill(&conn, &[OrderStatus::Pending; 20]);
    conn.execute("DELETE FROM events WHERE seq <= 15", []).unwrap();
    for (since, is_known) in [(3, false), (16, false), (17, true)] {
        let known = changed_since(&conn, EntityKind::Order, since).unwrap();
        assert_eq!(known.is_some(), is_known, "{since}");
        let query = Query { limit: 5, updated_since: Some(since), ..Query::default() };
        assert_eq!(walk(&conn, &query), (since..=20).rev().collect::<Vec<_>>());
    }
}

/// The numbers that a restore leaves out are no events, so those before them are further back than they look.
#[test]
fn a_restored_log_hides_no_change() {
    let conn = test_shop::new();
    let count = usize::try_from(LIST_EVENTS_MAX).unwrap() + 100;
    fill(&conn, &vec![OrderStatus::Pending; count]);
    let restore = "UPDATE events SET seq = seq + ?1 WHERE seq > ?2";
    let kept = i64::try_from(count).unwrap() - 5;
    conn.execute(restore, [LIST_EVENTS_MAX, kept]).unwrap();
    let first = LIST_EVENTS_MAX + kept + 1;
    conn.execute("UPDATE log SET restored_seq = ?, first_seq = ?", [kept, first]).unwrap();
    let query = Query { limit: 200, ascending: true, updated_since: Some(1), ..Query::default() };
    assert_eq!(walk(&conn, &query).len(), count);
}
