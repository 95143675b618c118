//! The server's counters and gauges, which `/metrics` prints, and their course in the last hour. No other module
//! uses prometheus-client.

mod errors;
mod history;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use errors::{Errors, Line, LoggedError};
pub use history::{History, MEASURES, Sample, WriterLoad, saturated};

/// All metrics. Counters only grow; gauges are set when the page is requested, from the places that
/// know their values.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Open TCP connections.
    pub connections: Gauge,
    /// Open WebSockets.
    pub sockets: Gauge,
    /// Connections refused by a bound.
    pub refused: Counter,
    /// HTTP requests answered.
    pub requests: Counter,
    /// Panics caught at the edge of a connection.
    pub panics: Counter,
    /// Rounds of the writer's loop, idle ones included: they show that the thread is alive.
    pub writer_rounds: Counter,
    /// Rounds of the WebSockets' event loop, likewise.
    pub event_loop_rounds: Counter,
    /// Events published.
    pub events: Counter,
    /// The newest `seq`.
    pub head: Gauge,
    /// Events in the ring.
    pub ring_events: Gauge,
    /// Bytes in the ring.
    pub ring_bytes: Gauge,
    /// Commands that wait for the writer.
    pub queue: Gauge,
    /// Seconds from `BEGIN` to the end of `COMMIT`, fsync included.
    commit: Histogram,
    /// Commands in one commit.
    pub batch: Histogram,
    /// Bytes that commits added to the write-ahead log.
    pub wal_bytes: Counter,
    /// Seconds that the writer took to move the write-ahead log into the database, each time.
    pub checkpoint: Histogram,
    /// The size of the write-ahead log's file, in bytes.
    pub wal_size: Gauge,
    /// Bytes that the process wrote to disks, by the kernel's count.
    pub disk_bytes: Counter,
    /// Pages of the log that were read for subscribers behind the ring.
    pub catch_ups: Counter,
    /// Frames handed to the kernel.
    pub frames: Counter,
    /// Events that were not yet sent to the subscriber that is furthest behind.
    pub unsent: Gauge,
    /// Logins refused.
    pub logins_rejected: Counter,
    /// Live sessions.
    pub sessions: Gauge,
    /// Resident memory.
    rss: Gauge,
    /// Resident memory without mapped files.
    rss_anon: Gauge,
    /// The size of the database's file, in bytes.
    pub database_bytes: Gauge,
    /// The size of the disk with the database, and its space that is free, in bytes.
    pub disk_size: Gauge,
    /// See `disk_size`.
    pub disk_free: Gauge,
    /// When the counting began.
    pub started: Instant,
    /// The newest warnings and errors of the log.
    pub errors: Errors,
    /// The load in the last hour.
    pub history: History,
    /// The part of the next sample that the writer counts.
    pub writer_load: WriterLoad,
    /// `/proc/self/io`, opened while the process may still open it.
    counts: Option<File>,
}

impl Metrics {
    /// A new registry with all metrics at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("tillcast");
        let seconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
        let sizes = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
        let r = &mut registry;
        Self {
            connections: gauge(r, "connections", "Open TCP connections"),
            sockets: gauge(r, "websockets", "Open WebSockets"),
            refused: counter(r, "connections_refused", "Connections refused by a bound"),
            requests: counter(r, "http_requests", "HTTP requests answered"),
            panics: counter(r, "panics", "Panics caught at the edge of a connection"),
            writer_rounds: counter(r, "writer_rounds", "Rounds of the loop of the writer's thread"),
            event_loop_rounds: counter(
                r,
                "event_loop_rounds",
                "Rounds of the loop of the WebSockets' thread",
            ),
            events: counter(r, "events", "Events published"),
            head: gauge(r, "event_head", "The newest seq of the event log"),
            ring_events: gauge(r, "ring_events", "Events in the ring"),
            ring_bytes: gauge(r, "ring_bytes", "Bytes of the frames in the ring"),
            queue: gauge(r, "write_queue", "Commands that wait for the writer"),
            commit: histogram(
                r,
                "commit",
                "Time of a commit, fsync included",
                &seconds,
                Some(Unit::Seconds),
            ),
            batch: histogram(r, "commit_commands", "Commands in one commit", &sizes, None),
            wal_bytes: counter(r, "wal_bytes", "Bytes that commits added to the write-ahead log"),
            checkpoint: histogram(
                r,
                "checkpoint",
                "Time of moving the write-ahead log into the database",
                &seconds,
                Some(Unit::Seconds),
            ),
            wal_size: gauge(r, "wal_size_bytes", "Size of the write-ahead log's file"),
            disk_bytes: counter(r, "disk_written_bytes", "Bytes that the process wrote to disks"),
            catch_ups: counter(
                r,
                "catch_ups",
                "Pages of the log read for subscribers behind the ring",
            ),
            frames: counter(r, "frames", "Event frames handed to the kernel"),
            unsent: gauge(r, "unsent", "Events not yet sent to the subscriber furthest behind"),
            logins_rejected: counter(r, "logins_rejected", "Logins refused"),
            sessions: gauge(r, "sessions", "Live sessions"),
            rss: gauge(r, "resident_memory_bytes", "Resident memory"),
            rss_anon: gauge(r, "resident_anonymous_bytes", "Resident memory without mapped files"),
            database_bytes: gauge(r, "database_bytes", "Size of the database's file"),
            disk_size: gauge(r, "disk_size_bytes", "Size of the disk with the database"),
            disk_free: gauge(r, "disk_free_bytes", "Free space of the disk with the database"),
            started: Instant::now(),
            errors: Errors::new(),
            history: History::new(),
            writer_load: WriterLoad::default(),
            counts: File::open("/proc/self/io").ok(),
            registry,
        }
    }

    /// Counts a commit that took this time.
    pub fn count_commit(&self, time: Duration) {
        self.commit.observe(time.as_secs_f64());
        self.writer_load.commit(time);
    }

    /// All metrics as OpenMetrics text; those of the process are read now.
    pub fn text(&self) -> String {
        self.disk_bytes.inner().store(written_bytes(self.counts.as_ref()), Ordering::Relaxed);
        self.rss.set(resident_bytes());
        self.rss_anon.set(memory_bytes("RssAnon:"));
        let mut text = String::with_capacity(8192);
        if encode(&mut text, &self.registry).is_err() {
            text.clear(); // writing to a String does not fail
        }
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter<u64, AtomicU64> {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

fn histogram(
    registry: &mut Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
    unit: Option<Unit>,
) -> Histogram {
    let histogram = Histogram::new(buckets.iter().copied());
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, histogram.clone()),
        None => registry.register(name, help, histogram.clone()),
    }
    histogram
}

/// The process's resident memory in bytes; 0 if it cannot be read.
pub fn resident_bytes() -> i64 {
    memory_bytes("VmRSS:")
}

/// A line of `/proc/self/status` in bytes; 0 if it cannot be read.
fn memory_bytes(line: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|text| text.strip_prefix(line));
    let kib = value.and_then(|text| text.trim().trim_end_matches(" kB").parse::<i64>().ok());
    kib.unwrap_or(0) * 1024
}

/// The kernel's count of the pages that this process changed in files on disks, in bytes, without
/// the file system's own journal; 0 if the kernel does not count them.
fn written_bytes(counts: Option<&File>) -> u64 {
    let mut bytes = [0; 512];
    let length = counts.and_then(|counts| counts.read_at(&mut bytes, 0).ok()).unwrap_or(0);
    let counts = String::from_utf8_lossy(&bytes[..length]);
    let value = counts.lines().find_map(|text| text.strip_prefix("write_bytes: "));
    value.and_then(|text| text.parse().ok()).unwrap_or(0)
}
