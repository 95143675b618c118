//! Whether a request comes from a page that may ask (cross-site request forgery, and cross-site
//! WebSocket hijacking).

/// The origins that may ask, beside the server's own host.
#[derive(Clone, Debug, Default)]
pub struct Origins(pub Vec<String>);

impl Origins {
    /// A page of the same host, or of a configured origin.
    pub fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        let same_host = origin
            .split_once("://")
            .zip(host)
            .is_some_and(|((scheme, authority), host)| same_authority(scheme, authority, host));
        same_host || self.lists(origin)
    }

    /// One of the configured origins.
    pub fn lists(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    /// A request that changes something. Browsers name the page that sends it; a client that is no
    /// browser names none, and carries no cookies that a page could borrow.
    pub fn allows_write(
        &self,
        origin: Option<&str>,
        fetch_site: Option<&str>,
        host: Option<&str>,
    ) -> bool {
        match (origin, fetch_site) {
            (Some(origin), _) => self.allows(origin, host),
            (None, Some(site)) => matches!(site, "same-origin" | "none"),
            (None, None) => true,
        }
    }
}

fn same_authority(scheme: &str, authority: &str, host: &str) -> bool {
    let port = match scheme {
        "http" => ":80",
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
        let origins = Origins(vec!["https://till.example".to_owned()]);
        let allows = |origin| origins.allows(origin, Some("localhost:3000"));
        assert!(allows("http://localhost:3000"));
        assert!(allows("https://till.example"));
        assert!(!allows("http://localhost:3001"));
        assert!(!allows("http://localhost"));
        assert!(!allows("null"));
        assert!(!allows("http://localhost:3000.evil.example"));
        assert!(!allows("file://localhost:3000"));
        assert!(Origins::default().allows("http://shop.local", Some("shop.local:80")));
    }

    #[test]
    fn writes_from_elsewhere_are_refused() {
        let origins = Origins::default();
        assert!(origins.allows_write(None, None, Some("a")));
        assert!(origins.allows_write(None, Some("same-origin"), Some("a")));
        assert!(!origins.allows_write(None, Some("cross-site"), Some("a")));
        assert!(!origins.allows_write(Some("null"), Some("same-origin"), Some("a")));
    }
}
