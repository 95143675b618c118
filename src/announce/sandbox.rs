//! The sandbox of the announcement: a process that parses packets from anybody in the network opens no file
//! and no TCP connection, whatever a packet makes of it (<https://landlock.io>).

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetError, RulesetStatus,
    Scope,
};

/// Takes from this thread, and from those that it starts, every access to files, to TCP and to processes
/// outside. What is open stays open, and UDP is free. A kernel before 6.7 or 6.12 leaves TCP or signals.
///
/// # Errors
/// A sentence for the operator: this kernel restricts nothing.
pub(super) fn confine() -> Result<(), String> {
    match restrict() {
        Ok(RulesetStatus::NotEnforced) => {
            Err("this kernel has no Landlock, so the announcement could open the shop's files"
                .into())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the announcement could open the shop's files: {error}")),
    }
}

fn restrict() -> Result<RulesetStatus, RulesetError> {
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V5))?
        .scope(Scope::from_all(ABI::V6))?;
    Ok(ruleset.create()?.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::ErrorKind::PermissionDenied;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::thread;

    use super::*;

    /// Only the thread that confines itself is confined, so the test can look on.
    #[test]
    fn nothing_of_the_shop_is_within_reach() {
        let data = tempfile::tempdir().unwrap();
        let database = data.path().join("tillcast.db");
        fs::write(&database, "the shop").unwrap();
        let shop = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = shop.local_addr().unwrap();
        let tried = || {
            if let Err(why) = confine() {
                assert!(why.contains("Landlock"), "{why}");
                return;
            }
            let denied =
                |done: std::io::Result<()>| assert_eq!(done.unwrap_err().kind(), PermissionDenied);
            denied(fs::read(&database).map(drop));
            denied(File::options().write(true).open(&database).map(drop));
            denied(fs::remove_file(&database));
            denied(File::create(data.path().join("new")).map(drop));
            denied(fs::read_dir("/").map(drop));
            denied(TcpStream::connect(address).map(drop));
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"packet", address).unwrap();
        };
        thread::scope(|threads| threads.spawn(tried).join().unwrap());
        assert_eq!(fs::read(&database).unwrap(), b"the shop");
    }
}
