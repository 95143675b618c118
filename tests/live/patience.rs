//! Guards the timeouts: a client that sends too slowly is cut, the connection of a vanished peer is closed,
//! and a client on a bad connection loses nothing. Each test mostly waits, for up to 80 seconds.
//!
//! Bad connections are made in network namespaces of the tests, which need root, `ip` (iproute2) and `nft`
//! (nftables).

mod lossy;
mod slow;
mod vanished;
