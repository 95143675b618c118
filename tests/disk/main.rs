//! The data directory: crashes, power cuts, full and failing disks, backups, upgrades, the clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that panics is a failed test"
)]

#[path = "../common/mod.rs"]
mod common;

mod backup;
mod bad_day;
mod clock;
mod crash;
mod damage;
mod failing_disk;
mod full_disk;
mod hostile_databases;
mod migrations;
mod private_files;
mod privileges;
mod restore;
mod sd_card;
mod stopped_shop;
mod torn_writes;
mod year_2038;
