//! `tillcast user …`, which also works while the server runs.

use std::io::{self, IsTerminal};
use std::path::Path;

use crate::auth::{one_time_password, password};
use crate::cli::privileges::within;
use crate::cli::terminal::{explain, print};
use crate::domain::check::check_line;
use crate::domain::text::normalize;
use crate::domain::{Reject, Role, Secret, User};
use crate::limits::{HashCost, PAGE_MAX, USERNAME_CHARS_MAX};
use crate::store::{self, Console, NewPassword, UserPatch};

const NO_RANDOMNESS: &str = "the system gives no random bytes";

/// Adds a user, with a password from the terminal or standard input; creates the shop if there is none.
pub(super) fn add(data_dir: &Path, cost: HashCost, name: &str, role: &str) -> Result<(), String> {
    let name = &normalize(name.to_owned());
    check_line(name, 1, USERNAME_CHARS_MAX).map_err(|why| format!("the name {why}"))?;
    let role = Role::named(role).ok_or("there is no such role")?;
    let hash = read_password(cost)?;
    let text = within(data_dir, |data_dir| {
        let file = store::database_file(data_dir);
        let is_new = !file.exists();
        let user = open(data_dir)?.add_user(name, role, &hash).map_err(explain)?;
        let made = format!("new shop created: {}\n", file.display());
        let added = format!("user {} added, {}, id {}\n", user.username, user.role.name(), user.id);
        Ok(if is_new { made + &added } else { added })
    });
    print(&text?)
}

/// Prints all users, by id.
pub(super) fn list(data_dir: &Path) -> Result<(), String> {
    print(&within(data_dir, table)?)
}

fn table(data_dir: &Path) -> Result<String, String> {
    let store = open(data_dir)?;
    let mut users: Vec<User> = Vec::new();
    loop {
        let page = store.users(users.last().map(|user| user.id), PAGE_MAX).map_err(explain)?;
        if page.is_empty() {
            break;
        }
        users.extend(page);
    }
    let heading = format!("{:>6}  {:<8}  {:<8}  NAME\n", "ID", "ROLE", "STATE");
    let row = |User { id, username, role, disabled, .. }: &User| {
        let state = if *disabled { "disabled" } else { "active" };
        format!("{id:>6}  {:<8}  {state:<8}  {username}\n", role.name())
    };
    // The store lists the newest first.
    Ok([heading].into_iter().chain(users.iter().rev().map(row)).collect())
}

/// Sets a user's password and ends the user's sessions. A random one is printed after it is set, and
/// stored nowhere.
pub(super) fn passwd(
    data_dir: &Path,
    cost: HashCost,
    name: &str,
    random: bool,
) -> Result<(), String> {
    let made = random.then(|| one_time_password().ok_or(NO_RANDOMNESS)).transpose()?;
    let hash = match &made {
        Some(password) => password::hash(password, cost).ok_or(NO_RANDOMNESS)?,
        None => read_password(cost)?,
    };
    let password = Some(NewPassword { hash, proved: None });
    let patch = UserPatch { password, ..UserPatch::default() };
    let user = change(data_dir, name, &patch)?;
    let shown = made.map(|password| format!(": {}", password.0)).unwrap_or_default();
    print(&format!("password of {user} set{shown}; the user's sessions have ended\n"))
}

/// Refuses a user's logins and ends the user's sessions.
pub(super) fn disable(data_dir: &Path, name: &str) -> Result<(), String> {
    let user = set_disabled(data_dir, name, true)?;
    print(&format!("user {user} disabled; the user's sessions have ended\n"))
}

/// Lets a disabled user log in again.
pub(super) fn enable(data_dir: &Path, name: &str) -> Result<(), String> {
    let user = set_disabled(data_dir, name, false)?;
    print(&format!("user {user} enabled; the password is the old one\n"))
}

fn set_disabled(data_dir: &Path, name: &str, disabled: bool) -> Result<String, String> {
    change(data_dir, name, &UserPatch { disabled: Some(disabled), ..UserPatch::default() })
}

/// Changes a user; returns the name as it is stored.
fn change(data_dir: &Path, name: &str, patch: &UserPatch) -> Result<String, String> {
    within(data_dir, |data_dir| {
        let store = open(data_dir)?;
        let user = find(&store, name)?;
        store.update_user(user.id, patch).map(|user| user.username).map_err(explain)
    })
}

fn find(store: &Console, name: &str) -> Result<User, String> {
    store.find_user(&normalize(name.to_owned())).map_err(|reject| match reject {
        Reject::NotFound => format!("there is no user {name}; see `tillcast user list`"),
        other => explain(other),
    })
}

fn open(data_dir: &Path) -> Result<Console, String> {
    Console::open(data_dir).map_err(|error| error.to_string())
}

/// Reads a password and returns its hash. At a terminal it is read twice without echo, else it is one line.
fn read_password(cost: HashCost) -> Result<Secret, String> {
    let unreadable = |error: io::Error| format!("the password cannot be read: {error}");
    let text = if io::stdin().is_terminal() {
        let first = rpassword::prompt_password("password: ").map_err(unreadable)?;
        let second = rpassword::prompt_password("again: ").map_err(unreadable)?;
        if first != second {
            return Err("the two passwords differ".to_owned());
        }
        first
    } else {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map_err(unreadable)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    let password = Secret(normalize(text));
    password::check(&password).map_err(|why| format!("the password {why}"))?;
    password::hash(&password, cost).ok_or_else(|| NO_RANDOMNESS.to_owned())
}
