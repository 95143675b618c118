//! Users in their table. Passwords come hashed; what they are is not known here.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension, Row};

use crate::domain::{Code, Reject, Role, Secret};
use crate::store::audit::{self, Action, AuditRecord, AuditSubject, Caller};
use crate::store::error::failed;
use crate::store::sessions::{self, TokenHash};
use crate::store::write_tx::WriteTx;

/// A user as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Given by the server, never used again.
    pub id: i64,
    /// Unique, whatever the case of its letters.
    pub username: String,
    /// What the user may do.
    pub role: Role,
    /// May not log in.
    pub disabled: bool,
    /// Grows with every change: the `ETag`.
    pub version: i64,
    /// Milliseconds since 1970, UTC.
    pub created_at: i64,
    /// Milliseconds since 1970, UTC.
    pub updated_at: i64,
}

/// What a change of a user sets; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct UserPatch {
    /// A new name.
    pub username: Option<String>,
    /// A new role.
    pub role: Option<Role>,
    /// May not log in.
    pub disabled: Option<bool>,
    /// A new password, hashed.
    pub password_hash: Option<Secret>,
}

const COLUMNS: &str = "id, username, role, disabled, version, created_at, updated_at";

fn read(row: &Row<'_>) -> rusqlite::Result<User> {
    let role: String = row.get(2)?;
    Ok(User {
        id: row.get(0)?,
        username: row.get(1)?,
        role: Role::named(&role).unwrap_or(Role::Display),
        disabled: row.get(3)?,
        version: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}

/// The user with that id.
pub(super) fn get(conn: &Connection, id: i64) -> Result<User, Reject> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE id = ?");
    let mut statement = conn.prepare_cached(&sql).map_err(failed)?;
    let user = statement.query_row([id], read).optional().map_err(failed)?;
    user.ok_or(Reject::NotFound)
}

/// The user with that name, and the hash of the password.
pub(super) fn find(conn: &Connection, username: &str) -> Result<Option<(User, Secret)>, Reject> {
    let sql = format!("SELECT {COLUMNS}, password_hash FROM users WHERE username = ?");
    let mut statement = conn.prepare_cached(&sql).map_err(failed)?;
    let user = statement.query_row([username], |row| Ok((read(row)?, Secret(row.get(7)?))));
    user.optional().map_err(failed)
}

/// Against what a login is checked.
pub struct LoginCandidate {
    /// The user with that name.
    pub user: Option<User>,
    /// The hash of its password; of somebody else's where there is no such user.
    pub password_hash: Secret,
}

/// The user with that name. A name that nobody has gets one of the others' hashes, for the same
/// `pick` the same, so that a check of it costs what a check of any name does.
pub(super) fn find_or_other(
    conn: &Connection,
    username: &str,
    pick: u32,
) -> Result<Option<LoginCandidate>, Reject> {
    if let Some((user, password_hash)) = find(conn, username)? {
        return Ok(Some(LoginCandidate { user: Some(user), password_hash }));
    }
    let sql = "
        SELECT password_hash FROM users ORDER BY id
        LIMIT 1 OFFSET ? % max(1, (SELECT count(*) FROM users))";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let other = statement.query_row([pick], |row| row.get(0)).optional().map_err(failed)?;
    Ok(other.map(|hash| LoginCandidate { user: None, password_hash: Secret(hash) }))
}

/// Users behind an id, newest first, at most `limit`.
pub(super) fn list(
    conn: &Connection,
    after: Option<i64>,
    limit: usize,
) -> Result<Vec<User>, Reject> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE id < ? ORDER BY id DESC LIMIT ?");
    let mut statement = conn.prepare_cached(&sql).map_err(failed)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let users = statement.query_map((after.unwrap_or(i64::MAX), limit), read);
    users.and_then(Iterator::collect).map_err(failed)
}

/// There is no user yet.
pub(super) fn none(conn: &Connection) -> Result<bool, Reject> {
    let exists =
        conn.prepare_cached("SELECT 1 FROM users").and_then(|mut statement| statement.exists([]));
    exists.map(|exists| !exists).map_err(failed)
}

/// Makes a user.
pub(super) fn add(
    tx: &WriteTx<'_>,
    (username, role, password_hash): (&str, Role, &Secret),
    caller: Option<Caller>,
) -> Result<User, Reject> {
    let sql = "INSERT INTO users (username, role, password_hash, created_at, updated_at) VALUES (?, ?, ?, ?, ?)";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement
        .execute((username, role.name(), &password_hash.0, tx.now, tx.now))
        .map_err(|error| taken(&error))?;
    let id = tx.conn.last_insert_rowid();
    note(tx, id, Action::Create, caller)?;
    get(tx.conn, id)
}

/// Changes a user. A new role, a new password or disabling ends the user's sessions but `keep`.
pub(super) fn change(
    tx: &WriteTx<'_>,
    before: &User,
    patch: &UserPatch,
    keep: Option<&TokenHash>,
    caller: Option<Caller>,
) -> Result<User, Reject> {
    let id = before.id;
    let after = update(tx, before, patch)?;
    if after.role != before.role || after.disabled {
        sessions::remove_of_user(tx, id, None)?;
    } else if patch.password_hash.is_some() {
        sessions::remove_of_user(tx, id, keep)?;
    }
    let fields = [
        ("username", after.username != before.username),
        ("role", after.role != before.role),
        ("disabled", after.disabled != before.disabled),
        ("password", patch.password_hash.is_some()),
    ];
    let names = fields.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name);
    let names: Vec<_> = names.map(Cow::Borrowed).collect();
    if !names.is_empty() {
        note(tx, id, Action::Update(names), caller)?;
    }
    Ok(after)
}

fn update(tx: &WriteTx<'_>, before: &User, patch: &UserPatch) -> Result<User, Reject> {
    let after = User {
        username: patch.username.clone().unwrap_or_else(|| before.username.clone()),
        role: patch.role.unwrap_or(before.role),
        disabled: patch.disabled.unwrap_or(before.disabled),
        ..before.clone()
    };
    if after == *before && patch.password_hash.is_none() {
        return Ok(after);
    }
    let sql = "
        UPDATE users SET username = ?, role = ?, disabled = ?, version = version + 1, updated_at = ?,
                         password_hash = coalesce(?, password_hash) WHERE id = ?";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    let hash = patch.password_hash.as_ref().map(|hash| &hash.0);
    let values = (&after.username, after.role.name(), after.disabled, tx.now, hash, before.id);
    statement.execute(values).map_err(|error| taken(&error))?;
    keep_an_admin(tx.conn)?;
    get(tx.conn, before.id)
}

/// Sets another hash of the same password. Nobody sees a difference, so the version stays.
pub(super) fn renew(tx: &WriteTx<'_>, id: i64, password_hash: &Secret) -> Result<(), Reject> {
    let sql = "UPDATE users SET password_hash = ? WHERE id = ?";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement.execute((&password_hash.0, id)).map(drop).map_err(failed)
}

/// Removes a user and, with it, the user's sessions.
pub(super) fn remove(tx: &WriteTx<'_>, id: i64, caller: Option<Caller>) -> Result<(), Reject> {
    note(tx, id, Action::Delete, caller)?;
    let mut statement = tx.conn.prepare_cached("DELETE FROM users WHERE id = ?").map_err(failed)?;
    match statement.execute([id]).map_err(failed)? {
        0 => Err(Reject::NotFound),
        _ => keep_an_admin(tx.conn),
    }
}

/// Writes down who changed a user; the name is still there where somebody removes itself.
fn note(tx: &WriteTx<'_>, id: i64, action: Action, caller: Option<Caller>) -> Result<(), Reject> {
    let note = AuditRecord { action, subject: AuditSubject::User, row_id: id, seqs: None };
    audit::note(tx, caller, &note)
}

/// Refuses what would leave nobody to manage users.
fn keep_an_admin(conn: &Connection) -> Result<(), Reject> {
    let sql = "SELECT 1 FROM users WHERE role = 'admin' AND NOT disabled";
    let found = conn.prepare_cached(sql).and_then(|mut statement| statement.exists([]));
    if found.map_err(failed)? {
        return Ok(());
    }
    Err(Reject::conflict(Code::LastAdmin, "this is the last active admin; make another one first"))
}

fn taken(error: &rusqlite::Error) -> Reject {
    if let Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE) =
        error.sqlite_error().map(|error| error.extended_code)
    {
        Reject::conflict(Code::Duplicate, "a user with this name exists already")
    } else {
        tracing::error!(%error, "the database refused a user");
        Reject::Unavailable
    }
}

/// The user's version is one of these, where any are given.
pub(super) fn check_version(
    conn: &Connection,
    id: i64,
    if_match: Option<&Vec<i64>>,
) -> Result<(), Reject> {
    let version = get(conn, id)?.version;
    match if_match {
        Some(versions) if !versions.contains(&version) => Err(Reject::PreconditionFailed),
        _ => Ok(()),
    }
}
