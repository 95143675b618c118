//! The rows of a login: its session, and the client from which it came.

use crate::domain::{Principal, Reject, User};
use crate::store::known_clients;
use crate::store::session::{LoggedIn, NewSession, SessionRoom};
use crate::store::session_table;
use crate::store::write_tx::WriteTx;

/// Stores the session of a user who may log in.
pub(super) fn log_in(
    tx: &mut WriteTx<'_>,
    user: User,
    new: &NewSession,
    room: &SessionRoom,
) -> Result<LoggedIn, Reject> {
    let principal = Principal::User { id: user.id, role: user.role };
    let displaced = session_table::open(tx, principal, new.token_hash, &new.replaced, room)?;
    known_clients::note(tx, user.id, &new.client, new.browser_token)?;
    Ok(LoggedIn { user, displaced })
}
