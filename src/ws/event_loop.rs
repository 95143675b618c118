//! The thread that serves every WebSocket.

use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use std::{io, mem};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::domain::{KindSet, Reject};
use crate::feed::Feed;
use crate::limits::{
    BROADCAST_SLICE, CATCH_UP_RETRY_DELAY, CATCH_UPS_MAX, COALESCE_BYTES_MAX, COALESCE_DELAY_MAX,
    COALESCE_DELAY_MIN, COALESCE_ROUNDS, POLL_EVENTS_MAX, SOCKET_TICK, UNSENT_BYTES_PER_CONNECTION,
};
use crate::metrics::Metrics;
use crate::store::{EventPage, EventRange, Store};
use crate::ws::close::close;
use crate::ws::connection::{CloseReason, Connection, SendProgress};
use crate::ws::context::LoopContext;
use crate::ws::hub::{Hub, Inbox, NewSocket, PageReply, WAKER};

/// All connections, which it serves in turn.
pub struct EventLoop {
    poll: Poll,
    new_sockets: mpsc::Receiver<NewSocket>,
    pages: mpsc::Receiver<PageReply>,
    /// Runs the closing handshakes.
    runtime: Handle,
    connections: Slab<Connection>,
    /// Connections that have joined since the start; wraps around.
    joined: u32,
    context: LoopContext,
    started: Instant,
    next_tick: Instant,
    /// Events up to this `seq` were broadcast, except those of unfinished kinds.
    head: i64,
    /// The bytes that the feed had written at that `seq`.
    written: u64,
    /// The kinds whose subscribers the last round did not finish.
    unfinished: KindSet,
    round_began: Instant,
    next_round: Instant,
    /// The distinct sets of channels of a round's recipients; empty between rounds.
    recipients: Vec<KindSet>,
    /// Connections whose next event is no longer in the ring, first come first served.
    lagging: VecDeque<usize>,
    /// Pages that were requested and have not arrived.
    pages_requested: usize,
    /// Connections that may have sent more bytes than one read returned.
    pending_reads: Vec<usize>,
    /// Bytes that wait in all sockets, and their bound.
    unsent: usize,
    unsent_max: usize,
}

impl EventLoop {
    /// Creates a loop for at most `connections_max` connections. Must be called within the runtime that will
    /// run the closing handshakes.
    pub fn new(
        hub: Arc<Hub>,
        inbox: Inbox,
        feed: Arc<Feed>,
        store: Arc<Store>,
        metrics: Arc<Metrics>,
        connections_max: usize,
    ) -> Self {
        let now = Instant::now();
        Self {
            poll: inbox.poll,
            new_sockets: inbox.new_sockets,
            pages: inbox.pages,
            runtime: Handle::current(),
            connections: Slab::new(),
            joined: 0,
            head: feed.head(),
            written: feed.written(),
            context: LoopContext::new(hub, feed, store, metrics),
            started: now,
            next_tick: now + SOCKET_TICK,
            unfinished: KindSet::EMPTY,
            round_began: now,
            next_round: now,
            recipients: Vec::new(),
            lagging: VecDeque::new(),
            pages_requested: 0,
            pending_reads: Vec::new(),
            unsent: 0,
            unsent_max: connections_max.saturating_mul(UNSENT_BYTES_PER_CONNECTION),
        }
    }

    /// Serves all connections until `Hub::stop`.
    pub fn serve(mut self) {
        let mut events = Events::with_capacity(POLL_EVENTS_MAX);
        while !self.context.hub.is_stopped() {
            match self.poll.poll(&mut events, Some(self.poll_timeout())) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::error!(%error, "the sockets cannot be watched");
                    return;
                }
                _ => self.run_once(&events),
            }
        }
    }

    /// The time until the loop has to run without a wake-up.
    fn poll_timeout(&self) -> Duration {
        if !self.unfinished.is_empty() || !self.pending_reads.is_empty() {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let mut timeout = self.next_tick - now;
        if self.context.feed.head() != self.head {
            timeout = timeout.min(self.next_round - now);
        }
        timeout
    }

    fn run_once(&mut self, events: &Events) {
        self.context.metrics.event_loop_rounds.inc();
        self.context.hub.begin_run();
        self.context.set_now(self.started.elapsed());
        for index in mem::take(&mut self.pending_reads) {
            self.on_ready(index);
        }
        for event in events.iter().filter(|event| event.token() != WAKER) {
            self.on_ready(event.token().0);
        }
        while let Ok(socket) = self.new_sockets.try_recv() {
            self.add(socket);
        }
        while let Ok(reply) = self.pages.try_recv() {
            self.deliver_page(reply);
        }
        if self.context.hub.take_recheck() || Instant::now() >= self.next_tick {
            self.on_tick();
        }
        let full = self.context.feed.written() - self.written >= COALESCE_BYTES_MAX;
        if full || Instant::now() >= self.next_round {
            self.broadcast();
        }
        self.request_pages();
    }

    /// Gives one connection its turn. A panic in it ends this connection and no other.
    fn with_connection(
        &mut self,
        index: usize,
        turn: impl FnOnce(&mut Connection, &mut LoopContext) -> Result<SendProgress, CloseReason>,
    ) -> Option<SendProgress> {
        let connection = self.connections.get_mut(index)?;
        let before = connection.socket.waiting();
        self.context.index = index;
        let result = catch_unwind(AssertUnwindSafe(|| turn(connection, &mut self.context)));
        let after = connection.socket.waiting();
        self.unsent = self.unsent - before + after;
        let too_much = after > before && self.unsent > self.unsent_max;
        if let Some(left) = connection.feed_wait_left(&self.context) {
            self.next_tick = self.next_tick.min(Instant::now() + left);
        }
        match result {
            Ok(Ok(_)) if too_much => self.close(index, &CloseReason::Gone),
            Ok(Ok(progress)) => {
                let lags = progress == SendProgress::Lagged;
                if lags && !mem::replace(&mut connection.awaits_page, true) {
                    self.lagging.push_back(index);
                }
                return Some(progress);
            }
            Ok(Err(reason)) => self.close(index, &reason),
            Err(_) => {
                self.context.metrics.panics.inc();
                self.context.batch.clear();
                self.close(index, &CloseReason::Gone);
            }
        }
        None
    }

    /// The socket can be read, or written again.
    fn on_ready(&mut self, index: usize) {
        self.with_connection(index, Connection::on_ready);
        if mem::take(&mut self.context.read_again) {
            self.pending_reads.push(index);
        }
    }

    /// Makes every connection check its session and its timeouts.
    fn on_tick(&mut self) {
        self.next_tick = Instant::now() + SOCKET_TICK;
        self.context.count_turns();
        for index in 0..self.connections.capacity() {
            self.with_connection(index, Connection::on_tick);
        }
        self.measure_lag();
    }

    /// Measures how far the slowest socket lags: of all, and of each session.
    fn measure_lag(&self) {
        self.connections.iter().for_each(|(_, one)| one.session().begin_measuring());
        let mut most = 0;
        for (_, one) in &self.connections {
            let unsent = one.unsent(&self.context);
            one.session().measured(unsent);
            most = most.max(unsent);
        }
        self.context.metrics.unsent.set(most);
    }

    fn add(&mut self, socket: NewSocket) {
        self.joined = self.joined.wrapping_add(1);
        let entry = self.connections.vacant_entry();
        let index = entry.key();
        let fd = socket.stream.as_raw_fd();
        // Edge-triggered: the kernel reports new bytes, and that a full socket can be written again.
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut SourceFd(&fd), Token(index), both) {
            tracing::warn!(%error, "a socket cannot be watched");
            return;
        }
        let early = socket.early.clone();
        let connection = Connection::new(socket, self.joined, &self.context);
        self.unsent += connection.socket.waiting();
        entry.insert(connection);
        self.context.metrics.sockets.inc();
        self.context.count_turns();
        self.with_connection(index, |connection, context| {
            connection.receive(context, &early)?;
            connection.on_tick(context)
        });
    }

    /// Removes a connection; its closing handshake, if there is one, continues in a task.
    fn close(&mut self, index: usize, reason: &CloseReason) {
        let (socket, permit) = self.connections.remove(index).into_parts();
        self.unsent -= socket.waiting();
        self.context.metrics.sockets.dec();
        let reason = match *reason {
            CloseReason::Close(code, text) => Some((code, text)),
            CloseReason::Answered => None,
            CloseReason::Gone => return,
        };
        let fd = socket.as_raw_fd();
        if let Err(error) = self.poll.registry().deregister(&mut SourceFd(&fd)) {
            tracing::debug!(%error, "a closing socket is still watched");
        }
        self.runtime.spawn(async move {
            close(socket, reason).await;
            drop(permit);
        });
    }

    /// Sends the new events to their subscribers, one write to each. Subscribers with the same
    /// channels share one encoded batch.
    fn broadcast(&mut self) {
        let (written, head) = (self.context.feed.written(), self.context.feed.head());
        if head == self.head && self.unfinished.is_empty() {
            return;
        }
        if self.unfinished.is_empty() {
            self.round_began = Instant::now();
        }
        let kinds = self.unfinished.union(self.context.feed.kinds_after(self.head));
        let before = mem::replace(&mut self.head, head);
        self.written = written;
        let mut recipients = mem::take(&mut self.recipients);
        for (_, connection) in &mut self.connections {
            let channels = connection.kinds();
            if !channels.intersects(kinds) && !connection.awaits_feed() {
                connection.skip(before, head);
            } else if recipients.last() != Some(&channels) && !recipients.contains(&channels) {
                recipients.push(channels);
            }
        }
        self.unfinished = KindSet::EMPTY;
        let mut served = 0;
        for channels in recipients.drain(..) {
            for index in 0..self.connections.capacity() {
                if self.connections.get(index).is_none_or(|one| one.kinds() != channels) {
                    continue;
                }
                let sent = self.with_connection(index, |one, context| one.deliver(context, head));
                if sent == Some(SendProgress::More) {
                    self.unfinished = self.unfinished.union(channels);
                }
                served += 1;
                if served % BROADCAST_SLICE == 0 {
                    thread::yield_now();
                }
            }
        }
        self.recipients = recipients;
        if self.unfinished.is_empty() {
            self.context.feed.delivered(self.written);
            self.next_round = Instant::now() + self.coalesce_delay();
        }
    }

    /// The time for which new events are held back, so that more of them leave in one write: zero unless
    /// some came during the round.
    fn coalesce_delay(&self) -> Duration {
        if self.context.feed.head() == self.head {
            return Duration::ZERO;
        }
        let delay = (self.round_began.elapsed() * COALESCE_ROUNDS).min(COALESCE_DELAY_MAX);
        if delay < COALESCE_DELAY_MIN { Duration::ZERO } else { delay }
    }

    /// Requests the next pages of the log, `CATCH_UPS_MAX` at a time.
    fn request_pages(&mut self) {
        while self.pages_requested < CATCH_UPS_MAX
            && let Some(index) = self.lagging.pop_front()
        {
            let Some(connection) = self.connections.get(index).filter(|one| one.awaits_page) else {
                continue; // the connection has ended
            };
            let range = connection.next_page();
            let request = PageRequest {
                hub: Arc::clone(&self.context.hub),
                requester: (index, connection.number()),
                range,
                page: None,
            };
            self.pages_requested += 1;
            let complete = move |page: Result<EventPage, Reject>| request.complete(page.ok());
            if self.context.store.read_events(range, complete).is_err() {
                return; // dropping the request has replied
            }
        }
    }

    /// Delivers a page to the connection that requested it, and to all that wait for the same page.
    fn deliver_page(&mut self, reply: PageReply) {
        let PageReply { requester: (index, number), range, page } = reply;
        self.pages_requested -= 1;
        if page.is_none() {
            self.next_tick = self.next_tick.min(Instant::now() + CATCH_UP_RETRY_DELAY);
        }
        if self.connections.get(index).is_some_and(|one| one.number() == number) {
            self.with_connection(index, |one, context| {
                one.send_page(context, range, page.as_ref())
            });
        }
        for index in mem::take(&mut self.lagging) {
            match self.connections.get(index) {
                Some(one) if one.awaits_page && one.next_page() == range => {
                    self.with_connection(index, |one, context| {
                        one.send_page(context, range, page.as_ref())
                    });
                }
                Some(_) => self.lagging.push_back(index),
                None => {}
            }
        }
    }
}

/// A request for a page, on its way to a reader. Dropping it always sends a reply.
struct PageRequest {
    hub: Arc<Hub>,
    requester: (usize, u32),
    range: EventRange,
    page: Option<EventPage>,
}

impl PageRequest {
    fn complete(mut self, page: Option<EventPage>) {
        self.page = page;
    }
}

impl Drop for PageRequest {
    fn drop(&mut self) {
        let Self { requester, range, page, .. } = self;
        let reply = PageReply { requester: *requester, range: *range, page: page.take() };
        self.hub.page_ready(reply);
    }
}
