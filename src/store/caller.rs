//! On whose behalf the store works: a caller with a right to change the shop, and the actor of an audit entry,
//! who may be a stranger without any right.

use std::net::IpAddr;

use crate::domain::Principal;
use crate::store::session::Credential;

/// The principal that makes a change, and its address.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The principal.
    pub principal: Principal,
    /// The client's address; `None` for a command on the machine itself.
    pub address: Option<IpAddr>,
    /// The session of the principal; `None` for the console.
    pub credential: Option<Credential>,
}

impl Caller {
    /// A command on the machine itself.
    pub const CONSOLE: Self =
        Self { principal: Principal::Console, address: None, credential: None };
}

/// Whoever did what an entry of the audit trail tells.
#[derive(Clone, Copy, Debug)]
pub struct Actor {
    /// The id of the user or device; `None` for the console, and for a client that is not logged in.
    pub principal_id: Option<i64>,
    /// The client's address; `None` for the console.
    pub address: Option<IpAddr>,
}

impl From<Caller> for Actor {
    fn from(caller: Caller) -> Self {
        Self { principal_id: caller.principal.id(), address: caller.address }
    }
}
