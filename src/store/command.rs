//! What the writer is asked to do, one command at a time, so that a rejected one takes nobody along.

use rusqlite::{Connection, ffi};
use tokio::sync::oneshot;

use crate::domain::Reject;
use crate::store::write_tx::WriteTx;

/// A command that remembers its answer, of whatever type, until it may be told.
pub(super) trait Command: Send {
    /// Does the work in the open transaction; none of it may stay if this returns false. Where
    /// the transaction has to begin anew, the work is done again.
    fn work(&mut self, tx: &mut WriteTx<'_>) -> bool;
    /// Its work found no room on the disk.
    fn is_full(&self) -> bool;
    /// Tells the caller; where the transaction is not on disk, why.
    fn tell(self: Box<Self>, failed: Option<Reject>);
}

/// A command, and who waits for its answer.
pub(super) struct Asked<W, T> {
    pub(super) work: W,
    pub(super) done: Result<T, Reject>,
    pub(super) tell: oneshot::Sender<Result<T, Reject>>,
}

impl<W, T> Command for Asked<W, T>
where
    W: FnMut(&mut WriteTx<'_>) -> Result<T, Reject> + Send,
    T: Send,
{
    fn work(&mut self, tx: &mut WriteTx<'_>) -> bool {
        self.done = Err(Reject::Unavailable); // what the first try held is free for the second
        self.done = (self.work)(tx);
        self.done.is_ok()
    }

    fn is_full(&self) -> bool {
        matches!(self.done, Err(Reject::DiskFull))
    }

    fn tell(self: Box<Self>, failed: Option<Reject>) {
        let answer = failed.map_or(self.done, Err);
        // An caller who has gone does not need it.
        drop(self.tell.send(answer));
    }
}

/// Tells all askers that nothing was done.
pub(super) fn refuse(commands: Vec<Box<dyn Command>>, why: &Reject) {
    for command in commands {
        command.tell(Some(why.clone()));
    }
}

/// A command that found no room may have ended the transaction of all.
pub(super) fn check_room(commands: &[Box<dyn Command>]) -> rusqlite::Result<()> {
    let full = || rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None);
    if commands.iter().any(|command| command.is_full()) { Err(full()) } else { Ok(()) }
}

/// Does the commands one after the other; false if one was rejected when it had changed something
/// already. That is rare, and a savepoint for each command costs a copy of every page that it
/// touches.
pub(super) fn in_a_row(tx: &mut WriteTx<'_>, commands: &mut [Box<dyn Command>]) -> bool {
    commands.iter_mut().all(|command| {
        let before = tx.conn.total_changes();
        // A full disk may have ended the transaction.
        command.work(tx) || (tx.conn.total_changes() == before && !tx.conn.is_autocommit())
    })
}

/// Does one command so that its rejection undoes its own changes and nobody else's.
pub(super) fn in_savepoint(
    tx: &mut WriteTx<'_>,
    command: &mut Box<dyn Command>,
) -> rusqlite::Result<()> {
    execute(tx.conn, "SAVEPOINT command")?;
    let (head, events) = (tx.head, tx.events.len());
    if !command.work(tx) {
        execute(tx.conn, "ROLLBACK TO command")?;
        tx.head = head;
        tx.events.truncate(events);
    }
    execute(tx.conn, "RELEASE command")
}

/// Runs a statement that is kept prepared.
pub(super) fn execute(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(drop)
}
