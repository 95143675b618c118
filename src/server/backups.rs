//! The daily backup: one copy of the database for each day.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, interval_at};

use crate::limits::BACKUP_CHECK_INTERVAL;
use crate::store::Backups;

/// The daily backup's folder and schedule.
#[derive(Clone, Debug)]
pub struct DailyBackup {
    /// The folder of the backups.
    pub backups: Arc<Backups>,
    /// The delay of the first one after the start, which is the busiest time of a shop.
    pub delay: Duration,
}

/// Makes one backup a day; retries a failed one at the next check. Never returns.
pub(super) async fn make_daily(daily: Option<DailyBackup>) {
    let Some(daily) = daily else { return pending().await };
    let mut check = interval_at(Instant::now() + daily.delay, BACKUP_CHECK_INTERVAL);
    loop {
        check.tick().await;
        let backups = Arc::clone(&daily.backups);
        let made = spawn_blocking(move || backups.make_daily()).await;
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

    /// On a paused clock, which runs ahead while every task waits.
    #[tokio::test(start_paused = true)]
    async fn the_first_one_waits_until_the_shop_has_opened() {
        let data = tempfile::tempdir().unwrap();
        drop(Console::open(data.path()).unwrap());
        let folder = data.path().join("backups");
        let backups = Arc::new(Backups::new(data.path().to_owned(), folder.clone(), 1));
        let daily = DailyBackup { backups, delay: BACKUP_CHECK_INTERVAL };
        let making = tokio::spawn(make_daily(Some(daily)));
        sleep(BACKUP_CHECK_INTERVAL / 2).await;
        assert!(!folder.exists());
        sleep(BACKUP_CHECK_INTERVAL).await;
        let names = folder.read_dir().unwrap().map(|file| file.unwrap().file_name());
        let names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
        assert!(matches!(&names[..], [one] if one.starts_with("tillcast-")), "{names:?}");
        making.abort();
    }
}
