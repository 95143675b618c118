//! The commands: what `tillcast` does when it is called.

mod announce;
mod backup;
mod cert;
mod demo;
mod doctor;
mod events;
mod limits;
mod log_rate_limit;
mod logging;
mod ownership;
mod serve;
mod terminal;
mod users;

use std::process::ExitCode;

use crate::config::{self, Command, Config, ConfigErrors};
use crate::store;

use terminal::{print, print_error};

/// Starting the server again does not help: its disk takes no writes.
const EXIT_READ_ONLY: u8 = 3;

/// Runs a command. Exit code 0: done; 1: it could not be done, and standard error says why; 2: it
/// was not tried, for a file that a setting names, or a socket that was passed, is wrong; 3: nor can it
/// be done by another try.
pub fn run(command: Command, config: &Config) -> ExitCode {
    let (dir, cost) = (&config.data_dir, config.limits.hash);
    let is_server = command == Command::Serve;
    let done = match command {
        Command::Serve => match serve::inherited(config) {
            Ok(inherited) => serve::run(config, inherited),
            Err(errors) => return reject(&errors),
        },
        Command::Demo { rate } => demo::run(config, rate),
        Command::UserAdd { name, role } => users::add(dir, cost, &name, &role),
        Command::UserList => users::list(dir),
        Command::UserPasswd { name, random } => users::passwd(dir, cost, &name, random),
        Command::UserDisable { name } => users::disable(dir, &name),
        Command::UserEnable { name } => users::enable(dir, &name),
        Command::Backup { file } => backup::backup(dir, &file, config.backup_keep),
        Command::Restore { file } => backup::restore(dir, &file),
        Command::Check => backup::check(dir),
        Command::Doctor => doctor::run(config),
        Command::Events { follow, since } => events::run(dir, follow, since),
        Command::Cert { dir: to, names } => cert::run(dir, to, names, config.mdns.as_deref()),
        Command::Announce { secure } => announce::run(config, secure),
        Command::Limits => limits::run(config),
        Command::Man { settings: false } => print(&config::program_page()),
        Command::Man { settings: true } => print(&config::settings_page()),
        Command::Help { topic } => print(&config::help(topic)),
        Command::Version => print(concat!("tillcast ", env!("CARGO_PKG_VERSION"), "\n")),
    };
    match done.and_then(|()| if is_server { Ok(()) } else { ownership::restore(dir) }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) if is_server && store::is_read_only(dir) => {
            print_error(&why);
            print_error(&format!(
                "{}: the file system is read-only; the kernel's log says why, often a card that is \
                 worn out",
                dir.display()
            ));
            ExitCode::from(EXIT_READ_ONLY)
        }
        Err(why) => {
            print_error(&why);
            ExitCode::FAILURE
        }
    }
}

/// Reports wrong arguments or settings.
pub fn reject(errors: &ConfigErrors) -> ExitCode {
    print_error(errors);
    ExitCode::from(2)
}
