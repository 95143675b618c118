//! Devices: screens, handhelds and programs that stay logged in, by a token instead of a password.

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::domain::check::{check_line, one_of};
use crate::domain::text::normalize;
use crate::domain::{Code, FieldError, Reject, Role, Violation, event, timestamp};
use crate::limits::DEVICE_NAME_CHARS_MAX;

/// A device, without its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The id, assigned by the server, never reused, and no user's.
    pub id: i64,
    /// The name, for people; several devices may have the same.
    pub name: String,
    /// The role, never `Admin`.
    pub role: Role,
    /// The version, which grows with every change; the `ETag`.
    pub version: i64,
    /// Milliseconds since 1970, UTC.
    pub created_at: i64,
    /// Milliseconds since 1970, UTC.
    pub updated_at: i64,
    /// Its last use; `None` until it has come.
    pub seen: Option<Seen>,
}

/// The last use of a device's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Milliseconds since 1970, UTC.
    pub at: i64,
    /// The address from which it came.
    pub address: IpAddr,
}

/// The open sockets of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// How many there are.
    pub open: u32,
    /// The events by which the slowest of them lags.
    pub unsent: i64,
}

impl Device {
    /// The device as JSON.
    pub fn json(&self, sockets: Sockets) -> String {
        let Self { id, name, role, created_at, updated_at, seen, .. } = self;
        let mut out = format!("{{\"id\":{id},\"name\":");
        event::put_text(&mut out, name);
        out.extend([",\"role\":\"", role.name(), "\",\"address\":"]);
        match seen {
            Some(seen) => event::put_text(&mut out, &seen.address.to_string()),
            None => out.push_str("null"),
        }
        let times = [
            ("last_seen_at", seen.map(|seen| seen.at)),
            ("created_at", Some(*created_at)),
            ("updated_at", Some(*updated_at)),
        ];
        for (name, at) in times {
            out.extend([",\"", name, "\":"]);
            match at {
                Some(ms) => event::put_text(&mut out, &timestamp::text(ms)),
                None => out.push_str("null"),
            }
        }
        out + &format!(",\"sockets\":{},\"unsent\":{}}}", sockets.open, sockets.unsent)
    }
}

/// A device to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDevice {
    /// The name.
    pub name: String,
    /// The role, never `Admin`.
    pub role: Role,
}

/// The fields of a device that a change sets. A field that is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevicePatch {
    /// A new name.
    pub name: Option<String>,
    /// A new role, never `Admin`.
    pub role: Option<Role>,
}

impl NewDevice {
    /// Reads a request's body; the error lists every wrong member.
    pub fn read(body: Map<String, Value>) -> Result<Self, Reject> {
        let missing = ["name", "role"].into_iter().filter(|name| !body.contains_key(*name));
        let missing = missing.map(|name| FieldError::new(name, Code::Required, "is required"));
        let missing = missing.collect();
        match read(body, missing)? {
            DevicePatch { name: Some(name), role: Some(role) } => Ok(Self { name, role }),
            _ => Err(Reject::NotFound), // unreachable: a missing member was refused
        }
    }
}

impl DevicePatch {
    /// Reads a request's body; the error lists every wrong member.
    pub fn read(body: Map<String, Value>) -> Result<Self, Reject> {
        read(body, Vec::new())
    }
}

/// The roles that a device may have.
pub fn roles() -> impl Iterator<Item = Role> {
    Role::ALL.into_iter().filter(|role| !role.may_manage_users())
}

/// Checks a device's name; returns it as it is stored.
pub fn read_name(text: String) -> Result<String, Violation> {
    let name = normalize(text);
    check_line(&name, 1, DEVICE_NAME_CHARS_MAX).map(|()| name)
}

/// The role of that name, if a device may have it.
pub fn read_role(word: &str) -> Result<Role, Violation> {
    let named = roles().find(|role| role.name() == word);
    named.ok_or_else(|| one_of(roles().map(Role::name)))
}

fn read(body: Map<String, Value>, mut errors: Vec<FieldError>) -> Result<DevicePatch, Reject> {
    let mut patch = DevicePatch::default();
    for (member, value) in body {
        let read = match (member.as_str(), value) {
            ("name", Value::String(text)) => read_name(text).map(|name| patch.name = Some(name)),
            ("role", Value::String(word)) => read_role(&word).map(|role| patch.role = Some(role)),
            ("name" | "role", _) => Err(Violation::new(Code::WrongType, "must be a string")),
            (
                "id" | "address" | "last_seen_at" | "created_at" | "updated_at" | "sockets"
                | "unsent" | "token",
                _,
            ) => Err(Violation::new(Code::ReadOnly, "is set by the server")),
            _ => Err(Violation::new(Code::UnknownField, "is not a field of devices")),
        };
        errors.extend(read.err().map(|wrong| wrong.at(member)));
    }
    if errors.is_empty() { Ok(patch) } else { Err(Reject::Invalid(errors)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(body: Value, of: fn(Map<String, Value>) -> Option<Reject>) -> Vec<(String, Code)> {
        let Value::Object(body) = body else { panic!("no object: {body}") };
        match of(body) {
            Some(Reject::Invalid(errors)) => {
                errors.into_iter().map(|error| (error.field, error.code)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_wrong_member_is_named() {
        let new = |body| NewDevice::read(body).err();
        let both = [("name".to_owned(), Code::Required), ("role".to_owned(), Code::Required)];
        assert_eq!(wrong(json!({}), new), both);
        let patch = |body| DevicePatch::read(body).err();
        for (body, member, code) in [
            (json!({"role": "admin"}), "role", Code::UnknownValue),
            (json!({"role": "Kiosk"}), "role", Code::UnknownValue),
            (json!({"role": null}), "role", Code::WrongType),
            (json!({"name": ""}), "name", Code::TooShort),
            (json!({"name": "x".repeat(DEVICE_NAME_CHARS_MAX + 1)}), "name", Code::TooLong),
            (json!({"name": "a\nb"}), "name", Code::BadCharacter),
            (json!({"name": 7}), "name", Code::WrongType),
            (json!({"token": "x"}), "token", Code::ReadOnly),
            (json!({"password": "x"}), "password", Code::UnknownField),
        ] {
            assert_eq!(wrong(body, patch), [(member.to_owned(), code)], "{member}");
        }
    }

    #[test]
    fn every_role_but_admin_is_a_devices() {
        for role in Role::ALL {
            assert_eq!(read_role(role.name()).ok(), (role != Role::Admin).then_some(role));
        }
    }

    #[test]
    fn a_device_shows_when_and_from_where_it_came() {
        let (name, role) = ("Tür \"1\"".to_owned(), Role::Kitchen);
        let mut device =
            Device { id: 7, name, role, version: 1, created_at: 0, updated_at: 1, seen: None };
        let told = concat!(
            r#"{"id":7,"name":"Tür \"1\"","role":"kitchen","address":null,"last_seen_at":null,"#,
            r#""created_at":"1970-01-01T00:00:00.000Z","updated_at":"1970-01-01T00:00:00.001Z","#,
            r#""sockets":0,"unsent":0}"#
        );
        assert_eq!(device.json(Sockets::default()), told);
        device.seen = Some(Seen { at: 2, address: [192, 0, 2, 1].into() });
        let told: Value =
            serde_json::from_str(&device.json(Sockets { open: 2, unsent: 9 })).unwrap();
        assert_eq!(told["address"], "192.0.2.1");
        assert_eq!(told["last_seen_at"], "1970-01-01T00:00:00.002Z");
        assert_eq!((&told["sockets"], &told["unsent"]), (&json!(2), &json!(9)));
    }
}
