//! Guards the shop as a service: systemd must get its true state, no client may be refused during a restart,
//! and the units must do what they say.
//!
//! Needs `systemd-analyze` and `systemd-socket-activate` (Debian's package systemd, which need not run), and
//! root with `strace`, to block a thread.

mod activation;
mod manager;
mod notify;
mod units;
mod upgrade;
mod watchdog;
