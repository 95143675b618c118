//! How late it was when the shop was last open, for whoever doubts the clock.

use std::path::Path;

use crate::limits::COMMAND_CACHE_KIB;
use crate::store::events::Log;
use crate::store::open::{self, OpenError};
use crate::store::sessions;

/// The newest time in a data directory, 0 where nothing has happened; or why it cannot be read. Leaves
/// all as it is.
pub fn last_recorded_time(data_dir: &Path) -> Result<i64, OpenError> {
    let conn = open::bystander(data_dir, COMMAND_CACHE_KIB)?;
    let read = || Ok(Log::read(&conn)?.last_at.max(sessions::last_at(&conn)?));
    read().map_err(|error: rusqlite::Error| open::unusable(&open::database(data_dir), &error))
}
