//! Principals: users, devices and commands that read or change the shop.

use crate::domain::Role;

/// The user, device or command on whose behalf the store works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A user who is logged in.
    User {
        /// The user's id.
        id: i64,
        /// The user's role at the time of the request.
        role: Role,
    },
    /// A device that has a token.
    Device {
        /// The device's id, which no user has.
        id: i64,
        /// The device's role at the time of the request, never `Admin`.
        role: Role,
    },
    /// A command on the machine itself, whose user can read the database file anyway.
    Console,
}

impl Principal {
    /// The role whose rights the principal has.
    pub fn role(self) -> Role {
        match self {
            Self::User { role, .. } | Self::Device { role, .. } => role,
            Self::Console => Role::Admin,
        }
    }

    /// The id of the user or device, which no other has; `None` for the console.
    pub fn id(self) -> Option<i64> {
        match self {
            Self::User { id, .. } | Self::Device { id, .. } => Some(id),
            Self::Console => None,
        }
    }

    /// The id under which a principal that sees only its own orders owns them; `None` for one that sees all.
    pub fn own_orders(self) -> Option<i64> {
        self.id().filter(|_| self.role().sees_only_own_orders())
    }

    /// The user's id; `None` for a device and for the console.
    pub fn user_id(self) -> Option<i64> {
        match self {
            Self::User { id, .. } => Some(id),
            Self::Device { .. } | Self::Console => None,
        }
    }

    /// Whether it is a device.
    pub fn is_device(self) -> bool {
        matches!(self, Self::Device { .. })
    }
}
