//! The daily backup.

use std::future::pending;
use std::path::PathBuf;

use tokio::task::spawn_blocking;
use tokio::time::interval;

use crate::limits::BACKUP_LOOK;
use crate::store;

/// Which database is copied every day, and where to.
#[derive(Clone, Debug)]
pub struct Daily {
    /// Where the database is.
    pub data_dir: PathBuf,
    /// Where the backups go.
    pub folder: PathBuf,
    /// How many are kept.
    pub keep: usize,
}

/// Makes a backup a day, the first one now. A failed one is tried again at the next look. Never
/// returns.
pub(super) async fn make(daily: Option<Daily>) {
    let Some(daily) = daily else { return pending().await };
    let mut look = interval(BACKUP_LOOK);
    loop {
        look.tick().await;
        let Daily { data_dir, folder, keep } = daily.clone();
        let made = spawn_blocking(move || store::backup_today(&data_dir, &folder, keep)).await;
        match made.map_err(|error| error.to_string()) {
            Ok(Ok(Some(file))) => tracing::info!("today's backup is {}", file.display()),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::error!(%error, "the daily backup failed"),
            Err(error) => tracing::error!(error, "the daily backup failed"),
        }
    }
}
