//! The handle's functions for users, devices and their sessions.

use std::net::IpAddr;

use crate::domain::device::{DevicePatch, NewDevice, Sockets};
use crate::domain::{Device, Precondition, Reject, ShopPatch, User};
use crate::store::audit;
use crate::store::audit_record::{AuditRecord, AuditSubject};
use crate::store::caller::{Actor, Caller};
use crate::store::clock::clock;
use crate::store::devices::{self, AddedDevice};
use crate::store::handle::Store;
use crate::store::idempotency::{self, IdempotencyKey, StoredResponse};
use crate::store::known_clients::{self, KnownClient};
use crate::store::session::{
    LoggedIn, LoginClient, NewSession, SessionRoom, SessionUse, TokenHash,
};
use crate::store::setup::{self, SetupCode};
use crate::store::users::{self, LoginCandidate, NewUser, UserUpdate};
use crate::store::write_tx::WriteTx;
use crate::store::{logins, session_table};

impl Store {
    /// Returns the user of that name and the password hash to verify the login against; `None` if
    /// the shop has no user at all.
    pub async fn login_candidate(
        &self,
        username: String,
        decoy: u32,
    ) -> Result<Option<LoginCandidate>, Reject> {
        self.read(move |conn| users::find_or_decoy(conn, &username, decoy)).await
    }

    /// The user with that id.
    pub async fn user(&self, id: i64) -> Result<User, Reject> {
        self.read(move |conn| users::get(conn, id)).await
    }

    /// At most `limit` users, newest first; with `after`, only those with a lower id.
    pub async fn users(&self, after: Option<i64>, limit: usize) -> Result<Vec<User>, Reject> {
        self.read(move |conn| users::list(conn, after, limit)).await
    }

    /// Creates a user, or returns the stored response if `key` was used before.
    pub async fn create_user(
        &self,
        caller: Caller,
        new: NewUser,
        key: Option<IdempotencyKey>,
    ) -> Result<StoredResponse, Reject> {
        self.check_disk_space()?;
        self.write_for(caller, move |tx| {
            idempotency::run_once(tx, key.as_ref(), AuditSubject::User, |tx| {
                let user = users::add(tx, &new, caller)?;
                Ok(StoredResponse { id: user.id, version: user.version, body: user.json() })
            })
        })
        .await
    }

    /// Changes a user and returns the new state. The sessions that the change invalidates have
    /// ended when this returns, even if the caller stops waiting.
    pub async fn update_user(&self, caller: Caller, update: UserUpdate) -> Result<User, Reject> {
        self.write_for(caller, move |tx| users::update(tx, &update, caller)).await
    }

    /// Removes a user and the user's sessions. `precondition` names the versions of the user for
    /// which this is allowed.
    pub async fn remove_user(
        &self,
        caller: Caller,
        id: i64,
        precondition: Precondition,
    ) -> Result<(), Reject> {
        self.write_for(caller, move |tx| users::remove(tx, id, &precondition, caller)).await
    }

    /// The device with that id.
    pub async fn device(&self, id: i64) -> Result<Device, Reject> {
        self.read(move |conn| devices::get(conn, id)).await
    }

    /// At most `limit` devices, newest first; with `after`, only those with a lower id.
    pub async fn devices(&self, after: Option<i64>, limit: usize) -> Result<Vec<Device>, Reject> {
        self.read(move |conn| devices::list(conn, after, limit)).await
    }

    /// Adds a device with the token that has this hash, or returns the stored response if `key` was used before.
    /// When this returns, the token is valid, and sessions have ended for which there is no more room.
    pub async fn create_device(
        &self,
        caller: Caller,
        new: NewDevice,
        token_hash: TokenHash,
        room: SessionRoom,
        key: Option<IdempotencyKey>,
    ) -> Result<AddedDevice, Reject> {
        self.check_disk_space()?;
        self.write_for(caller, move |tx| {
            let (mut is_new, mut displaced) = (false, Vec::new());
            let response = idempotency::run_once(tx, key.as_ref(), AuditSubject::Device, |tx| {
                let (device, owners) = devices::add(tx, &new, token_hash, &room, caller)?;
                (is_new, displaced) = (true, owners);
                let body = device.json(Sockets::default());
                Ok(StoredResponse { id: device.id, version: device.version, body })
            })?;
            Ok(AddedDevice { response, is_new, displaced })
        })
        .await
    }

    /// Changes a device and returns the new state. Its sockets have ended when this returns, if it has another
    /// role.
    pub async fn update_device(
        &self,
        caller: Caller,
        id: i64,
        patch: DevicePatch,
        precondition: Precondition,
    ) -> Result<Device, Reject> {
        self.write_for(caller, move |tx| devices::update(tx, id, &patch, &precondition, caller))
            .await
    }

    /// Removes a device. Its token is no longer valid when this returns.
    pub async fn remove_device(
        &self,
        caller: Caller,
        id: i64,
        precondition: Precondition,
    ) -> Result<(), Reject> {
        self.write_for(caller, move |tx| devices::remove(tx, id, &precondition, caller)).await
    }

    /// How a client is known as that user's.
    pub async fn known_client(
        &self,
        username: String,
        client: LoginClient,
    ) -> Result<KnownClient, Reject> {
        self.read(move |conn| known_clients::find(conn, &username, &client)).await
    }

    /// Stores a new session. Returns `None` if the user may not log in, or has another password hash
    /// by now. When this returns, the session is valid, and those have ended for which there is no
    /// more room.
    pub async fn add_session(
        &self,
        new: NewSession,
        room: SessionRoom,
    ) -> Result<Option<LoggedIn>, Reject> {
        self.write(move |tx| {
            let found = users::find(tx.conn, &new.username)?;
            let same = found.filter(|(user, hash)| !user.disabled && *hash == new.password_hash);
            let Some((user, _)) = same else { return Ok(None) };
            if let Some(renewed) = &new.renewed_hash {
                users::replace_hash(tx, user.id, renewed)?;
            }
            logins::log_in(tx, user, &new, &room).map(Some)
        })
        .await
    }

    /// The worth of the setup code with this hash by now.
    pub async fn setup_code(&self, code: TokenHash) -> Result<SetupCode, Reject> {
        self.read(move |conn| setup::check(conn, code, clock())).await
    }

    /// Makes the first admin, who comes from this address, with a session, and sets the shop. `None` if the code is
    /// not valid any more: it makes one admin.
    pub async fn set_up(
        &self,
        code: TokenHash,
        session: NewSession,
        room: SessionRoom,
        shop: ShopPatch,
        address: IpAddr,
    ) -> Result<Option<LoggedIn>, Reject> {
        self.check_disk_space()?;
        self.write(move |tx| setup::set_up(tx, code, &session, &room, &shop, address)).await
    }

    /// Removes sessions. They have ended when this returns, even if the caller stops waiting.
    pub async fn remove_sessions(&self, token_hashes: Vec<TokenHash>) -> Result<(), Reject> {
        self.write(move |tx| session_table::remove(tx, &token_hashes)).await
    }

    /// Adds entries to the audit trail, about what changes no row.
    pub async fn note(&self, entries: Vec<(Actor, AuditRecord)>) -> Result<(), Reject> {
        let note = move |tx: &mut WriteTx<'_>| {
            entries.iter().try_for_each(|(actor, record)| audit::note(tx, *actor, record))
        };
        self.write(note).await
    }

    /// Records when sessions were last used.
    pub async fn touch_sessions(&self, used: Vec<SessionUse>) -> Result<(), Reject> {
        self.write(move |tx| session_table::touch(tx, &used)).await
    }
}
