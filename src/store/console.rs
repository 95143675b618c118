//! The store for a command line program: no threads, one command at a time.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::domain::device::NewDevice;
use crate::domain::{Device, Precondition, Reject, Role, Secret, User};
use crate::limits::COMMAND_CACHE_KIB;
use crate::store::caller::Caller;
use crate::store::database;
use crate::store::devices;
use crate::store::error::OpenError;
use crate::store::events::{self, EventPage, EventRange};
use crate::store::file_mode;
use crate::store::group_commit;
use crate::store::readers::snapshot;
use crate::store::session::{SessionRoom, TokenHash};
use crate::store::setup;
use crate::store::users::{self, NewUser, UserPatch, UserUpdate};
use crate::store::write_tx::WriteTx;

/// The store for a command line program. It works while a server uses the same directory.
pub struct Console {
    conn: Connection,
    data_dir: PathBuf,
}

impl Console {
    /// Opens a data directory; creates it and its database if they are missing.
    pub fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let made = file_mode::create_dir(data_dir);
        made.map_err(|error| OpenError(format!("{}: {error}", data_dir.display())))?;
        Ok(Self {
            conn: database::open_writer(data_dir, COMMAND_CACHE_KIB)?,
            data_dir: data_dir.to_owned(),
        })
    }

    /// Opens an existing database for reading only.
    pub fn open_to_read(data_dir: &Path) -> Result<Self, OpenError> {
        Ok(Self {
            conn: database::open_reader(data_dir, COMMAND_CACHE_KIB)?,
            data_dir: data_dir.to_owned(),
        })
    }

    /// Whether there is an admin who may log in.
    pub fn has_active_admin(&self) -> Result<bool, Reject> {
        users::has_active_admin(&self.conn)
    }

    /// Adds the code of a link that makes the first admin; with `alone`, no earlier one works any more.
    pub fn add_setup_code(&self, code: TokenHash, alone: bool) -> Result<(), Reject> {
        let add = |tx: &mut WriteTx<'_>| setup::add(tx, code, alone);
        group_commit::run_single(&self.conn, &self.data_dir, add)
    }

    /// Creates a user.
    pub fn add_user(
        &self,
        username: &str,
        role: Role,
        password_hash: &Secret,
    ) -> Result<User, Reject> {
        let (username, password_hash) = (username.to_owned(), password_hash.clone());
        let new = NewUser { username, role, password_hash };
        let add = |tx: &mut WriteTx<'_>| users::add(tx, &new, Caller::CONSOLE);
        group_commit::run_single(&self.conn, &self.data_dir, add)
    }

    /// The user with that name.
    pub fn find_user(&self, username: &str) -> Result<User, Reject> {
        users::find(&self.conn, username)?.map(|found| found.0).ok_or(Reject::NotFound)
    }

    /// At most `limit` users, newest first; with `after`, only those with a lower id.
    pub fn users(&self, after: Option<i64>, limit: usize) -> Result<Vec<User>, Reject> {
        users::list(&self.conn, after, limit)
    }

    /// Changes a user and ends the sessions that the change invalidates.
    pub fn update_user(&self, id: i64, patch: &UserPatch) -> Result<User, Reject> {
        let update = UserUpdate {
            id,
            patch: patch.clone(),
            precondition: Precondition::default(),
            keep_session: None,
        };
        let update = |tx: &mut WriteTx<'_>| users::update(tx, &update, Caller::CONSOLE);
        group_commit::run_single(&self.conn, &self.data_dir, update)
    }

    /// Adds a device with the token that has this hash. A server that runs counts its session with the next one.
    pub fn add_device(&self, new: &NewDevice, token_hash: TokenHash) -> Result<Device, Reject> {
        let room = SessionRoom { capacity: usize::MAX, last_used: Box::new(|_| 0) };
        let add = |tx: &mut WriteTx<'_>| devices::add(tx, new, token_hash, &room, Caller::CONSOLE);
        let (device, _) = group_commit::run_single(&self.conn, &self.data_dir, add)?;
        Ok(device)
    }

    /// At most `limit` devices, newest first.
    pub fn devices(&self, limit: usize) -> Result<Vec<Device>, Reject> {
        devices::list(&self.conn, None, limit)
    }

    /// Removes a device with its token.
    pub fn remove_device(&self, id: i64) -> Result<(), Reject> {
        let any = Precondition::default();
        let remove = |tx: &mut WriteTx<'_>| devices::remove(tx, id, &any, Caller::CONSOLE);
        group_commit::run_single(&self.conn, &self.data_dir, remove)
    }

    /// A page of the event log.
    pub fn events(&self, range: EventRange) -> Result<EventPage, Reject> {
        snapshot(&self.conn, |conn| events::page(conn, range))
    }
}
