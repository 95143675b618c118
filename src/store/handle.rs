//! The handle of the store, which all tasks share: it queues commands for the writer and queries for
//! the readers.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use rustix::fs::statvfs;
use tokio::sync::{mpsc, oneshot};

use crate::domain::{
    EntityKind, LogId, Precondition, Reject, Row, Sale, ShopPatch, ShopProfile, event,
};
use crate::limits::{EXTERNAL_CHANGE_INTERVAL, PAGE_BYTES_MAX};
use crate::shop::Change;
use crate::store::apply::{self, Changed};
use crate::store::audit::{self, AuditEntry, AuditFilter};
use crate::store::audit_record::AuditSubject;
use crate::store::caller::Caller;
use crate::store::clock::Uptime;
use crate::store::command::PendingCommand;
use crate::store::error::failed;
use crate::store::events::{self, EventPage, EventRange};
use crate::store::idempotency::{self, IdempotencyKey, StoredResponse};
use crate::store::kiosk_orders::{self, OrderVersion};
use crate::store::list::{self, Query};
use crate::store::readers::{ReadJob, snapshot};
use crate::store::write_tx::WriteTx;
use crate::store::writer::{Job, WriterStatus};
use crate::store::{data_dir, rows, sales, session_table, shop_profile};
use crate::sync;

/// The handle of the store. A change that finds the writer's queue full is rejected at once.
pub struct Store {
    /// The lock of the data directory, which the writer holds as well. Dropped first: once the writer has ended,
    /// because `jobs` was dropped, the next server may open the directory.
    pub(super) _lock: Arc<data_dir::Lock>,
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) reads: mpsc::Sender<ReadJob>,
    /// The file of the write-ahead log.
    pub(super) wal: PathBuf,
    pub(super) status: Arc<WriterStatus>,
    pub(super) log_id: LogId,
    /// The positions that only the log before the restore had.
    pub(super) ended: Range<i64>,
    pub(super) uptime: Uptime,
}

/// A value with its position in the event log.
#[derive(Clone, Copy, Debug)]
pub struct At<T> {
    /// The newest `seq` in the transaction that read or made the value. The value reflects every
    /// event up to this one and none after it.
    pub seq: i64,
    /// The value.
    pub value: T,
}

/// The space on the disk of a data directory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct DiskUse {
    /// The whole disk.
    pub size: u64,
    /// The part of it that is free for this program.
    pub free: u64,
    /// The database with its log.
    pub database: u64,
}

impl Store {
    /// Whether the last commit succeeded.
    pub fn healthy(&self) -> bool {
        self.status.healthy.load(Ordering::Acquire) && !self.jobs.is_closed()
    }

    /// Rejects a change that can wait until the disk has space.
    ///
    /// # Errors
    /// `DiskFull` while the disk is full.
    pub fn check_disk_space(&self) -> Result<(), Reject> {
        if self.status.disk_full.load(Ordering::Acquire) { Err(Reject::DiskFull) } else { Ok(()) }
    }

    /// The shop's currency.
    pub fn currency(&self) -> &'static str {
        *sync::lock(&self.status.currency)
    }

    /// The id of the event log.
    pub fn log_id(&self) -> LogId {
        self.log_id
    }

    /// Whether the event log holds every event after this position, so that a subscriber can catch
    /// up.
    pub fn reaches_back_to(&self, seq: i64) -> bool {
        seq >= self.status.oldest.load(Ordering::Acquire) - 1 && !self.ended.contains(&seq)
    }

    /// The size of the write-ahead log's file, in bytes.
    pub fn wal_bytes(&self) -> u64 {
        self.wal.metadata().map_or(0, |file| file.len())
    }

    /// The space on the disk, looked up by a reader, which may wait for a slow disk.
    pub async fn disk_use(&self) -> Result<DiskUse, Reject> {
        let Some(folder) = self.wal.parent().map(Path::to_owned) else {
            return Err(Reject::Unavailable);
        };
        self.read(move |_| {
            let disk = statvfs(&folder).map_err(|_| Reject::Unavailable)?;
            Ok(DiskUse {
                size: disk.f_blocks.saturating_mul(disk.f_frsize),
                free: disk.f_bavail.saturating_mul(disk.f_frsize),
                database: data_dir::database_bytes(&folder),
            })
        })
        .await
    }

    /// The number of commands in the writer's queue.
    pub fn queued(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Wakes the writer regularly, so that it sees what other programs wrote and prunes the log.
    /// Waiting commands wake it, too. Never returns.
    pub async fn tick(&self) {
        let mut tick = tokio::time::interval(EXTERNAL_CHANGE_INTERVAL + Duration::from_millis(50));
        loop {
            tick.tick().await;
            let tick = || self.jobs.try_send(Job::Tick);
            if self.queued() == 0
                && let Err(mpsc::error::TrySendError::Closed(_)) = tick()
            {
                return std::future::pending().await; // the writer's end is reported elsewhere
            }
        }
    }

    /// Runs a command in the writer's next transaction; returns when it is on disk. `work` is
    /// called a second time if the transaction has to start over.
    ///
    /// # Errors
    /// `Busy` if the queue is full, `Unavailable` if the transaction failed, else what `work`
    /// returned.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut WriteTx<'_>) -> Result<T, Reject> + Send + 'static,
    ) -> Result<T, Reject> {
        let (command, result) = PendingCommand::new(work);
        self.jobs.try_send(Job::Write(command)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Reject::Busy,
            mpsc::error::TrySendError::Closed(_) => Reject::Unavailable,
        })?;
        result.await.unwrap_or(Err(Reject::Unavailable))
    }

    /// Runs a command on behalf of a caller, whose right to it is checked in the same transaction.
    ///
    /// # Errors
    /// As `write`, and `SessionEnded` if the caller has lost the right.
    pub(super) async fn write_for<T: Send + 'static>(
        &self,
        caller: Caller,
        mut work: impl FnMut(&mut WriteTx<'_>) -> Result<T, Reject> + Send + 'static,
    ) -> Result<T, Reject> {
        self.write(move |tx| {
            session_table::check_caller(tx.conn, &caller)?;
            work(tx)
        })
        .await
    }

    /// Runs a query on a reader. It waits in line while the queue is full: of reads that were given up, which end
    /// without a query.
    ///
    /// # Errors
    /// `Busy` if the query takes too long, else what `query` returned.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Reject> + Send + 'static,
    ) -> Result<T, Reject> {
        let (reply, result) = oneshot::channel();
        // A caller that is gone needs no result, and one that left while it waited needs no read.
        let job: ReadJob = Box::new(move |reader| {
            if !reply.is_closed() {
                drop(reply.send(reader.query(query)));
            }
        });
        self.reads.send(job).await.map_err(|_| Reject::Unavailable)?;
        result.await.unwrap_or(Err(Reject::Unavailable))
    }

    /// Runs a query on a reader, and reads the head of the event log in the same transaction.
    async fn read_at<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Reject> + Send + 'static,
    ) -> Result<At<T>, Reject> {
        self.read(move |conn| {
            snapshot(conn, |conn| {
                let seq = events::head(conn).map_err(failed)?;
                Ok(At { seq, value: query(conn)? })
            })
        })
        .await
    }

    /// Applies a change of an entity, unless the entity would have more than `bytes_max` bytes of text.
    pub async fn change(
        &self,
        caller: Caller,
        change: Arc<Change>,
        bytes_max: usize,
    ) -> Result<At<Changed>, Reject> {
        self.check_disk_space()?;
        self.write_for(caller, move |tx| {
            let value = apply::apply(tx, caller, &change, bytes_max)?;
            Ok(At { seq: tx.head, value })
        })
        .await
    }

    /// Creates an entity, or returns the stored response if `key` was used before.
    pub async fn create(
        &self,
        caller: Caller,
        change: Change,
        key: Option<IdempotencyKey>,
    ) -> Result<At<StoredResponse>, Reject> {
        self.check_disk_space()?;
        self.write_for(caller, move |tx| {
            let subject = AuditSubject::Entity(change.kind);
            let value =
                idempotency::run_once(tx, key.as_ref(), subject, |tx| {
                    match apply::apply(tx, caller, &change, usize::MAX)? {
                        Changed::Created(row) | Changed::Row(row) => {
                            let body = event::entity(&row)?;
                            Ok(StoredResponse { id: row.id, version: row.seq, body })
                        }
                        Changed::Removed | Changed::TooLarge => Err(Reject::NotFound),
                    }
                })?;
            Ok(At { seq: tx.head, value })
        })
        .await
    }

    /// Stores a sale, or returns the response to it if it is stored already: the first one if `key` was used
    /// before, else the order as it is now. The flag tells whether the response is the first one.
    pub async fn sell(
        &self,
        caller: Caller,
        sale: Sale,
        key: Option<IdempotencyKey>,
    ) -> Result<At<(bool, StoredResponse)>, Reject> {
        self.check_disk_space()?;
        self.write_for(caller, move |tx| {
            if let Some(first) = idempotency::repeat(tx, key.as_ref())? {
                return Ok(At { seq: tx.head, value: (true, first) });
            }
            if let Some(response) = sales::repeat(tx, caller, &sale)? {
                return Ok(At { seq: tx.head, value: (false, response) });
            }
            let subject = AuditSubject::Entity(EntityKind::Order);
            let response = idempotency::run_once(tx, key.as_ref(), subject, |tx| {
                sales::sell(tx, caller, &sale)
            })?;
            Ok(At { seq: tx.head, value: (true, response) })
        })
        .await
    }

    /// Some of the open, unpaid orders that kiosks made so long ago, or longer. Only the time in which the shop ran
    /// counts.
    pub async fn old_kiosk_orders(&self, age: Duration) -> Result<Vec<OrderVersion>, Reject> {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let made = self.uptime.total().saturating_sub(age);
        self.read(move |conn| kiosk_orders::older_than(conn, made)).await
    }

    /// The entity with that id; `None` if its text has more than `bytes_max` bytes.
    pub async fn get(
        &self,
        kind: EntityKind,
        id: i64,
        bytes_max: usize,
    ) -> Result<At<Option<Row>>, Reject> {
        self.read_at(move |conn| {
            let row = rows::load(conn, kind, id)?.ok_or(Reject::NotFound)?;
            Ok(Some(row).filter(|row| rows::size(row) <= bytes_max))
        })
        .await
    }

    /// The entities with these ids, in that order; ids that do not exist are left out. A page that
    /// reaches `PAGE_BYTES_MAX` ends early, and the second value is the first id that it leaves
    /// out.
    pub async fn get_many(
        &self,
        kind: EntityKind,
        ids: Vec<i64>,
    ) -> Result<At<(Vec<Row>, Option<i64>)>, Reject> {
        self.read_at(move |conn| {
            let (mut page, mut bytes) = (Vec::with_capacity(ids.len()), 0);
            for id in ids {
                if bytes >= PAGE_BYTES_MAX {
                    return Ok((page, Some(id)));
                }
                if let Some(row) = rows::load(conn, kind, id)? {
                    bytes += rows::size(&row);
                    page.push(row);
                }
            }
            Ok((page, None))
        })
        .await
    }

    /// One page of a list, and the id after which there may be more.
    pub async fn list(
        &self,
        kind: EntityKind,
        query: Query,
    ) -> Result<At<(Vec<Row>, Option<i64>)>, Reject> {
        self.read_at(move |conn| list::page(conn, kind, &query)).await
    }

    /// A page of the event log.
    pub async fn events(&self, range: EventRange) -> Result<EventPage, Reject> {
        self.read(move |conn| snapshot(conn, |conn| events::page(conn, range))).await
    }

    /// A page of the event log read backwards: events before `range.after`, newest first.
    pub async fn events_before(&self, range: EventRange) -> Result<EventPage, Reject> {
        self.read(move |conn| snapshot(conn, |conn| events::page_before(conn, range))).await
    }

    /// Reads a page of the event log for a thread that must not wait: `then` gets it on the
    /// reader's thread, or is dropped there.
    ///
    /// # Errors
    /// `Busy` if the readers' queue is full.
    pub fn read_events(
        &self,
        range: EventRange,
        then: impl FnOnce(Result<EventPage, Reject>) + Send + 'static,
    ) -> Result<(), Reject> {
        let page = move |conn: &Connection| snapshot(conn, |conn| events::page(conn, range));
        let job: ReadJob = Box::new(move |reader| then(reader.query(page)));
        self.reads.try_send(job).map_err(|_| Reject::Busy)
    }

    /// The shop as a whole.
    pub async fn shop(&self) -> Result<At<ShopProfile>, Reject> {
        self.read_at(shop_profile::read).await
    }

    /// Changes the shop as a whole, and returns the new state.
    pub async fn update_shop(
        &self,
        caller: Caller,
        patch: ShopPatch,
        precondition: Precondition,
    ) -> Result<At<ShopProfile>, Reject> {
        self.write_for(caller, move |tx| {
            let value = shop_profile::update(tx, &patch, &precondition, caller)?;
            Ok(At { seq: tx.head, value })
        })
        .await
    }

    /// A page of the audit trail, newest first, and the id before which there may be more.
    pub async fn audit(
        &self,
        filter: AuditFilter,
    ) -> Result<At<(Vec<AuditEntry>, Option<i64>)>, Reject> {
        self.read_at(move |conn| audit::page(conn, filter)).await
    }
}
