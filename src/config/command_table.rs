//! Every command: its words, its operand, its flags, the settings it reads, and what help says about it.

use std::path::PathBuf;

use crate::config::command::Command;
use crate::config::command_flags::{COMMAND_FLAGS, CommandFlag, Set};
use crate::config::values::{path, text};

/// One row of the table, from which parser, help pages and manual page are made.
pub(super) struct CommandSpec {
    pub(super) words: &'static str,
    /// The placeholder and the reader of its operand.
    pub(super) operand: Option<(&'static str, Set)>,
    /// One line for the list of commands.
    pub(super) summary: &'static str,
    /// An addition to the command's own page; may be empty.
    pub(super) details: &'static str,
    /// The flags of the settings that it reads; `None` for all of them.
    pub(super) settings: Option<&'static [&'static str]>,
    /// The command with the defaults of its flags.
    pub(super) start: fn() -> Command,
}

/// The settings of a command that only needs to find the database.
const DATABASE: Option<&[&str]> = Some(&["data-dir", "config"]);
/// The settings of a command that hashes a password.
const PASSWORD: Option<&[&str]> = Some(&["data-dir", "profile", "config"]);

const NAME: Option<(&str, Set)> = Some(("NAME", |command, value| {
    use Command::{DeviceAdd, UserAdd, UserDisable, UserEnable, UserPasswd};
    if let UserAdd { name, .. }
    | DeviceAdd { name, .. }
    | UserPasswd { name, .. }
    | UserDisable { name }
    | UserEnable { name } = command
    {
        text(value)?.clone_into(name);
    }
    Ok(())
}));

const DEVICE: Option<(&str, Set)> = Some(("DEVICE", |command, value| {
    if let Command::DeviceRemove { device } = command {
        text(value)?.clone_into(device);
    }
    Ok(())
}));

const FILE: Option<(&str, Set)> = Some(("FILE", |command, value| {
    if let Command::Backup { file } | Command::Restore { file } = command {
        *file = path(value)?;
    }
    Ok(())
}));

/// All commands; the first one runs when none is named.
pub(super) static COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        words: "serve",
        operand: None,
        summary: "Serve the shop. This is the command when none is named.",
        details: "While the shop has no admin, each start prints a link: whoever opens it within a day becomes \
                  the admin and sets up the shop. \
                  SIGTERM and SIGINT stop the server after its clients have left. SIGHUP makes it read the \
                  log level, the certificate and its key again; other settings that have changed are named \
                  in the log and need a restart.",
        settings: None,
        start: || Command::Serve,
    },
    CommandSpec {
        words: "demo",
        operand: None,
        summary: "Serve a temporary shop with simulated sales.",
        details: "The shop is in a temporary folder, which is removed when the demo ends. It speaks plain \
                  HTTP. The demo prints a user of each role, a device's token and commands to try.",
        settings: Some(&[
            "listen",
            "session-idle",
            "session-max",
            "device-max",
            "profile",
            "max-connections",
            "max-connections-per-address",
            "max-connections-per-user",
            "connect-rate",
            "allow-origin",
            "trusted-proxy",
            "drain",
            "event-retention",
            "event-retention-count",
            "audit-retention",
            "kiosk-order-expiry",
            "tax",
            "log-level",
            "log-format",
            "workers",
            "config",
        ]),
        start: || Command::Demo { rate: 5.0 },
    },
    CommandSpec {
        words: "setup",
        operand: None,
        summary: "Print a link by which somebody sets up the shop and becomes its first admin.",
        details: "The link works once, for a day, and earlier ones work no more. It is refused when the shop has \
                  an admin. It works while the server runs. In a data directory without a shop it creates one.",
        settings: Some(&["listen", "data-dir", "tls-cert", "tls-key", "config"]),
        start: || Command::Setup,
    },
    CommandSpec {
        words: "user add",
        operand: NAME,
        summary: "Add a user.",
        details: "Reads the password from the terminal without echo, or one line from standard input. It \
                  works while the server runs. In a data directory without a shop it creates one.",
        settings: PASSWORD,
        start: || Command::UserAdd { name: String::new(), role: String::new() },
    },
    CommandSpec {
        words: "user list",
        operand: None,
        summary: "List the users.",
        details: "",
        settings: DATABASE,
        start: || Command::UserList,
    },
    CommandSpec {
        words: "user passwd",
        operand: NAME,
        summary: "Change a user's password and end the user's sessions.",
        details: "Reads the password from the terminal without echo, or one line from standard input. It \
                  works while the server runs.",
        settings: PASSWORD,
        start: || Command::UserPasswd { name: String::new(), random: false },
    },
    CommandSpec {
        words: "user disable",
        operand: NAME,
        summary: "Lock a user out: end the user's sessions and refuse logins.",
        details: "",
        settings: DATABASE,
        start: || Command::UserDisable { name: String::new() },
    },
    CommandSpec {
        words: "user enable",
        operand: NAME,
        summary: "Let a disabled user log in again, with the old password.",
        details: "",
        settings: DATABASE,
        start: || Command::UserEnable { name: String::new() },
    },
    CommandSpec {
        words: "device add",
        operand: NAME,
        summary: "Add a screen, a handheld or a program that stays logged in, and print its token.",
        details: "The token is printed this once and stored nowhere. It works while the server runs.",
        settings: DATABASE,
        start: || Command::DeviceAdd { name: String::new(), role: String::new() },
    },
    CommandSpec {
        words: "device list",
        operand: None,
        summary: "List the devices.",
        details: "While the server runs, it stores the last use of a device only now and then.",
        settings: DATABASE,
        start: || Command::DeviceList,
    },
    CommandSpec {
        words: "device remove",
        operand: DEVICE,
        summary: "Remove a device, by its name or its id: its token and its connections end.",
        details: "",
        settings: DATABASE,
        start: || Command::DeviceRemove { device: String::new() },
    },
    CommandSpec {
        words: "backup",
        operand: FILE,
        summary: "Copy the database to FILE, consistently, also while the server runs.",
        details: "If FILE is an existing folder, the copy is named after today's date, at most one is made a \
                  day, and the newest --backup-keep of them are kept. A backup never overwrites a file. - is \
                  standard output; the copy is then made beside the database first, and needs space there.",
        settings: Some(&["data-dir", "backup-keep", "config"]),
        start: || Command::Backup { file: PathBuf::new() },
    },
    CommandSpec {
        words: "restore",
        operand: FILE,
        summary: "Replace the database with the backup FILE. The server must be stopped.",
        details: "The backup is verified first. The old database is kept beside the new one, under the name \
                  that the command prints.",
        settings: DATABASE,
        start: || Command::Restore { file: PathBuf::new() },
    },
    CommandSpec {
        words: "check",
        operand: None,
        summary: "Verify every page, row and event of the database.",
        details: "The server may run meanwhile.",
        settings: DATABASE,
        start: || Command::Check,
    },
    CommandSpec {
        words: "doctor",
        operand: None,
        summary: "Examine what the shop depends on, and say what to do.",
        details: "Examines clock, disk, card, permissions, database, port, certificate, backups and open \
                  files. It changes nothing, and the server may run meanwhile.",
        settings: Some(&[
            "listen",
            "data-dir",
            "profile",
            "max-connections",
            "tls-cert",
            "tls-key",
            "backup-dir",
            "backup-keep",
            "config",
        ]),
        start: || Command::Doctor,
    },
    CommandSpec {
        words: "cert",
        operand: None,
        summary: "Issue a certificate for this machine, for a shop without a public domain.",
        details: "The certificate is for this machine's names and private addresses, for NAME.local of \
                  --mdns, and for each --name. The first call also creates the authority that signs it: the \
                  tills import it once, and later certificates need no further import. The authority can sign \
                  any local name and private address, but no other names than those of the first call, so \
                  give all of them then.",
        settings: Some(&["data-dir", "mdns", "listen", "config"]),
        start: || Command::Cert { dir: None, authority: None, names: Vec::new() },
    },
    CommandSpec {
        words: "events",
        operand: None,
        summary: "Print the event log, one JSON object a line.",
        details: "",
        settings: DATABASE,
        start: || Command::Events { follow: false, since: 0 },
    },
    CommandSpec {
        words: "announce",
        operand: None,
        summary: "Announce a running server in the local network, until standard input ends.",
        details: "Announces the server at --listen under the name of --mdns. serve --mdns NAME starts this by \
                  itself.",
        settings: Some(&["listen", "mdns", "config"]),
        start: || Command::Announce { secure: false },
    },
    CommandSpec {
        words: "limits",
        operand: None,
        summary: "Print every bound, and the memory that all of them can take together.",
        details: "",
        settings: Some(&[
            "profile",
            "max-connections",
            "tls-cert",
            "tls-key",
            "mdns",
            "workers",
            "config",
        ]),
        start: || Command::Limits,
    },
    CommandSpec {
        words: "man",
        operand: None,
        summary: "Print the manual page tillcast(1), to be read with: tillcast man | man -l -",
        details: "",
        settings: Some(&[]),
        start: || Command::Man { settings: false },
    },
];

impl CommandSpec {
    /// The flags that it has, and only a few other commands.
    pub(super) fn flags(&self) -> impl Iterator<Item = &'static CommandFlag> {
        COMMAND_FLAGS.iter().filter(|flag| flag.commands.contains(&self.words))
    }

    /// Whether it reads the setting of that flag.
    pub(super) fn reads(&self, flag: &str) -> bool {
        self.settings.is_none_or(|settings| settings.contains(&flag))
    }
}

/// The commands that a topic names: one, several that begin with it, or all for an empty one.
pub(super) fn about(topic: &str) -> impl Iterator<Item = &'static CommandSpec> {
    COMMANDS.iter().filter(move |spec| {
        spec.words
            .strip_prefix(topic)
            .is_some_and(|rest| topic.is_empty() || rest.is_empty() || rest.starts_with(' '))
    })
}
