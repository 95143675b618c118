//! Guards what takes time: a client that sends too slowly is cut, a peer that vanished is let go, and
//! a client on a bad connection loses nothing. In real time: up to 80 seconds each, which is waiting.
//!
//! Bad connections need root, `ip` (iproute2) and `nft` (nftables): they are made in network
//! namespaces of the tests' own.

mod lossy;
mod slow;
mod vanished;
