//! A command on its way through the writer's queue, with the caller that waits for its result.

use tokio::sync::oneshot;

use crate::domain::Reject;
use crate::store::write_tx::WriteTx;

/// A command that keeps its result, whatever its type, until the transaction is on disk.
pub(super) trait Command: Send {
    /// Runs in the open transaction; returns whether it succeeded. If the transaction has to start
    /// over, the command runs again.
    fn run(&mut self, tx: &mut WriteTx<'_>) -> bool;
    /// Whether the command was rejected because the disk is full.
    fn is_full(&self) -> bool;
    /// Sends the result to the caller, or `failure` if the transaction failed.
    fn respond(self: Box<Self>, failure: Option<Reject>);
}

/// A command whose caller waits.
pub(super) struct PendingCommand<W, T> {
    work: W,
    result: Result<T, Reject>,
    reply: oneshot::Sender<Result<T, Reject>>,
}

impl<W, T> PendingCommand<W, T>
where
    W: FnMut(&mut WriteTx<'_>) -> Result<T, Reject> + Send,
    T: Send,
{
    /// A command, and the receiver of its result.
    pub(super) fn new(work: W) -> (Box<Self>, oneshot::Receiver<Result<T, Reject>>) {
        let (reply, result) = oneshot::channel();
        (Box::new(Self { work, result: Err(Reject::Unavailable), reply }), result)
    }
}

impl<W, T> Command for PendingCommand<W, T>
where
    W: FnMut(&mut WriteTx<'_>) -> Result<T, Reject> + Send,
    T: Send,
{
    fn run(&mut self, tx: &mut WriteTx<'_>) -> bool {
        self.result = Err(Reject::Unavailable); // frees what the first run held before the second run
        self.result = (self.work)(tx);
        self.result.is_ok()
    }

    fn is_full(&self) -> bool {
        matches!(self.result, Err(Reject::DiskFull))
    }

    fn respond(self: Box<Self>, failure: Option<Reject>) {
        let result = failure.map_or(self.result, Err);
        // A caller that is gone needs no result.
        drop(self.reply.send(result));
    }
}

/// Answers the callers of all commands with `why`.
pub(super) fn reject_all(commands: Vec<Box<dyn Command>>, why: &Reject) {
    for command in commands {
        command.respond(Some(why.clone()));
    }
}
