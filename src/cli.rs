//! The commands: what `tillcast` does when it is called.

mod announce;
mod cert;
mod demo;
mod doctor;
mod files;
mod journal;
mod limits;
mod owner;
mod serve;
mod users;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::{self, Command, Config};
use crate::domain::Reject;
use crate::store;

/// Starting the server again does not help: its disk takes no writes.
const EXIT_READ_ONLY: u8 = 3;

/// Runs a command. Exit code 0: done; 1: it could not be done, and standard error says why; 2: it
/// was not tried, for a file that a setting names, or a socket that was passed, is wrong; 3: nor can it
/// be done by another try.
pub fn run(command: Command, config: &Config) -> ExitCode {
    let (dir, cost) = (&config.data_dir, config.limits.hash);
    let serves = command == Command::Serve;
    let done = match command {
        Command::Serve => match serve::brought(config) {
            Ok(brought) => serve::serve(config, brought),
            Err(mistakes) => {
                complain(&mistakes);
                return ExitCode::from(2);
            }
        },
        Command::Demo { rate } => demo::demo(config, rate),
        Command::UserAdd { name, role } => users::add(dir, cost, &name, &role),
        Command::UserList => users::list(dir),
        Command::UserPasswd { name, random } => users::passwd(dir, cost, &name, random),
        Command::UserDisable { name } => users::disable(dir, &name),
        Command::Backup { file } => files::backup(dir, &file, config.backup_keep),
        Command::Restore { file } => files::restore(dir, &file),
        Command::Check => files::check(dir),
        Command::Doctor => doctor::examine(config),
        Command::Events { follow, since } => files::events(dir, follow, since),
        Command::Cert { dir: to, names } => cert::make(dir, to, names, config.mdns.as_deref()),
        Command::Announce { secure } => announce::speak(config, secure),
        Command::Limits => limits::print(config),
        Command::Help => say(&config::help()),
        Command::Version => say(concat!("tillcast ", env!("CARGO_PKG_VERSION"), "\n")),
    };
    match done.and_then(|()| if serves { Ok(()) } else { owner::give_back(dir) }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) if serves && store::is_read_only(dir) => {
            complain(&why);
            complain(&format!(
                "{}: the file system is read-only; the kernel's log says why, often a card that is \
                 worn out",
                dir.display()
            ));
            ExitCode::from(EXIT_READ_ONLY)
        }
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

/// Writes to standard error.
pub fn complain(text: &impl Display) {
    // Where standard error is closed, there is nobody to tell.
    drop(writeln!(io::stderr(), "tillcast: {text}"));
}

/// Writes to standard output. A reader that has had enough (`| head`) is no failure.
fn say(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// What a refused command means to somebody at a terminal.
fn told(reject: Reject) -> String {
    match reject {
        Reject::Invalid(errors) => {
            let line =
                |error: &crate::domain::FieldError| format!("{} {}", error.field, error.message);
            errors.iter().map(line).collect::<Vec<_>>().join("; ")
        }
        Reject::NotFound => "there is no such thing".to_owned(),
        Reject::Conflict(detail) => detail,
        Reject::PreconditionFailed | Reject::KeyReused => "it was changed meanwhile".to_owned(),
        Reject::DiskFull => "the disk is full; nothing was done".to_owned(),
        Reject::Busy | Reject::Unavailable => {
            "the database could not do it; see the lines above".to_owned()
        }
    }
}
