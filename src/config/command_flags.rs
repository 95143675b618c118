//! The flags that only a few commands have: their values, and what help says about them.

use std::ffi::OsStr;

use crate::config::command::Command;
use crate::config::values::{choice, host, integer, number, path};

/// Reads one value into the command. The error says what it must be.
pub(super) type Set = fn(&mut Command, &OsStr) -> Result<(), String>;

/// A flag that only a few commands have.
pub(super) struct CommandFlag {
    pub(super) flag: &'static str,
    /// The placeholder of its value; empty for a flag without one.
    pub(super) value: &'static str,
    pub(super) required: bool,
    /// Whether it may be given several times.
    pub(super) many: bool,
    /// The words of each command that has it.
    pub(super) commands: &'static [&'static str],
    pub(super) reason: &'static str,
    pub(super) set: Set,
}

/// Only the first is none of a device.
const ROLES: &[(&str, &str)] = &[
    ("admin", "admin"),
    ("staff", "staff"),
    ("kiosk", "kiosk"),
    ("display", "display"),
    ("kitchen", "kitchen"),
    ("picker", "picker"),
];

pub(super) static COMMAND_FLAGS: &[CommandFlag] = &[
    CommandFlag {
        flag: "rate",
        value: "N",
        required: false,
        many: false,
        commands: &["demo"],
        reason: "Actions per second, from 0.1 to 1000. [default: 5]",
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
        commands: &["user add", "device add"],
        reason: "The rights: staff, kiosk, display, kitchen or picker; a user may also be admin.",
        set: |command, value| {
            match command {
                Command::UserAdd { role, .. } => choice(value, ROLES)?.clone_into(role),
                Command::DeviceAdd { role, .. } => choice(value, &ROLES[1..])?.clone_into(role),
                _ => {}
            }
            Ok(())
        },
    },
    CommandFlag {
        flag: "random",
        value: "",
        required: false,
        many: false,
        commands: &["user passwd"],
        reason: "Generate the password and print it once.",
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
        commands: &["cert"],
        reason: "The folder for the certificate. [default: tls in the data directory]",
        set: |command, value| {
            if let Command::Cert { dir, .. } = command {
                *dir = Some(path(value)?);
            }
            Ok(())
        },
    },
    CommandFlag {
        flag: "ca",
        value: "DIR",
        required: false,
        many: false,
        commands: &["cert"],
        reason: "The folder of the authority. [default: /etc/tillcast/ca for root, else that of the \
                 certificate]",
        set: |command, value| {
            if let Command::Cert { authority, .. } = command {
                *authority = Some(path(value)?);
            }
            Ok(())
        },
    },
    CommandFlag {
        flag: "name",
        value: "NAME",
        required: false,
        many: true,
        commands: &["cert"],
        reason: "Another name or address under which clients reach the server.",
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
        commands: &["announce"],
        reason: "Say that the server speaks TLS.",
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
        commands: &["events"],
        reason: "Wait for new events instead of ending.",
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
        commands: &["events"],
        reason: "Print only the events after this number. [default: 0, all that are kept]",
        set: |command, value| {
            if let Command::Events { since, .. } = command {
                *since = integer(value, 0..=i64::MAX.cast_unsigned())?;
            }
            Ok(())
        },
    },
    CommandFlag {
        flag: "settings",
        value: "",
        required: false,
        many: false,
        commands: &["man"],
        reason: "Print the page of the settings file, tillcast.toml(5).",
        set: |command, _| {
            if let Command::Man { settings } = command {
                *settings = true;
            }
            Ok(())
        },
    },
];
