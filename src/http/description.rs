//! The descriptions of the API, which anybody may ask for. They are larger than a response that needs no permit, so
//! each is made once, and all responses share its text.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::pages::{self, Asset};

/// The name of the session's cookie in the descriptions as they are stored; a server has another.
pub const COOKIE_NAME: &str = "tillcast_session";

/// The descriptions of the API.
#[derive(Default)]
pub struct Descriptions {
    pub(super) openapi: Description,
    pub(super) asyncapi: Description,
}

/// One description, over plain HTTP and over TLS, where the session's cookie has another name.
#[derive(Default)]
pub(super) struct Description {
    plain: OnceLock<Bytes>,
    secure: OnceLock<Bytes>,
}

impl Description {
    /// The stored text of this path, for a server whose session cookie has this name.
    pub(super) fn of(&self, path: &str, secure: bool, cookie_name: &str) -> Bytes {
        self.text(secure, || {
            let text = pages::find(path).map(Asset::plain).unwrap_or_default();
            // The program's own build made it, as text.
            let text = String::from_utf8(text).unwrap_or_default();
            text.replacen(&format!("\"{COOKIE_NAME}\""), &format!("\"{cookie_name}\""), 1)
        })
    }

    /// The text; `make` is called only for the first.
    fn text(&self, secure: bool, make: impl FnOnce() -> String) -> Bytes {
        let text = if secure { &self.secure } else { &self.plain };
        // Without the room that the text had for more.
        text.get_or_init(|| make().into_boxed_str().into_boxed_bytes().into()).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise strangers who do not read them could fill the memory.
    #[test]
    fn all_responses_share_one_text() {
        let description = Description::default();
        let text = |secure, text: &str| description.text(secure, || text.to_owned());
        let (plain, secure) = (text(false, "plain"), text(true, "secure"));
        assert_eq!((&plain[..], &secure[..]), (&b"plain"[..], &b"secure"[..]));
        assert_eq!(plain.as_ptr(), text(false, "another").as_ptr());
        assert_eq!(secure.as_ptr(), text(true, "another").as_ptr());
    }
}
