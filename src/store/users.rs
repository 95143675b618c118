//! The users among the principals. Passwords arrive here as hashes.

use std::borrow::Cow;
use std::net::IpAddr;

use rusqlite::{Connection, OptionalExtension, Row};

use crate::domain::{Code, Precondition, Reject, Role, Secret, User};
use crate::store::audit;
use crate::store::audit_record::{Action, AuditRecord, AuditSubject};
use crate::store::caller::{Actor, Caller};
use crate::store::error::failed;
use crate::store::session::{Revocation, TokenHash};
use crate::store::session_table;
use crate::store::write_tx::WriteTx;

/// A user to create.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name, unique among the users.
    pub username: String,
    /// The user's role.
    pub role: Role,
    /// The password, hashed.
    pub password_hash: Secret,
}

/// The fields of a user that a change sets. A field that is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct UserPatch {
    /// A new name.
    pub username: Option<String>,
    /// A new role.
    pub role: Option<Role>,
    /// Whether the user may not log in.
    pub disabled: Option<bool>,
    /// A new password.
    pub password: Option<NewPassword>,
}

/// A new password of a user.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// The password, hashed.
    pub hash: Secret,
    /// The hash against which the user's old password was verified; `None` if an admin or the
    /// console sets the new one, who need not know the old one.
    pub proved: Option<Secret>,
}

impl NewPassword {
    /// Rejects a new password if the user has got another one since the old one was verified.
    fn check_proof(&self, conn: &Connection, id: i64) -> Result<(), Reject> {
        let Some(proved) = &self.proved else { return Ok(()) };
        let sql = "SELECT 1 FROM users WHERE id = ? AND password_hash = ?";
        let mut statement = conn.prepare_cached(sql).map_err(failed)?;
        let holds = statement.exists((id, &proved.0)).map_err(failed)?;
        if holds { Ok(()) } else { Err(Reject::PreconditionFailed) }
    }
}

/// A change of one user.
#[derive(Clone, Debug)]
pub struct UserUpdate {
    /// The user's id.
    pub id: i64,
    /// The new values.
    pub patch: UserPatch,
    /// The versions of the user for which the change is allowed.
    pub precondition: Precondition,
    /// The session that a new password does not end.
    pub keep_session: Option<TokenHash>,
}

const COLUMNS: &str = "id, username, role, disabled, version, created_at, updated_at";

fn read(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: row.get(0)?,
        username: row.get(1)?,
        role: row.get(2)?,
        disabled: row.get(3)?,
        version: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}

/// The user with that id.
pub(super) fn get(conn: &Connection, id: i64) -> Result<User, Reject> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE id = ? AND device_name IS NULL");
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

/// The user and the hash that a login is verified against.
pub struct LoginCandidate {
    /// The user with that name.
    pub user: Option<User>,
    /// The hash of the user's password; if there is no such user, another user's hash as a decoy.
    pub password_hash: Secret,
}

/// Finds the user with that name. An unknown name gets one of the other users' hashes, always the
/// same one for the same `decoy`, so that verifying it takes as long as for a known name. `None` if
/// there is no user at all.
pub(super) fn find_or_decoy(
    conn: &Connection,
    username: &str,
    decoy: u32,
) -> Result<Option<LoginCandidate>, Reject> {
    if let Some((user, password_hash)) = find(conn, username)? {
        return Ok(Some(LoginCandidate { user: Some(user), password_hash }));
    }
    let sql = "
        SELECT password_hash FROM users WHERE device_name IS NULL ORDER BY id
        LIMIT 1 OFFSET ? % max(1, (SELECT count(*) FROM users WHERE device_name IS NULL))";
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let decoy = statement.query_row([decoy], |row| row.get(0)).optional().map_err(failed)?;
    Ok(decoy.map(|hash| LoginCandidate { user: None, password_hash: Secret(hash) }))
}

/// At most `limit` users, newest first; with `after`, only those with a lower id.
pub(super) fn list(
    conn: &Connection,
    after: Option<i64>,
    limit: usize,
) -> Result<Vec<User>, Reject> {
    let sql = format!(
        "SELECT {COLUMNS} FROM users WHERE id < ? AND device_name IS NULL ORDER BY id DESC LIMIT ?"
    );
    let mut statement = conn.prepare_cached(&sql).map_err(failed)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let users = statement.query_map((after.unwrap_or(i64::MAX), limit), read);
    users.and_then(Iterator::collect).map_err(failed)
}

/// Whether there is an admin who may log in. A shop that has one always has one.
pub(super) fn has_active_admin(conn: &Connection) -> Result<bool, Reject> {
    let sql = "SELECT 1 FROM users WHERE role = 'admin' AND NOT disabled";
    let exists = conn.prepare_cached(sql).and_then(|mut statement| statement.exists([]));
    exists.map_err(failed)
}

/// Creates a user.
pub(super) fn add(tx: &WriteTx<'_>, new: &NewUser, caller: Caller) -> Result<User, Reject> {
    let id = insert(tx, new)?;
    note(tx, id, Action::Create, caller)?;
    get(tx.conn, id)
}

/// Creates a user on the user's own behalf, from this address.
pub(super) fn add_by_itself(
    tx: &WriteTx<'_>,
    new: &NewUser,
    address: IpAddr,
) -> Result<User, Reject> {
    let id = insert(tx, new)?;
    note(tx, id, Action::Create, Actor { principal_id: Some(id), address: Some(address) })?;
    get(tx.conn, id)
}

fn insert(tx: &WriteTx<'_>, new: &NewUser) -> Result<i64, Reject> {
    let NewUser { username, role, password_hash } = new;
    let sql = "INSERT INTO users (username, role, password_hash, created_at, updated_at) VALUES (?, ?, ?, ?, ?)";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement
        .execute((username, role.name(), &password_hash.0, tx.now, tx.now))
        .map_err(|error| duplicate_name(&error))?;
    Ok(tx.conn.last_insert_rowid())
}

/// Changes a user. A new role, a new password or disabling ends the user's sessions; a new password
/// spares `keep_session`.
pub(super) fn update(
    tx: &mut WriteTx<'_>,
    update: &UserUpdate,
    caller: Caller,
) -> Result<User, Reject> {
    let UserUpdate { id, patch, precondition, keep_session } = update;
    let id = *id;
    let before = get(tx.conn, id)?;
    precondition.check(before.version)?;
    if let Some(password) = &patch.password {
        password.check_proof(tx.conn, id)?;
    }
    let after = save(tx, &before, patch)?;
    if after.disabled {
        session_table::revoke(tx, id, Revocation::UserDisabled, None)?;
    } else if after.role != before.role {
        session_table::revoke(tx, id, Revocation::RoleChanged, None)?;
    } else if patch.password.is_some() {
        session_table::revoke(tx, id, Revocation::PasswordChanged, *keep_session)?;
    }
    let fields = [
        ("username", after.username != before.username),
        ("role", after.role != before.role),
        ("disabled", after.disabled != before.disabled),
        ("password", patch.password.is_some()),
    ];
    let names = fields.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name);
    let names: Vec<_> = names.map(Cow::Borrowed).collect();
    if !names.is_empty() {
        note(tx, id, Action::Update(names), caller)?;
    }
    Ok(after)
}

fn save(tx: &WriteTx<'_>, before: &User, patch: &UserPatch) -> Result<User, Reject> {
    let after = User {
        username: patch.username.clone().unwrap_or_else(|| before.username.clone()),
        role: patch.role.unwrap_or(before.role),
        disabled: patch.disabled.unwrap_or(before.disabled),
        ..before.clone()
    };
    if after == *before && patch.password.is_none() {
        return Ok(after);
    }
    let sql = "
        UPDATE users SET username = ?, role = ?, disabled = ?, version = version + 1, updated_at = ?,
                         password_hash = coalesce(?, password_hash) WHERE id = ?";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    let hash = patch.password.as_ref().map(|password| &password.hash.0);
    let values = (&after.username, after.role.name(), after.disabled, tx.now, hash, before.id);
    statement.execute(values).map_err(|error| duplicate_name(&error))?;
    require_active_admin(tx.conn)?;
    get(tx.conn, before.id)
}

/// Stores another hash of the same password. That is not a visible change, so the version stays.
pub(super) fn replace_hash(
    tx: &WriteTx<'_>,
    id: i64,
    password_hash: &Secret,
) -> Result<(), Reject> {
    let sql = "UPDATE users SET password_hash = ? WHERE id = ?";
    let mut statement = tx.conn.prepare_cached(sql).map_err(failed)?;
    statement.execute((&password_hash.0, id)).map_err(failed)?;
    Ok(())
}

/// Removes a user with the user's sessions.
pub(super) fn remove(
    tx: &mut WriteTx<'_>,
    id: i64,
    precondition: &Precondition,
    caller: Caller,
) -> Result<(), Reject> {
    precondition.check(get(tx.conn, id)?.version)?;
    // The entry comes before the removal, because that of a user who removes itself needs the name.
    note(tx, id, Action::Delete, caller)?;
    session_table::revoke(tx, id, Revocation::UserDisabled, None)?;
    let mut statement = tx.conn.prepare_cached("DELETE FROM users WHERE id = ?").map_err(failed)?;
    statement.execute([id]).map_err(failed)?;
    require_active_admin(tx.conn)
}

/// Adds an entry about a user to the audit trail.
fn note(tx: &WriteTx<'_>, id: i64, action: Action, by: impl Into<Actor>) -> Result<(), Reject> {
    let note = AuditRecord { action, subject: AuditSubject::User, row_id: id, seqs: None };
    audit::note(tx, by, &note)
}

/// Refuses a change after which no active admin would be left.
fn require_active_admin(conn: &Connection) -> Result<(), Reject> {
    if has_active_admin(conn)? {
        return Ok(());
    }
    Err(Reject::conflict(Code::LastAdmin, "this is the last active admin; make another one first"))
}

fn duplicate_name(error: &rusqlite::Error) -> Reject {
    if let Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE) =
        error.sqlite_error().map(|error| error.extended_code)
    {
        Reject::conflict(Code::Duplicate, "a user with this name exists already")
    } else {
        tracing::error!(%error, "the database refused a user");
        Reject::Unavailable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::test_shop;

    fn hash(text: &str) -> Secret {
        Secret(text.to_owned())
    }

    /// While an intruder's change waits for its hash, an admin sets another password.
    #[test]
    fn a_password_changes_only_if_the_verified_one_is_still_current() {
        let conn = test_shop::new();
        let mut tx = test_shop::transaction(&conn);
        let id = test_shop::add_user(&tx, "ana", Role::Admin).id;
        let mut set = |proved: Option<&str>, new: &str| {
            let password = Some(NewPassword { hash: hash(new), proved: proved.map(hash) });
            let patch = UserPatch { password, ..UserPatch::default() };
            let precondition = Precondition::default();
            let change = UserUpdate { id, patch, precondition, keep_session: None };
            let done = update(&mut tx, &change, Caller::CONSOLE).map(drop);
            let revoked = tx.outbox.session_changes.len();
            (done, find(&conn, "ana").unwrap().unwrap().1.0, revoked)
        };
        assert_eq!(set(None, "from the admin"), (Ok(()), "from the admin".to_owned(), 1));
        let refused = Err(Reject::PreconditionFailed);
        assert_eq!(set(Some("hash"), "known"), (refused, "from the admin".to_owned(), 1));
        assert_eq!(set(Some("from the admin"), "own"), (Ok(()), "own".to_owned(), 2));
    }
}
