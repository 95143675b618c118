//! Principals: on whose behalf a change is made or something is read.

use crate::domain::Role;

/// The one on whose behalf a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A user who is logged in.
    User {
        /// The user's id.
        id: i64,
        /// The user's role at the time of the request.
        role: Role,
    },
    /// A command on the machine itself, by somebody who may read the database anyway.
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
