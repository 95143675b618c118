//! What the program can do: the commands, their operands and their own flags.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::config::values::{choice, host, integer, number, path, text};

/// What the program is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Serve until a signal comes.
    Serve,
    /// Serve a temporary shop in which things happen by themselves.
    Demo {
        /// Actions a second, 0.1 to 1000.
        rate: f64,
    },
    /// Add a user, with a password from the terminal or standard input.
    UserAdd {
        /// The new user's name, not empty.
        name: String,
        /// `admin`, `staff`, `kiosk` or `display`.
        role: String,
    },
    /// List the users.
    UserList,
    /// Give a user another password.
    UserPasswd {
        /// The user's name, not empty.
        name: String,
        /// Make one and print it, instead of reading one.
        random: bool,
    },
    /// Keep a user out from now on.
    UserDisable {
        /// The user's name, not empty.
        name: String,
    },
    /// Copy the database while the server runs.
    Backup {
        /// The copy, not empty.
        file: PathBuf,
    },
    /// Put a backup in the place of the database.
    Restore {
        /// The backup, not empty.
        file: PathBuf,
    },
    /// Check a data directory.
    Check,
    /// Look at all that the shop stands on.
    Doctor,
    /// Make a certificate for the server, and an authority that signs it where there is none.
    Cert {
        /// Where to; none is `tls` in the data directory.
        dir: Option<PathBuf>,
        /// Names and addresses beside those of this machine.
        names: Vec<String>,
    },
    /// Print the event log.
    Events {
        /// Wait for new events instead of ending.
        follow: bool,
        /// Print the events after this `seq`.
        since: u64,
    },
    /// Announce a server that runs, until standard input ends.
    Announce {
        /// It speaks TLS.
        secure: bool,
    },
    /// Print every bound and its memory.
    Limits,
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// Reads one value into the command, or says what would be right.
pub(super) type Set = fn(&mut Command, &OsStr) -> Result<(), String>;

/// One row of the table of commands.
pub(super) struct CommandSpec {
    pub(super) words: &'static str,
    /// What stands for its operand in the help, and how that is read.
    pub(super) operand: Option<(&'static str, Set)>,
    pub(super) reason: &'static str,
    /// The command with the defaults of its flags.
    pub(super) start: fn() -> Command,
}

/// A flag that only one command has.
pub(super) struct CommandFlag {
    pub(super) flag: &'static str,
    /// What stands for the value in the help; empty where the flag alone says it.
    pub(super) value: &'static str,
    pub(super) required: bool,
    /// May be given several times.
    pub(super) many: bool,
    /// The words of its command.
    pub(super) command: &'static str,
    pub(super) set: Set,
}

const NAME: Option<(&str, Set)> = Some(("NAME", |command, value| {
    use Command::{UserAdd, UserDisable, UserPasswd};
    if let UserAdd { name, .. } | UserPasswd { name, .. } | UserDisable { name } = command {
        text(value)?.clone_into(name);
    }
    Ok(())
}));

const FILE: Option<(&str, Set)> = Some(("FILE", |command, value| {
    if let Command::Backup { file } | Command::Restore { file } = command {
        *file = path(value)?;
    }
    Ok(())
}));

const ROLES: &[(&str, &str)] =
    &[("admin", "admin"), ("staff", "staff"), ("kiosk", "kiosk"), ("display", "display")];

/// The first one is what is meant where no command is named.
pub(super) static COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        words: "serve",
        operand: None,
        reason: "Serve until SIGTERM or SIGINT; the command when none is named.",
        start: || Command::Serve,
    },
    CommandSpec {
        words: "demo",
        operand: None,
        reason: "Serve a shop in a temporary folder, without TLS and whatever --data-dir says, in which N things a \
                 second happen by themselves, 0.1 to 1000, by default 5.",
        start: || Command::Demo { rate: 5.0 },
    },
    CommandSpec {
        words: "user add",
        operand: NAME,
        reason: "Add a user who is admin, staff, kiosk or display; the password is read from the \
                 terminal or standard input.",
        start: || Command::UserAdd { name: String::new(), role: String::new() },
    },
    CommandSpec {
        words: "user list",
        operand: None,
        reason: "List the users.",
        start: || Command::UserList,
    },
    CommandSpec {
        words: "user passwd",
        operand: NAME,
        reason: "Give a user another password, read like that of a new one; --random makes one and \
                 prints it, this once.",
        start: || Command::UserPasswd { name: String::new(), random: false },
    },
    CommandSpec {
        words: "user disable",
        operand: NAME,
        reason: "End a user's sessions and let no new one begin.",
        start: || Command::UserDisable { name: String::new() },
    },
    CommandSpec {
        words: "backup",
        operand: FILE,
        reason: "Copy the database, consistent even while the server runs; into a folder, one a day, and \
                 --backup-keep of them stay.",
        start: || Command::Backup { file: PathBuf::new() },
    },
    CommandSpec {
        words: "restore",
        operand: FILE,
        reason: "Put a backup in the place of the database, which is kept under another name; the \
                 server must be stopped.",
        start: || Command::Restore { file: PathBuf::new() },
    },
    CommandSpec {
        words: "check",
        operand: None,
        reason: "Check that a data directory is whole.",
        start: || Command::Check,
    },
    CommandSpec {
        words: "doctor",
        operand: None,
        reason: "Look at clock, disk, card, permissions, database, port, certificate and backups, and say \
                 what to do; changes nothing, and the server may run.",
        start: || Command::Doctor,
    },
    CommandSpec {
        words: "cert",
        operand: None,
        reason: "Make a certificate for this machine's names and addresses, and for each NAME, in \
                 DIR, by default tls in the data directory; the authority that signs it is made \
                 once, and the tills import that.",
        start: || Command::Cert { dir: None, names: Vec::new() },
    },
    CommandSpec {
        words: "events",
        operand: None,
        reason: "Print the events after SEQ (by default all that are kept), one JSON object a \
                 line; --follow waits for more.",
        start: || Command::Events { follow: false, since: 0 },
    },
    CommandSpec {
        words: "announce",
        operand: None,
        reason: "Announce a server at --listen as --mdns, until standard input ends; --secure says that it \
                 speaks TLS. serve --mdns starts this by itself.",
        start: || Command::Announce { secure: false },
    },
    CommandSpec {
        words: "limits",
        operand: None,
        reason: "Print every bound, and the memory that all of them together can take.",
        start: || Command::Limits,
    },
];

pub(super) static COMMAND_FLAGS: &[CommandFlag] = &[
    CommandFlag {
        flag: "rate",
        value: "N",
        required: false,
        many: false,
        command: "demo",
        set: |command, value| {
            if let Command::Demo { rate } = command {
                *rate = number("a number", value, 0.1..=1000.0)?;
            }
            Ok(())
        },
    },
    CommandFlag {
        flag: "role",
        value: "ROLE",
        required: true,
        many: false,
        command: "user add",
        set: |command, value| {
            if let Command::UserAdd { role, .. } = command {
                choice(value, ROLES)?.clone_into(role);
            }
            Ok(())
        },
    },
    CommandFlag {
        flag: "random",
        value: "",
        required: false,
        many: false,
        command: "user passwd",
        set: |command, _| {
            if let Command::UserPasswd { random, .. } = command {
                *random = true;
            }
            Ok(())
        },
    },
    CommandFlag {
        flag: "dir",
        value: "DIR",
        required: false,
        many: false,
        command: "cert",
        set: |command, value| {
            if let Command::Cert { dir, .. } = command {
                *dir = Some(path(value)?);
            }
            Ok(())
        },
    },
    CommandFlag {
        flag: "name",
        value: "NAME",
        required: false,
        many: true,
        command: "cert",
        set: |command, value| {
            if let Command::Cert { names, .. } = command {
                names.push(host(value)?);
            }
            Ok(())
        },
    },
    CommandFlag {
        flag: "secure",
        value: "",
        required: false,
        many: false,
        command: "announce",
        set: |command, _| {
            if let Command::Announce { secure } = command {
                *secure = true;
            }
            Ok(())
        },
    },
    CommandFlag {
        flag: "follow",
        value: "",
        required: false,
        many: false,
        command: "events",
        set: |command, _| {
            if let Command::Events { follow, .. } = command {
                *follow = true;
            }
            Ok(())
        },
    },
    CommandFlag {
        flag: "since",
        value: "SEQ",
        required: false,
        many: false,
        command: "events",
        set: |command, value| {
            if let Command::Events { since, .. } = command {
                *since = integer(value, 0..=i64::MAX.cast_unsigned())?;
            }
            Ok(())
        },
    },
];

impl CommandSpec {
    /// The flags that only this command has.
    pub(super) fn flags(&self) -> impl Iterator<Item = &'static CommandFlag> {
        COMMAND_FLAGS.iter().filter(|flag| flag.command == self.words)
    }
}
