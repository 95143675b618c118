//! The handle of the store, which all tasks share: it queues commands for the writer and queries for
//! the readers.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::domain::{EntityKind, Reject, Row, event};
use crate::limits::EXTERNAL_CHANGE_INTERVAL;
use crate::shop::Change;
use crate::store::apply::{self, Actor};
use crate::store::audit::{self, AuditEntry, AuditFilter};
use crate::store::command::PendingCommand;
use crate::store::events::{self, EventPage, EventRange};
use crate::store::idempotency::{self, IdempotencyKey, StoredResponse};
use crate::store::list::{self, Query};
use crate::store::readers::ReadJob;
use crate::store::rows;
use crate::store::write_tx::WriteTx;
use crate::store::writer::{Job, WriterStatus};

/// The handle of the store. No call waits for a full queue: it is refused at once.
pub struct Store {
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) reads: mpsc::Sender<ReadJob>,
    pub(super) status: Arc<WriterStatus>,
    /// Held until the last use of the data directory.
    pub(super) _lock: File,
}

impl Store {
    /// Whether the last commit succeeded.
    pub fn healthy(&self) -> bool {
        self.status.healthy.load(Ordering::Acquire) && !self.jobs.is_closed()
    }

    /// Refuses what can wait.
    ///
    /// # Errors
    /// `DiskFull` while the disk is full.
    pub fn check_disk_space(&self) -> Result<(), Reject> {
        if self.status.disk_full.load(Ordering::Acquire) { Err(Reject::DiskFull) } else { Ok(()) }
    }

    /// The oldest `seq` that the event log holds, or will hold.
    pub fn oldest(&self) -> i64 {
        self.status.oldest.load(Ordering::Acquire)
    }

    /// How many commands wait for the writer.
    pub fn queued(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Wakes the writer now and then, so that it sees what other programs wrote and prunes the
    /// log. Never returns.
    pub async fn tick(&self) {
        let mut tick = tokio::time::interval(EXTERNAL_CHANGE_INTERVAL + Duration::from_millis(50));
        loop {
            tick.tick().await;
            if let Err(mpsc::error::TrySendError::Closed(_)) = self.jobs.try_send(Job::Tick) {
                return std::future::pending().await; // the writer's end is reported elsewhere
            }
        }
    }

    /// Runs a command in the writer's next transaction; returns when it is on disk. `work` may be
    /// called a second time, where the transaction had to begin anew.
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

    /// Runs a query on a reader.
    ///
    /// # Errors
    /// `Busy` if the readers' queue is full, else what `query` returned.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Reject> + Send + 'static,
    ) -> Result<T, Reject> {
        let (reply, result) = oneshot::channel();
        // A caller that has gone does not need the reply.
        let job: ReadJob = Box::new(move |conn| drop(reply.send(query(conn))));
        self.reads.try_send(job).map_err(|_| Reject::Busy)?;
        result.await.unwrap_or(Err(Reject::Unavailable))
    }

    /// Applies a change of an entity; returns it as it is then, `None` after a deletion. Nothing is
    /// done where `room` refuses that many bytes, and so with the next two.
    pub async fn change<P: Send + 'static>(
        &self,
        actor: Actor,
        change: Change,
        room: impl Fn(usize) -> Result<P, Reject> + Send + 'static,
    ) -> Result<(Option<Row>, P), Reject> {
        self.check_disk_space()?;
        self.write(move |tx| {
            let row = apply::apply(tx, &actor, &change)?;
            let room = room(row.as_ref().map_or(0, rows::size))?;
            Ok((row, room))
        })
        .await
    }

    /// Makes an entity, or gives the first response again.
    pub async fn create<P: Send + 'static>(
        &self,
        actor: Actor,
        change: Change,
        key: Option<IdempotencyKey>,
        room: impl Fn(usize) -> Result<P, Reject> + Send + 'static,
    ) -> Result<(StoredResponse, P), Reject> {
        self.check_disk_space()?;
        self.write(move |tx| {
            let response = idempotency::run_once(tx, key.as_ref(), |tx| {
                let row = apply::apply(tx, &actor, &change)?.ok_or(Reject::NotFound)?;
                Ok(StoredResponse {
                    location: format!("/api/{}/{}", row.kind.schema().plural, row.id),
                    etag: format!("\"{}\"", row.seq),
                    body: event::entity(&row)?,
                })
            })?;
            let room = room(response.body.len())?;
            Ok((response, room))
        })
        .await
    }

    /// The entity with that id.
    pub async fn get<P: Send + 'static>(
        &self,
        kind: EntityKind,
        id: i64,
        room: impl Fn(usize) -> Result<P, Reject> + Send + 'static,
    ) -> Result<(Row, P), Reject> {
        self.read(move |conn| {
            let row = rows::load(conn, kind, id)?.ok_or(Reject::NotFound)?;
            let room = room(rows::size(&row))?;
            Ok((row, room))
        })
        .await
    }

    /// One page of a list, and whether more follow.
    pub async fn list(&self, kind: EntityKind, query: Query) -> Result<(Vec<Row>, bool), Reject> {
        self.read(move |conn| list::page(conn, kind, &query)).await
    }

    /// A part of the event log.
    pub async fn events(&self, range: EventRange) -> Result<EventPage, Reject> {
        self.read(move |conn| events::page(conn, range)).await
    }

    /// A part of the event log for a thread that must not wait: `then` gets it on the reader's
    /// thread, or is dropped there.
    ///
    /// # Errors
    /// `Busy` if the readers' queue is full.
    pub fn read_events(
        &self,
        range: EventRange,
        then: impl FnOnce(Result<EventPage, Reject>) + Send + 'static,
    ) -> Result<(), Reject> {
        let job: ReadJob = Box::new(move |conn| then(events::page(conn, range)));
        self.reads.try_send(job).map_err(|_| Reject::Busy)
    }

    /// A part of the audit trail, newest first, and the id before which there may be more.
    pub async fn audit(
        &self,
        filter: AuditFilter,
    ) -> Result<(Vec<AuditEntry>, Option<i64>), Reject> {
        self.read(move |conn| audit::page(conn, filter)).await
    }
}
