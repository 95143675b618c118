//! The endpoints of monitors: whether the process lives, whether it can take orders, and its metrics.

use hyper::StatusCode;

use crate::domain::Code;
use crate::http::api::Api;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply};

impl Api {
    /// `GET /readyz`: whether the shop can take orders.
    pub(super) fn readiness(&self) -> Result<Reply, Problem> {
        if self.lifecycle.is_stopping() {
            return Err(Problem::new(Code::Stopping, "the server is stopping"));
        }
        if !self.store.healthy() {
            return Err(Problem::new(Code::Unavailable, "the last commit failed"));
        }
        if self.store.check_disk_space().is_err() {
            return Err(Problem::new(Code::Unavailable, "the disk is full"));
        }
        Ok(reply::json("{\"status\":\"ready\"}".to_owned()))
    }

    /// `GET /metrics`, in the text format of OpenMetrics.
    pub(super) fn metrics_page(&self) -> Reply {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (events, bytes) = self.feed.size();
        self.metrics.ring_events.set(number(events));
        self.metrics.ring_bytes.set(number(bytes));
        self.metrics.head.set(self.feed.head());
        self.metrics.queue.set(number(self.store.queued()));
        self.metrics.wal_size.set(i64::try_from(self.store.wal_bytes()).unwrap_or(i64::MAX));
        self.metrics.sessions.set(number(self.auth.sessions.count()));
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        reply::plain(StatusCode::OK, content_type, self.metrics.text())
    }
}
