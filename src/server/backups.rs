//! The daily backup.

use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, interval_at};

use crate::limits::BACKUP_CHECK_INTERVAL;
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
    /// How long after the start the first one is made: a shop that opens has better things to do.
    pub wait: Duration,
}

/// Makes a backup a day. A failed one is tried again at the next look. Never returns.
pub(super) async fn make(daily: Option<Daily>) {
    let Some(daily) = daily else { return pending().await };
    let mut look = interval_at(Instant::now() + daily.wait, BACKUP_CHECK_INTERVAL);
    loop {
        look.tick().await;
        let Daily { data_dir, folder, keep, .. } = daily.clone();
        let made = spawn_blocking(move || store::backup_today(&data_dir, &folder, keep)).await;
        match made.map_err(|error| error.to_string()) {
            Ok(Ok(Some(file))) => tracing::info!("today's backup is {}", file.display()),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::error!(%error, "the daily backup failed"),
            Err(error) => tracing::error!(error, "the daily backup failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::store::Console;

    /// On a clock of its own, which runs while nobody works.
    #[tokio::test(start_paused = true)]
    async fn the_first_one_waits_until_the_shop_has_opened() {
        let data = tempfile::tempdir().unwrap();
        drop(Console::open(data.path()).unwrap());
        let folder = data.path().join("backups");
        let daily = Daily {
            data_dir: data.path().to_owned(),
            folder: folder.clone(),
            keep: 1,
            wait: BACKUP_CHECK_INTERVAL,
        };
        let making = tokio::spawn(make(Some(daily)));
        sleep(BACKUP_CHECK_INTERVAL / 2).await;
        assert!(!folder.exists());
        sleep(BACKUP_CHECK_INTERVAL).await;
        let names = folder.read_dir().unwrap().map(|file| file.unwrap().file_name());
        let names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
        assert!(matches!(&names[..], [one] if one.starts_with("tillcast-")), "{names:?}");
        making.abort();
    }
}
