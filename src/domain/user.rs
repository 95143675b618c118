//! Users: the accounts with which people log in.

use crate::domain::{Role, event, timestamp};

/// A user, without the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id, assigned by the server and never reused.
    pub id: i64,
    /// The name, unique without regard to the case of its letters.
    pub username: String,
    /// The user's role.
    pub role: Role,
    /// Whether the user may not log in.
    pub disabled: bool,
    /// The version, which grows with every change; the `ETag`.
    pub version: i64,
    /// Milliseconds since 1970, UTC.
    pub created_at: i64,
    /// Milliseconds since 1970, UTC.
    pub updated_at: i64,
}

impl User {
    /// The user as JSON, without anything about the password.
    pub fn json(&self) -> String {
        let Self { id, username, role, disabled, created_at, updated_at, .. } = self;
        let mut out = format!("{{\"id\":{id},\"username\":");
        event::put_text(&mut out, username);
        out.extend([",\"role\":\"", role.name(), "\",\"disabled\":"]);
        out.push_str(if *disabled { "true" } else { "false" });
        for (name, ms) in [("created_at", *created_at), ("updated_at", *updated_at)] {
            out.extend([",\"", name, "\":\""]);
            timestamp::write(&mut out, ms);
            out.push('"');
        }
        out.push('}');
        out
    }
}
