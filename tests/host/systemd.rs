//! Guards the shop as a service: that systemd is told the truth about it, that nobody is turned away
//! while it is restarted, and that the units hold what they say.
//!
//! Needs `systemd-analyze` and `systemd-socket-activate` (Debian's package systemd; nothing of it has to
//! run), and root with `strace`, to keep a thread from moving.

mod activation;
mod manager;
mod notify;
mod units;
mod upgrade;
mod watchdog;
