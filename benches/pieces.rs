//! Micro-benchmarks of the work for every request, every event and every delivery.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use divan::{Bencher, black_box};
use serde_json::Value;
use tillcast::domain::decimal::Decimal;
use tillcast::domain::event::{self, Event};
use tillcast::domain::input::Purpose;
use tillcast::domain::{Cell, EntityKind, Input, Precondition, Row, order};
use tillcast::feed::{Batch, Cursor, Feed};
use tillcast::frame;
use tillcast::limits::Limits;
use tillcast::metrics::Metrics;
use tillcast::shop::{Change, Operation};
use tillcast::store::{self, Caller, CommitSinks, Retention, Store, clock};

const AT: i64 = 1_769_337_000_000;

fn main() {
    divan::main();
}

fn an_order() -> Row {
    let mut order = Row { id: 1234, ..Row::blank_in(EntityKind::Order, "USD") };
    order.set(order::TOTAL, Cell::Int(5998));
    order.set_text(order::ITEMS, "[]");
    order
}

/// An order before and after a change of its notes.
fn patched() -> (Row, Row) {
    let before = an_order();
    let mut after = before.clone();
    after.set_text(order::NOTES, "no onions");
    (before, after)
}

fn an_event(seq: i64) -> Option<Event> {
    let (before, after) = patched();
    event::envelope(Some(&before), Some(&after), AT, seq).ok().flatten()
}

#[divan::bench]
fn event_envelope(bencher: Bencher<'_, '_>) {
    let (before, after) = patched();
    bencher.bench(|| event::envelope(black_box(Some(&before)), Some(&after), AT, 1234));
}

#[divan::bench]
fn event_entity(bencher: Bencher<'_, '_>) {
    let order = an_order();
    bencher.bench(|| event::entity(black_box(&order)));
}

#[divan::bench]
fn input_read_an_order(bencher: Bencher<'_, '_>) {
    read(bencher, Purpose::Create("USD"), r#"{"items":[{"product_id":7,"quantity":2}]}"#);
}

#[divan::bench]
fn input_read_a_patch(bencher: Bencher<'_, '_>) {
    read(bencher, Purpose::Patch, r#"{"notes":"no onions"}"#);
}

/// Parses a body's text into an input.
fn read(bencher: Bencher<'_, '_>, purpose: Purpose, body: &str) {
    bencher.bench(|| match serde_json::from_str(black_box(body)) {
        Ok(Value::Object(members)) => Input::read(EntityKind::Order, purpose, members).ok(),
        _ => None,
    });
}

#[divan::bench]
fn decimal_parse() -> Option<i64> {
    Decimal::parse(black_box("1299.99")).and_then(|decimal| decimal.minor(2)).ok()
}

#[divan::bench]
fn frame_text(bencher: Bencher<'_, '_>) {
    let body = an_event(1234).map(|event| event.body).unwrap_or_default();
    bencher.bench(|| frame::text(black_box(&body)));
}

/// One commit of this many events; `feed_copy` is what each subscriber then copies.
#[divan::bench(args = [1, 16, 64])]
fn feed_publish(bencher: Bencher<'_, '_>, events: i64) {
    let feed = Feed::new(0, || ());
    bencher.with_inputs(|| batch(feed.head(), events)).bench_local_values(|events| {
        feed.publish(&events);
        feed.delivered(feed.written());
    });
}

#[divan::bench(args = [1, 16, 64])]
fn feed_copy(bencher: Bencher<'_, '_>, events: i64) {
    let feed = Feed::new(0, || ());
    feed.publish(&batch(0, events));
    let mut frames = Batch::new();
    let subscribed = || {
        let mut cursor = Cursor::new(0);
        cursor.subscribe(EntityKind::Order, 0);
        cursor
    };
    bencher.with_inputs(subscribed).bench_local_values(|mut cursor| {
        frames.clear();
        feed.copy(&mut cursor, events, &mut frames)
    });
}

fn batch(head: i64, events: i64) -> Vec<Event> {
    (head + 1..=head + events).filter_map(an_event).collect()
}

/// An order of one item through the writer, its fsync included.
#[divan::bench(sample_count = 200, sample_size = 1)]
fn store_create(bencher: Bencher<'_, '_>) {
    match Shop::open() {
        Ok(shop) => bencher.bench(|| shop.sell()),
        Err(error) => eprintln!("no shop: {error}"),
    }
}

/// A store with one product, and a runtime to wait for its results.
struct Shop {
    store: Store,
    runtime: tokio::runtime::Runtime,
    _data: tempfile::TempDir,
}

impl Shop {
    fn open() -> Result<Self, Box<dyn Error>> {
        let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let sinks = CommitSinks {
            publish: Box::new(|events| drop(black_box(events))),
            reset_to: Box::new(|_| ()),
            forget: Box::new(|_| ()),
            sessions: Box::new(drop),
            lags: Box::new(|| false),
        };
        let retention =
            Retention { age: Duration::from_secs(86_400), count: 1_000_000, audit: Duration::MAX };
        let (limits, metrics) = (Limits::DEFAULT, Arc::new(Metrics::new()));
        let opened = store::open(data.path(), retention, limits, None, clock)?;
        let (store, _writer) = opened.start(&metrics, sinks)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let shop = Self { store, runtime, _data: data };
        shop.create(
            EntityKind::Product,
            r#"{"name":"Tea","sku":"T","price":9.99,"stock":1000000}"#,
        );
        Ok(shop)
    }

    fn sell(&self) -> bool {
        self.create(EntityKind::Order, r#"{"items":[{"product_id":1,"quantity":1}]}"#)
    }

    fn create(&self, kind: EntityKind, body: &str) -> bool {
        let Ok(Value::Object(members)) = serde_json::from_str(body) else { return false };
        let Ok(input) = Input::read(kind, Purpose::Create("USD"), members) else { return false };
        let change = Change {
            kind,
            operation: Operation::Create(input),
            precondition: Precondition::default(),
        };
        let created = self.store.create(Caller::CONSOLE, change, None);
        self.runtime.block_on(created).is_ok()
    }
}
