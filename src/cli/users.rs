//! `tillcast user …`: also while the server runs.

use std::io::{self, IsTerminal};
use std::path::Path;

use crate::auth::{one_time_password, password};
use crate::cli::terminal::{explain, print};
use crate::domain::check::check_line;
use crate::domain::{Role, Secret};
use crate::limits::{HashCost, PAGE_MAX, USERNAME_CHARS_MAX};
use crate::store::{Console, UserPatch};

const NO_RANDOMNESS: &str = "the system gives no random bytes";

/// Makes a user, with a password from the terminal or standard input.
pub(super) fn add(data_dir: &Path, cost: HashCost, name: &str, role: &str) -> Result<(), String> {
    check_line(name, 1, USERNAME_CHARS_MAX).map_err(|why| format!("the name {why}"))?;
    let role = Role::named(role).ok_or("there is no such role")?;
    let hash = read_password(cost)?;
    let user = open(data_dir)?.add_user(name, role, &hash).map_err(explain)?;
    print(&format!("user {} made, {}, id {}\n", user.username, user.role.name(), user.id))
}

/// Prints all users, newest first.
pub(super) fn list(data_dir: &Path) -> Result<(), String> {
    let store = open(data_dir)?;
    let mut after = None;
    loop {
        let users = store.users(after, PAGE_MAX).map_err(explain)?;
        for user in &users {
            let state = if user.disabled { "disabled" } else { "active" };
            print(&format!(
                "{:>6}  {:<8} {state:<8} {}\n",
                user.id,
                user.role.name(),
                user.username
            ))?;
        }
        match users.last() {
            Some(last) => after = Some(last.id),
            None => return Ok(()),
        }
    }
}

/// Sets a user's password and ends the user's sessions. A random one is printed once it holds, and is
/// written down nowhere.
pub(super) fn passwd(
    data_dir: &Path,
    cost: HashCost,
    name: &str,
    random: bool,
) -> Result<(), String> {
    let store = open(data_dir)?;
    let user = store.find_user(name).map_err(|_| no_such_user(name))?;
    let made = random.then(|| one_time_password().ok_or(NO_RANDOMNESS)).transpose()?;
    let hash = match &made {
        Some(password) => password::hash(password, cost).ok_or(NO_RANDOMNESS)?,
        None => read_password(cost)?,
    };
    let patch = UserPatch { password_hash: Some(hash), ..UserPatch::default() };
    store.update_user(user.id, &patch).map_err(explain)?;
    let shown = made.map(|password| format!(": {}", password.0)).unwrap_or_default();
    print(&format!("password of {} set{shown}; the user's sessions have ended\n", user.username))
}

/// Keeps a user from logging in and ends the user's sessions.
pub(super) fn disable(data_dir: &Path, name: &str) -> Result<(), String> {
    let store = open(data_dir)?;
    let user = store.find_user(name).map_err(|_| no_such_user(name))?;
    let patch = UserPatch { disabled: Some(true), ..UserPatch::default() };
    store.update_user(user.id, &patch).map_err(explain)?;
    print(&format!("user {} disabled; the user's sessions have ended\n", user.username))
}

fn open(data_dir: &Path) -> Result<Console, String> {
    Console::open(data_dir).map_err(|error| error.to_string())
}

fn no_such_user(name: &str) -> String {
    format!("there is no user {name}; see tillcast user list")
}

/// Reads a password, twice at a terminal and without echo, else one line; returns its hash.
fn read_password(cost: HashCost) -> Result<Secret, String> {
    let unreadable = |error: io::Error| format!("the password cannot be read: {error}");
    let text = if io::stdin().is_terminal() {
        let first = rpassword::prompt_password("password: ").map_err(unreadable)?;
        let second = rpassword::prompt_password("again: ").map_err(unreadable)?;
        if first != second {
            return Err("the two are not the same".to_owned());
        }
        first
    } else {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map_err(unreadable)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    let password = Secret(text);
    password::check(&password).map_err(|why| format!("the password {why}"))?;
    password::hash(&password, cost).ok_or_else(|| NO_RANDOMNESS.to_owned())
}
