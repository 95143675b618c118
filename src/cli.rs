//! The commands: what `tillcast` does when it is called.

mod address;
mod announce;
mod backup;
mod cert;
mod demo;
mod devices;
mod doctor;
mod events;
mod failure;
mod last_errors;
mod limits;
mod log_rate_limit;
mod logging;
mod privileges;
mod serve;
mod setup;
mod terminal;
mod users;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, Command, Config, ConfigErrors};
use crate::store;

use failure::Failure;
use terminal::{print, print_error};

/// An argument, a variable, a setting, a file that it names, or a passed socket is wrong.
const EXIT_USAGE: u8 = 2;
/// The server's disk takes no writes, so that another start would not help.
const EXIT_READ_ONLY: u8 = 3;

/// Runs a command, and returns one of the exit codes that the manual page lists.
pub fn run(command: Command, config: &Config) -> ExitCode {
    let dir = config.data_dir.as_path();
    let is_server = command == Command::Serve;
    if !is_server && !matches!(command, Command::Demo { .. }) {
        // SIGHUP is meant for servers with this program's name; other commands have nothing to reload.
        terminal::ignore_hangups();
    }
    let ready = if needs_shop(&command) { require_shop(dir) } else { Ok(()) };
    match ready.map_err(Failure::from).and_then(|()| execute(command, config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(errors)) => reject(&errors),
        Err(Failure::Failed(why)) => {
            print_error(&why);
            if !is_server || !store::is_read_only(dir) {
                return ExitCode::FAILURE;
            }
            print_error(&format!(
                "{}: the file system is read-only; `dmesg` says why, often that the card is worn out",
                dir.display()
            ));
            ExitCode::from(EXIT_READ_ONLY)
        }
    }
}

/// Whether a command works on the shop that is there: a mistyped path must not become an empty shop.
fn needs_shop(command: &Command) -> bool {
    matches!(
        command,
        Command::UserList
            | Command::UserPasswd { .. }
            | Command::UserDisable { .. }
            | Command::UserEnable { .. }
            | Command::DeviceAdd { .. }
            | Command::DeviceList
            | Command::DeviceRemove { .. }
            | Command::Backup { .. }
            | Command::Check
            | Command::Events { .. }
    )
}

fn execute(command: Command, config: &Config) -> Result<(), Failure> {
    let (data_dir, cost) = (&config.data_dir, config.limits.hash);
    let done = match command {
        Command::Serve => return serve::run(config),
        Command::Demo { rate } => demo::run(config, rate),
        Command::Setup => setup::run(config),
        Command::UserAdd { name, role } => users::add(data_dir, cost, &name, &role),
        Command::UserList => users::list(data_dir),
        Command::UserPasswd { name, random } => users::passwd(data_dir, cost, &name, random),
        Command::UserDisable { name } => users::disable(data_dir, &name),
        Command::UserEnable { name } => users::enable(data_dir, &name),
        Command::DeviceAdd { name, role } => devices::add(data_dir, &name, &role),
        Command::DeviceList => devices::list(data_dir),
        Command::DeviceRemove { device } => devices::remove(data_dir, &device),
        Command::Backup { file } => backup::backup(data_dir, &file, config.backup_keep),
        Command::Restore { file } => backup::restore(data_dir, &file),
        Command::Check => backup::check(data_dir),
        Command::Doctor => doctor::run(config),
        Command::Events { follow, since } => events::run(data_dir, follow, since),
        Command::Cert { dir, authority, names } => {
            cert::run(config, dir.as_deref(), authority.as_deref(), names)
        }
        Command::Announce { secure } => announce::run(config, secure),
        Command::Limits => limits::run(config),
        Command::Man { settings: false } => print(&config::program_page()),
        Command::Man { settings: true } => print(&config::settings_page()),
        Command::Help { topic } => print(&config::help(topic)),
        Command::Version => print(concat!("tillcast ", env!("CARGO_PKG_VERSION"), "\n")),
    };
    done.map_err(Failure::from)
}

/// Refuses a data directory without a database.
fn require_shop(data_dir: &Path) -> Result<(), String> {
    let file = store::database_file(data_dir);
    let name = file.display();
    match file.metadata() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(format!("{name}: {error}")),
        Err(_) if store::was_created(data_dir) => Err(format!(
            "{name}: is missing, but a shop was created here; `tillcast restore FILE` puts a backup in its \
             place"
        )),
        Err(_) => Err(format!(
            "{name}: does not exist; give the folder of the shop with --data-dir (the Debian package's is \
             /var/lib/tillcast)"
        )),
    }
}

/// Reports wrong arguments or settings.
pub fn reject(errors: &ConfigErrors) -> ExitCode {
    print_error(errors);
    ExitCode::from(EXIT_USAGE)
}
