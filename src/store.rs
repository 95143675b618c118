//! The store: the shop in one SQLite file, behind a handle that all tasks share.
//!
//! Writes go through one bounded queue to one thread (`store/writer.rs`), reads to threads of their
//! own. A call that finds its queue full is rejected at once. No other module uses rusqlite.

mod accounts;
mod apply;
mod audit;
mod audit_record;
mod backup;
mod backups;
mod caller;
mod check;
mod clock;
mod columns;
mod command;
mod console;
mod data_dir;
mod database;
mod devices;
mod erase;
mod error;
mod events;
mod file_mode;
mod gate;
mod group_commit;
mod handle;
mod idempotency;
mod integrity;
mod kiosk_orders;
mod known_clients;
mod list;
mod logins;
mod long_read;
mod marks;
mod numbers;
mod ranges;
mod readers;
mod recovery;
mod repeat_filter;
mod reserve;
mod restore;
mod rows;
mod sales;
mod save;
mod schema;
mod session;
mod session_table;
mod setup;
mod shop_profile;
mod start;
#[cfg(test)]
mod test_shop;
mod users;
mod wal;
mod write_tx;
mod writer;

pub use apply::Changed;
pub use audit::{AuditActor, AuditEntry, AuditFilter};
pub use audit_record::{Action, AuditRecord, AuditSubject};
pub use backup::{Source, backup, backup_today, newest_backup, write_backup};
pub use backups::{BackupFile, BackupRefused, Backups};
pub use caller::{Actor, Caller};
pub use check::check;
pub use clock::clock;
pub use console::Console;
pub use data_dir::{database_bytes, database_file, is_read_only, was_created};
pub use devices::AddedDevice;
pub use error::OpenError;
pub use events::{EventPage, EventRange, Retention};
pub use handle::{At, DiskUse, Store};
pub use idempotency::{IdempotencyKey, StoredResponse};
pub use kiosk_orders::OrderVersion;
pub use known_clients::KnownClient;
pub use list::{Filter, Query, Wanted};
pub use recovery::last_recorded_time;
pub use restore::{Backup, restore};
pub use session::{
    Credential, LoggedIn, LoginClient, NewSession, Revocation, SessionChange, SessionRoom,
    SessionUse, StoredSession, TokenHash,
};
pub use setup::SetupCode;
pub use start::{OpenedStore, open};
pub use users::{LoginCandidate, NewPassword, NewUser, UserPatch, UserUpdate};
pub use writer::CommitSinks;
