//! The endpoints of monitors: whether the process lives, whether it can take orders, and its metrics.

use hyper::StatusCode;

use crate::auth::hosts::is_this_machine;
use crate::domain::Code;
use crate::http::api::{Api, MetricsReaders};
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply};
use crate::http::request::ApiRequest;
use crate::http::route::Access;

/// The paths that are answered whatever else the server has to do.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// Whether a path is one that is always answered.
pub fn is_probe(path: &str) -> bool {
    PROBES.contains(&path)
}

/// The probe that a request's head asks for, if it does.
pub fn probe_in(head: &[u8]) -> Option<&'static str> {
    let target = head.strip_prefix(b"GET ")?;
    let ends = |rest: &[u8]| matches!(rest.first(), Some(b' ' | b'?'));
    PROBES.into_iter().find(|path| target.strip_prefix(path.as_bytes()).is_some_and(ends))
}

/// `GET /healthz`: the process lives.
pub(super) fn health() -> Reply {
    reply::json("{\"status\":\"ok\"}".to_owned())
}

impl Api {
    /// Answers the probe that a head asks for, without hyper.
    pub fn probe(&self, head: &[u8]) -> Option<Reply> {
        let reply = match probe_in(head)? {
            "/readyz" => self.readiness().unwrap_or_else(Problem::into_reply),
            _ => health(),
        };
        Some(reply)
    }

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
    pub(super) fn metrics_page(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        self.check_reader(request)?;
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (events, bytes) = self.feed.size();
        self.metrics.ring_events.set(number(events));
        self.metrics.ring_bytes.set(number(bytes));
        self.metrics.head.set(self.feed.head());
        self.metrics.queue.set(number(self.store.queued()));
        self.metrics.wal_size.set(i64::try_from(self.store.wal_bytes()).unwrap_or(i64::MAX));
        self.metrics.sessions.set(number(self.auth.sessions.count()));
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        Ok(reply::plain(StatusCode::OK, content_type, self.metrics.text()))
    }

    /// The metrics tell how much the shop sells, so that not everybody in its network may read them.
    fn check_reader(&self, request: &ApiRequest) -> Result<(), Problem> {
        match self.metrics_readers {
            MetricsReaders::Open => Ok(()),
            MetricsReaders::Admin => Access::Admin.check(request.session()?.principal.role(), None),
            MetricsReaders::Local if is_this_machine(request.client.address) => Ok(()),
            MetricsReaders::Local => {
                let detail = "the metrics are for this machine alone; see --metrics";
                Err(Problem::new(Code::MetricsNotAllowed, detail))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_known_by_its_request_line() {
        let of = |line: &str| probe_in(line.as_bytes());
        assert_eq!(of("GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n"), Some("/healthz"));
        assert_eq!(of("GET /readyz?from=monitor HTTP/1.1"), Some("/readyz"));
        for other in ["", "GET", "GET /healthz", "GET /healthzz HTTP/1.1", "POST /healthz HTTP/1.1"]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
