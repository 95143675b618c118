//! The commands of the program.

use std::path::PathBuf;

/// A command of the program.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Serve until a signal.
    Serve,
    /// Serve a temporary shop with simulated sales.
    Demo {
        /// Actions per second, 0.1 to 1000.
        rate: f64,
    },
    /// Print a link by which somebody becomes the first admin.
    Setup,
    /// Add a user, with a password from the terminal or standard input.
    UserAdd {
        /// The new user's name, not empty.
        name: String,
        /// The name of a role.
        role: String,
    },
    /// List the users.
    UserList,
    /// Give a user another password.
    UserPasswd {
        /// The user's name, not empty.
        name: String,
        /// Generate the password and print it, instead of reading one.
        random: bool,
    },
    /// Lock a user out.
    UserDisable {
        /// The user's name, not empty.
        name: String,
    },
    /// Let a disabled user log in again.
    UserEnable {
        /// The user's name, not empty.
        name: String,
    },
    /// Add a device, and print its token.
    DeviceAdd {
        /// The new device's name, not empty.
        name: String,
        /// The name of a role; a device may have any but `admin`.
        role: String,
    },
    /// List the devices.
    DeviceList,
    /// Remove a device.
    DeviceRemove {
        /// Its name or its id, not empty.
        device: String,
    },
    /// Copy the database while the server runs.
    Backup {
        /// The new file, or an existing folder.
        file: PathBuf,
    },
    /// Replace the database with a backup.
    Restore {
        /// The backup, not empty.
        file: PathBuf,
    },
    /// Verify the database of a data directory.
    Check,
    /// Examine everything that the shop depends on.
    Doctor,
    /// Issue a certificate for the server, and create the authority that signs it if there is none.
    Cert {
        /// The folder; `None` for `tls` in the data directory.
        dir: Option<PathBuf>,
        /// The folder of the authority; `None` for root's own, or for that of the certificate.
        authority: Option<PathBuf>,
        /// Names and addresses in addition to this machine's.
        names: Vec<String>,
    },
    /// Print the event log.
    Events {
        /// Wait for new events instead of ending.
        follow: bool,
        /// Print the events after this `seq`.
        since: u64,
    },
    /// Announce a running server in the local network, until standard input ends.
    Announce {
        /// Whether the server speaks TLS.
        secure: bool,
    },
    /// Print every bound and the memory it takes.
    Limits,
    /// Print a manual page in roff.
    Man {
        /// The page of the settings file instead of the program's.
        settings: bool,
    },
    /// Print a help page.
    Help {
        /// The words of a command, or the first words of several; empty for all of them.
        topic: &'static str,
    },
    /// Print the version.
    Version,
}
