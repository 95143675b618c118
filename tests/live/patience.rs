//! Guards what takes time: who sends too slowly is cut, who vanished is let go, and who has a bad
//! connection loses nothing. In real time, so all of it at once: about 80 seconds.
//!
//! Needs root, `ip` (iproute2) and `nft` (nftables): bad connections are made in network namespaces
//! of the tests' own.

mod lossy;
mod slow;
mod vanished;

use std::thread::scope;

/// Threads, for a machine with few cores would run tests one after the other, and they only wait.
#[test]
fn the_server_knows_when_to_wait_and_when_to_let_go() {
    scope(|threads| {
        for case in [slow::strangers, vanished::peers, lossy::shop] {
            threads.spawn(case);
        }
    });
}
