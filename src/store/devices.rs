//! The devices among the principals. Their tokens arrive here as hashes.

use std::borrow::Cow;
use std::net::IpAddr;

use rusqlite::{Connection, OptionalExtension, Row};

use crate::domain::device::{DevicePatch, NewDevice, Seen};
use crate::domain::{Code, Device, Precondition, Principal, Reject};
use crate::limits::DEVICES_MAX;
use crate::store::audit;
use crate::store::audit_record::{Action, AuditRecord, AuditSubject};
use crate::store::caller::Caller;
use crate::store::columns::Address;
use crate::store::error::failed;
use crate::store::idempotency::StoredResponse;
use crate::store::session::{Revocation, SessionChange, SessionRoom, TokenHash};
use crate::store::session_table;
use crate::store::write_tx::WriteTx;

/// The result of a request to add a device.
#[derive(Debug)]
pub struct AddedDevice {
    /// The device, as the first such request got it.
    pub response: StoredResponse,
    /// Whether this was the first one, so that the device has its token.
    pub is_new: bool,
    /// The user of each session that ended for want of room.
    pub displaced: Vec<i64>,
}

const SELECT: &str = "
    SELECT d.id, d.device_name, d.role, d.version, d.created_at, d.updated_at, s.used_at, s.address
    FROM users AS d LEFT JOIN sessions AS s ON s.user_id = d.id WHERE d.device_name IS NOT NULL";

fn read(row: &Row<'_>) -> rusqlite::Result<Device> {
    let address: Option<IpAddr> = row.get::<_, Option<Address>>(7)?.map(|Address(address)| address);
    let at: Option<i64> = row.get(6)?;
    Ok(Device {
        id: row.get(0)?,
        name: row.get(1)?,
        role: row.get(2)?,
        version: row.get(3)?,
        created_at: row.get(4)?,
        updated_at: row.get(5)?,
        seen: at.zip(address).map(|(at, address)| Seen { at, address }),
    })
}

/// The device with that id.
pub(super) fn get(conn: &Connection, id: i64) -> Result<Device, Reject> {
    let sql = format!("{SELECT} AND d.id = ?");
    let mut statement = conn.prepare_cached(&sql).map_err(failed)?;
    let device = statement.query_row([id], read).optional().map_err(failed)?;
    device.ok_or(Reject::NotFound)
}

/// At most `limit` devices, newest first; with `after`, only those with a lower id.
pub(super) fn list(
    conn: &Connection,
    after: Option<i64>,
    limit: usize,
) -> Result<Vec<Device>, Reject> {
    let sql = format!("{SELECT} AND d.id < ? ORDER BY d.id DESC LIMIT ?");
    let mut statement = conn.prepare_cached(&sql).map_err(failed)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let devices = statement.query_map((after.unwrap_or(i64::MAX), limit), read);
    devices.and_then(Iterator::collect).map_err(failed)
}

/// Adds a device with the token that has this hash. Returns also the users whose sessions it displaces.
///
/// # Errors
/// `TooManyDevices` if there are `DEVICES_MAX` already.
pub(super) fn add(
    tx: &mut WriteTx<'_>,
    new: &NewDevice,
    token_hash: TokenHash,
    room: &SessionRoom,
    caller: Caller,
) -> Result<(Device, Vec<i64>), Reject> {
    let sql = "SELECT count(*) FROM users WHERE device_name IS NOT NULL";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    let devices: i64 = statement.query_row([], |row| row.get(0)).map_err(failed)?;
    if devices >= DEVICES_MAX {
        let text = format!("there are {DEVICES_MAX} devices, the most; remove one first");
        return Err(Reject::conflict(Code::TooManyDevices, text));
    }
    let NewDevice { name, role } = new;
    let sql = "INSERT INTO users (device_name, role, created_at, updated_at) VALUES (?, ?, ?, ?)";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement.execute((name, role.name(), tx.now, tx.now)).map_err(failed)?;
    let id = tx.conn.last_insert_rowid();
    let principal = Principal::Device { id, role: *role };
    let displaced = session_table::open(tx, principal, token_hash, &[], room)?;
    note(tx, id, Action::Create, caller)?;
    Ok((get(tx.conn, id)?, displaced))
}

/// Changes a device. Its token stays valid; with another role, its sockets end.
pub(super) fn update(
    tx: &mut WriteTx<'_>,
    id: i64,
    patch: &DevicePatch,
    precondition: &Precondition,
    caller: Caller,
) -> Result<Device, Reject> {
    let before = get(tx.conn, id)?;
    precondition.check(before.version)?;
    let name = patch.name.as_ref().unwrap_or(&before.name);
    let role = patch.role.unwrap_or(before.role);
    let fields = [("name", *name != before.name), ("role", role != before.role)];
    let names = fields.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name);
    let names: Vec<_> = names.map(Cow::Borrowed).collect();
    if names.is_empty() {
        return Ok(before);
    }
    let sql = "
        UPDATE users SET device_name = ?, role = ?, version = version + 1, updated_at = ?
        WHERE id = ?";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement.execute((name, role.name(), tx.now, id)).map_err(failed)?;
    if role != before.role {
        let changed = SessionChange::RoleChanged(Principal::Device { id, role });
        tx.outbox.session_changes.push(changed);
    }
    note(tx, id, Action::Update(names), caller)?;
    get(tx.conn, id)
}

/// Removes a device with its token.
pub(super) fn remove(
    tx: &mut WriteTx<'_>,
    id: i64,
    precondition: &Precondition,
    caller: Caller,
) -> Result<(), Reject> {
    precondition.check(get(tx.conn, id)?.version)?;
    // The entry comes before the removal, because that of a device that removes itself needs the name.
    note(tx, id, Action::Delete, caller)?;
    session_table::revoke(tx, id, Revocation::DeviceRemoved, None)?;
    let mut statement = tx.conn.prepare_cached("DELETE FROM users WHERE id = ?").map_err(failed)?;
    statement.execute([id]).map(drop).map_err(failed)
}

/// Adds an entry about a device to the audit trail.
fn note(tx: &WriteTx<'_>, id: i64, action: Action, caller: Caller) -> Result<(), Reject> {
    let note = AuditRecord { action, subject: AuditSubject::Device, row_id: id, seqs: None };
    audit::note(tx, caller, &note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Role;
    use crate::store::test_shop;
    use crate::store::users;

    fn token(number: i64) -> TokenHash {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        TokenHash(bytes)
    }

    fn add(tx: &mut WriteTx<'_>, name: &str, number: i64) -> Result<i64, Reject> {
        let room = SessionRoom { capacity: usize::MAX, last_used: Box::new(|_| 0) };
        let new = NewDevice { name: name.to_owned(), role: Role::Kiosk };
        let added = super::add(tx, &new, token(number), &room, Caller::CONSOLE);
        added.map(|(device, _)| device.id)
    }

    /// Quotas, stored responses, owned orders and shares name a principal by its id alone.
    #[test]
    fn no_id_is_a_users_and_a_devices() {
        let conn = test_shop::new();
        let mut tx = test_shop::transaction(&conn);
        let ana = test_shop::add_user(&tx, "ana", Role::Admin).id;
        let screen = add(&mut tx, "ana", 1).unwrap();
        let ben = test_shop::add_user(&tx, "ben", Role::Staff).id;
        remove(&mut tx, screen, &Precondition::default(), Caller::CONSOLE).unwrap();
        let other = add(&mut tx, "ana", 1).unwrap();
        assert_eq!([ana, screen, ben, other], [1, 2, 3, 4]);
        // Neither passes for the other.
        assert_eq!(get(&conn, ana), Err(Reject::NotFound));
        assert_eq!(users::get(&conn, other), Err(Reject::NotFound));
        let names = users::list(&conn, None, 9).unwrap().into_iter().map(|user| user.username);
        assert_eq!(names.collect::<Vec<_>>(), ["ben", "ana"]);
        let devices = list(&conn, None, 9).unwrap().into_iter().map(|device| device.id);
        assert_eq!(devices.collect::<Vec<_>>(), [other]);
    }

    #[test]
    fn there_are_only_so_many_devices() {
        let conn = test_shop::new();
        let mut tx = test_shop::transaction(&conn);
        for number in 0..DEVICES_MAX {
            add(&mut tx, "till", number).unwrap();
        }
        let mut add = || add(&mut tx, "till", DEVICES_MAX);
        assert!(matches!(add(), Err(Reject::Conflict(Code::TooManyDevices, _))));
        conn.execute("DELETE FROM users WHERE id = 7", []).unwrap();
        assert!(add().is_ok());
    }
}
