//! Whether a request comes from a page that may use this server (cross-site request forgery, and
//! cross-site WebSocket hijacking).

use std::sync::Mutex;
use std::time::Instant;

use crate::limits::{LOG_ORIGIN_CHARS, REFUSED_ORIGIN_INTERVAL};
use crate::sync;

/// The origins whose pages may use this server, beside those of its own host.
#[derive(Debug, Default)]
pub struct Origins {
    listed: Vec<String>,
    /// The refused origin that was logged last, and when.
    last_warning: Mutex<Option<(String, Instant)>>,
}

impl Origins {
    /// The server's own host and these origins.
    pub fn new(listed: Vec<String>) -> Self {
        Self { listed, last_warning: Mutex::default() }
    }

    /// Whether a request may change something or become a WebSocket: it must come from a page of a listed
    /// origin or of the same host. A browser sends the origin of the page (`Origin`), or at least whether it
    /// is the same origin (`Sec-Fetch-Site`). Other clients send neither, and no page can use their cookies.
    /// If the host speaks TLS, a page that came over plain HTTP is not of the same host: anybody in the
    /// network may have written it.
    pub fn allow(
        &self,
        origin: Option<&str>,
        site: Option<&str>,
        host: Option<&str>,
        secure: bool,
    ) -> bool {
        let own = site.is_none_or(|site| matches!(site, "same-origin" | "none"));
        match origin {
            Some(origin) => self.lists(origin) || (own && is_same_host(origin, host, secure)),
            None => own,
        }
    }

    /// Whether an origin is one of the listed ones.
    pub fn lists(&self, origin: &str) -> bool {
        self.listed.iter().any(|listed| listed.eq_ignore_ascii_case(origin))
    }

    /// Logs that a page of this origin was refused. Its next requests are not logged for
    /// `REFUSED_ORIGIN_INTERVAL`; lines about many origins are limited by the log itself.
    pub fn warn_refused(&self, origin: &str) {
        let origin: String = origin.chars().take(LOG_ORIGIN_CHARS).collect();
        let now = Instant::now();
        let mut last = sync::lock(&self.last_warning);
        let is_due = last.as_ref().is_none_or(|(before, at)| {
            *before != origin || now.duration_since(*at) >= REFUSED_ORIGIN_INTERVAL
        });
        if is_due {
            tracing::warn!(
                origin,
                "a page of another origin was refused; if it is yours, start the server with \
                 --allow-origin and this origin"
            );
            *last = Some((origin, now));
        }
    }
}

fn is_same_host(origin: &str, host: Option<&str>, secure: bool) -> bool {
    let Some(((scheme, authority), host)) = origin.split_once("://").zip(host) else {
        return false;
    };
    let port = match scheme {
        "http" if !secure => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    bare(authority) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_host_or_listed() {
        let origins = Origins::new(vec!["https://till.example".to_owned()]);
        let allows = |origin| origins.allow(Some(origin), None, Some("localhost:3000"), false);
        assert!(allows("http://localhost:3000"));
        assert!(allows("https://till.example"));
        assert!(!allows("http://localhost:3001"));
        assert!(!allows("http://localhost"));
        assert!(!allows("null"));
        assert!(!allows("http://localhost:3000.evil.example"));
        assert!(!allows("file://localhost:3000"));
        let shop = Some("http://shop.local");
        assert!(Origins::default().allow(shop, None, Some("shop.local:80"), false));
        assert!(!Origins::default().allow(shop, None, None, false));
    }

    #[test]
    fn sec_fetch_site_counts_for_an_origin_that_is_not_listed() {
        let origins = Origins::new(vec!["https://till.example".to_owned()]);
        let allows = |origin, site| origins.allow(origin, Some(site), Some("a"), false);
        for own in ["same-origin", "none"] {
            assert!(allows(None, own) && allows(Some("http://a"), own));
            assert!(!allows(Some("null"), own));
        }
        for foreign in ["cross-site", "same-site", ""] {
            assert!(!allows(None, foreign) && !allows(Some("http://a"), foreign));
            assert!(allows(Some("https://till.example"), foreign));
        }
    }

    #[test]
    fn over_tls_a_page_must_have_come_over_tls_too() {
        let listed = Origins::new(vec!["http://till.example".to_owned()]);
        let allows = |origin, secure| listed.allow(Some(origin), None, Some("shop.local"), secure);
        assert!(allows("https://shop.local", true) && allows("https://shop.local:443", true));
        assert!(!allows("http://shop.local", true));
        assert!(allows("http://till.example", true), "the operator lists it");
        // Behind a proxy that speaks TLS but is not trusted.
        assert!(allows("https://shop.local", false) && allows("http://shop.local", false));
    }
}
