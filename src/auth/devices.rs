//! Adding devices, and removing one whose browser forgets it. Each has one session, by a token that is new or that
//! it has already.

use std::time::Instant;

use crate::auth::{Auth, ClientAddr, token};
use crate::domain::device::NewDevice;
use crate::domain::{Precondition, Principal, Reject, Secret};
use crate::store::{Action, Caller, IdempotencyKey, StoredResponse, TokenHash};

impl Auth {
    /// Adds a device; returns the response, and the token unless the response is that to an earlier request with
    /// this key. Only the token's hash is stored, so it can be told just once.
    pub async fn add_device(
        &self,
        caller: Caller,
        new: NewDevice,
        key: Option<IdempotencyKey>,
    ) -> Result<(StoredResponse, Option<Secret>), Reject> {
        let token = token::generate().ok_or(Reject::Unavailable)?;
        let (response, is_new) =
            self.add_device_with(caller, new, token::hash(&token), key).await?;
        Ok((response, is_new.then_some(token)))
    }

    /// Adds a device with the token that has this hash; returns the response, and whether it is a new one.
    pub(super) async fn add_device_with(
        &self,
        caller: Caller,
        new: NewDevice,
        token_hash: TokenHash,
        key: Option<IdempotencyKey>,
    ) -> Result<(StoredResponse, bool), Reject> {
        let room = self.sessions.room();
        let added = self.store.create_device(caller, new, token_hash, room, key).await?;
        for owner in added.displaced {
            self.journal.note(Action::Displace, owner, caller.into(), Instant::now());
        }
        Ok((added.response, added.is_new))
    }

    /// Ends sessions that a browser is about to forget, because its cookie gets another token. A device goes with its
    /// session: without the token it could never come back.
    pub(super) async fn end_sessions(
        &self,
        from: ClientAddr,
        sessions: Vec<TokenHash>,
    ) -> Result<(), Reject> {
        for session in sessions.iter().filter_map(|hash| self.sessions.find(hash).ok()) {
            if let Principal::Device { id, .. } = session.principal {
                let caller = self.caller(&session, from.address)?;
                self.store.remove_device(caller, id, Precondition::default()).await?;
            } else {
                self.store.remove_sessions(vec![session.token_hash]).await?;
            }
        }
        Ok(())
    }
}
