//! Principals: users and commands that read or change the shop.

use crate::domain::Role;

/// The user or command on whose behalf the store works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A user who is logged in.
    User {
        /// The user's id.
        id: i64,
        /// The user's role at the time of the request.
        role: Role,
    },
    /// A command on the machine itself, whose user can read the database file anyway.
    Console,
}

impl Principal {
    /// The role whose rights the principal has.
    pub fn role(self) -> Role {
        match self {
            Self::User { role, .. } => role,
            Self::Console => Role::Admin,
        }
    }

    /// The user's id, `None` for the console.
    pub fn user_id(self) -> Option<i64> {
        match self {
            Self::User { id, .. } => Some(id),
            Self::Console => None,
        }
    }
}
