//! The server's load over REST, now and in the last hour, for admins.

use std::mem;

use serde_json::Value;

use crate::domain::json_literal::json;
use crate::domain::json_schema::{members, object, time};
use crate::domain::timestamp;
use crate::http::api::Api;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, ReplyExt, to_json};
use crate::http::request::ApiRequest;
use crate::limits::{RING_EVENTS, SAMPLE_INTERVAL, SAMPLES_KEPT};
use crate::metrics::{MEASURES, Sample};
use crate::store::clock;

impl Api {
    /// `GET /api/status`.
    pub(super) async fn status(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let mut query = mem::take(&mut request.query);
        let after = query.number("after", 0).unwrap_or(0).unsigned_abs();
        query.finish()?;
        let permit = self.page_permit(request.owner()).await?;
        let metrics = &self.metrics;
        let (samples, next) = metrics.history.after(after);
        let now = json!({
            "at": timestamp::text(clock()),
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_s": metrics.started.elapsed().as_secs(),
            "healthy": self.store.healthy(),
            "disk_full": self.store.check_disk_space().is_err(),
            "database_bytes": metrics.database_bytes.get(),
            "bounds": {
                "connections": self.bounds.connections,
                "queue": self.bounds.queue,
                "ring_events": RING_EVENTS,
                "memory_kib": self.bounds.memory_bytes >> 10,
                "disk_mib": metrics.disk_size.get() >> 20,
            },
            "interval_s": SAMPLE_INTERVAL.as_secs(),
            "next": next,
        });
        let mut body = to_json(&now);
        body.truncate(body.len() - 1);
        body.push_str(",\"samples\":{");
        write_columns(&mut body, &samples);
        body.push_str("}}");
        Ok(reply::json(body).with_permit(permit))
    }
}

/// Writes the values of each measure, oldest first, as members. As values of `serde_json`, those of an hour would
/// take half a megabyte.
fn write_columns(out: &mut String, samples: &[Sample]) {
    for (at, (name, _)) in MEASURES.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        out.extend([comma, "\"", name, "\":["]);
        for (nth, sample) in samples.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            out.extend([comma, &sample[at].to_string()]);
        }
        out.push(']');
    }
}

/// The schema in the API document.
pub(super) fn schema() -> Value {
    let count = |about: &str| json!({"type": "integer", "minimum": 0, "description": about});
    let flag = |about: &str| json!({"type": "boolean", "description": about});
    let values = |(name, about): (&str, &str)| {
        let items = json!({"type": "integer", "minimum": 0});
        (
            name.to_owned(),
            json!({"type": "array", "maxItems": SAMPLES_KEPT, "items": items, "description": about}),
        )
    };
    let bounds = [
        ("connections", count("Open connections, all together.")),
        ("queue", count("Commands that wait for the writer.")),
        ("ring_events", count("Events in the ring.")),
        ("memory_kib", count("The sum that `tillcast limits` prints.")),
        ("disk_mib", count("The size of the database's disk.")),
    ];
    object(members([
        ("at", time()),
        ("version", json!({"type": "string"})),
        ("uptime_s", count("Seconds since the server's start.")),
        ("healthy", flag("Whether the last commit succeeded.")),
        ("disk_full", flag("Whether the disk is full, so that changes are refused.")),
        ("database_bytes", count("The size of the database, its log included.")),
        ("bounds", object(members(bounds))),
        ("interval_s", count("Seconds between two samples.")),
        ("next", count("The number of samples since the server's start; give it as `after`.")),
        ("samples", object(members(MEASURES.map(values)))),
    ]))
}
