//! What the handle does with users and their sessions.

use crate::domain::{Reject, Role, Secret};
use crate::store::audit::Caller;
use crate::store::handle::Store;
use crate::store::idempotency::{self, IdempotencyKey, StoredResponse};
use crate::store::sessions::{self, TokenHash};
use crate::store::users::{self, LoginCandidate, User, UserPatch};

impl Store {
    /// Against what a login with that name is checked; none where there is no user at all.
    pub async fn login_candidate(
        &self,
        username: String,
        pick: u32,
    ) -> Result<Option<LoginCandidate>, Reject> {
        self.read(move |conn| users::find_or_other(conn, &username, pick)).await
    }

    /// The user with that id.
    pub async fn user(&self, id: i64) -> Result<User, Reject> {
        self.read(move |conn| users::get(conn, id)).await
    }

    /// Users, newest first.
    pub async fn users(&self, after: Option<i64>, limit: usize) -> Result<Vec<User>, Reject> {
        self.read(move |conn| users::list(conn, after, limit)).await
    }

    /// Makes a user, or gives the first answer again; `show` tells how a user looks as JSON.
    pub async fn create_user(
        &self,
        (username, role, password_hash): (String, Role, Secret),
        repeat: Option<IdempotencyKey>,
        show: fn(&User) -> String,
        caller: Caller,
    ) -> Result<StoredResponse, Reject> {
        self.check_disk_space()?;
        self.write(move |tx| {
            idempotency::run_once(tx, repeat.as_ref(), |tx| {
                let user = users::add(tx, (&username, role, &password_hash), Some(caller))?;
                Ok(StoredResponse {
                    location: format!("/api/users/{}", user.id),
                    etag: format!("\"{}\"", user.version),
                    body: show(&user),
                })
            })
        })
        .await
    }

    /// Changes a user. A new role, a new password or disabling ends the user's sessions but
    /// `keep`, in the same transaction; `then` is told of the user before and after in it, too.
    pub async fn update_user(
        &self,
        id: i64,
        patch: UserPatch,
        if_match: Option<Vec<i64>>,
        (keep, then): (Option<TokenHash>, impl Fn(&User, &User) + Send + 'static),
        caller: Caller,
    ) -> Result<User, Reject> {
        self.write(move |tx| {
            users::check_version(tx.conn, id, if_match.as_ref())?;
            let before = users::get(tx.conn, id)?;
            let after = users::change(tx, &before, &patch, keep.as_ref(), Some(caller))?;
            then(&before, &after);
            Ok(after)
        })
        .await
    }

    /// Removes a user with the user's sessions, and calls `then` in the same transaction.
    pub async fn remove_user(
        &self,
        id: i64,
        if_match: Option<Vec<i64>>,
        then: impl Fn() + Send + 'static,
        caller: Caller,
    ) -> Result<(), Reject> {
        self.write(move |tx| {
            users::check_version(tx.conn, id, if_match.as_ref())?;
            users::remove(tx, id, Some(caller)).map(|()| then())
        })
        .await
    }

    /// Keeps a new session, if the user may log in and has this password hash still; calls `add`
    /// in the same transaction, and forgets the sessions that it returns. A renewed hash of the same
    /// password takes the old one's place and ends nothing.
    pub async fn add_session(
        &self,
        token_hash: TokenHash,
        username: String,
        (password_hash, renewed): (Secret, Option<Secret>),
        add: impl Fn(&User) -> Vec<TokenHash> + Send + 'static,
    ) -> Result<Option<User>, Reject> {
        let mut ended = None;
        self.write(move |tx| {
            let found = users::find(tx.conn, &username)?;
            let same = found.filter(|(user, hash)| !user.disabled && *hash == password_hash);
            let Some((user, _)) = same else { return Ok(None) };
            if let Some(renewed) = &renewed {
                users::renew(tx, user.id, renewed)?;
            }
            sessions::add(tx, &token_hash, user.id)?;
            sessions::remove(tx, ended.get_or_insert_with(|| add(&user)))?;
            Ok(Some(user))
        })
        .await
    }

    /// Forgets sessions, and calls `then` in the same transaction.
    pub async fn remove_sessions(
        &self,
        token_hashes: Vec<TokenHash>,
        then: impl Fn() + Send + 'static,
    ) -> Result<(), Reject> {
        self.write(move |tx| sessions::remove(tx, &token_hashes).map(|()| then())).await
    }

    /// Writes down how many milliseconds ago sessions were used.
    pub async fn touch_sessions(&self, used: Vec<(TokenHash, i64)>) -> Result<(), Reject> {
        self.write(move |tx| sessions::touch(tx, &used)).await
    }
}
