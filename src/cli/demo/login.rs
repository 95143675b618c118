//! The users of the demo, one for each role.

use crate::auth::{one_time_password, password};
use crate::cli::terminal::explain;
use crate::config::Config;
use crate::domain::{Role, Secret};
use crate::store::Console;

/// A user, named after its role.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) role: Role,
    pub(super) password: Secret,
}

/// The login of the user with this role.
pub(super) fn of_role(logins: &[Login], role: Role) -> Result<&Login, String> {
    let found = logins.iter().find(|login| login.role == role);
    found.ok_or_else(|| format!("the demo has no user {}", role.name()))
}

/// Creates a user of each role in a new shop.
pub(super) fn create(config: &Config) -> Result<Vec<Login>, String> {
    let store = Console::open(&config.data_dir).map_err(|error| error.to_string())?;
    let user = |role: Role| {
        let no_randomness = || "the system gives no random bytes".to_owned();
        let password = one_time_password().ok_or_else(no_randomness)?;
        let hash = password::hash(&password, config.limits.hash).ok_or_else(no_randomness)?;
        store.add_user(role.name(), role, &hash).map_err(explain)?;
        Ok(Login { role, password })
    };
    Role::ALL.into_iter().map(user).collect()
}
