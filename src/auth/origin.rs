//! Whether a request comes from a page that may ask (cross-site request forgery, and cross-site
//! WebSocket hijacking).

/// The origins that may ask, beside the server's own host.
#[derive(Clone, Debug, Default)]
pub struct Origins(pub Vec<String>);

impl Origins {
    /// A request that changes something, or a handshake: from a page of a configured origin or of
    /// the same host. Browsers name the page that sends it (`Origin`), or at least whether it is of
    /// the same origin (`Sec-Fetch-Site`); a client that is no browser does neither, and carries no
    /// cookies that a page could borrow. A page that came over plain HTTP is no page of a host that
    /// speaks TLS: anybody on the way may have written it.
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

    /// One of the configured origins.
    pub fn lists(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
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
        let origins = Origins(vec!["https://till.example".to_owned()]);
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
    fn what_the_browser_says_of_the_site_counts_where_the_origin_is_not_listed() {
        let origins = Origins(vec!["https://till.example".to_owned()]);
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
        let listed = Origins(vec!["http://till.example".to_owned()]);
        let allows = |origin, secure| listed.allow(Some(origin), None, Some("shop.local"), secure);
        assert!(allows("https://shop.local", true) && allows("https://shop.local:443", true));
        assert!(!allows("http://shop.local", true));
        assert!(allows("http://till.example", true), "somebody said so");
        // Where the proxy that speaks TLS is not a trusted one.
        assert!(allows("https://shop.local", false) && allows("http://shop.local", false));
    }
}
