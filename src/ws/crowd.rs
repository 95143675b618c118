//! All connections, and the thread that serves them.

use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};
use std::{io, mem};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::domain::{EntityKind, Reject};
use crate::feed::{Batch, Feed};
use crate::limits::{
    BROADCAST_SLICE, CATCH_UP_RETRY_DELAY, CATCH_UPS_MAX, COALESCE_BYTES_MAX, COALESCE_DELAY_MAX,
    COALESCE_DELAY_MIN, COALESCE_ROUNDS, POLL_EVENTS_MAX, READ_BYTES, SOCKET_TICK,
    UNSENT_BYTES_PER_CONNECTION,
};
use crate::metrics::Metrics;
use crate::store::{EventPage, EventRange, Store};
use crate::ws::connection::{Connection, End, Pumped};
use crate::ws::farewell::leave;
use crate::ws::{Answer, Guest, Hub, Inbox, WAKER};

/// What a connection sees while it has its turn.
pub(super) struct View {
    pub(super) feed: Arc<Feed>,
    pub(super) store: Arc<Store>,
    pub(super) metrics: Arc<Metrics>,
    hub: Arc<Hub>,
    /// Since the start.
    pub(super) seconds: u32,
    /// Where frames are put together.
    pub(super) batch: Batch,
    /// Where bytes are read to.
    pub(super) buffer: Box<[u8]>,
    /// What they say, where they were encrypted.
    pub(super) opened: Vec<u8>,
    /// The connection has spoken, and there may be more.
    pub(super) more_to_hear: bool,
}

impl View {
    /// Sockets with a slot below this leave.
    pub(super) fn leaving(&self) -> u32 {
        self.hub.leaving.load(Ordering::Acquire)
    }
}

/// All connections.
pub struct Crowd {
    poll: Poll,
    guests: mpsc::Receiver<Guest>,
    pages: mpsc::Receiver<Answer>,
    /// Where last words are said.
    runtime: Handle,
    connections: Slab<Connection>,
    joined: u32,
    view: View,
    started: Instant,
    next_tick: Instant,
    /// News up to this `seq` went out, to all but those who follow an unfinished kind.
    head: i64,
    /// What the feed had written then.
    written: u64,
    /// Bit n set: the last round was not enough for those who follow kind n.
    unfinished: u8,
    round_began: Instant,
    next_round: Instant,
    /// Connections that the ring does not reach back to, in the order of their turns.
    behind: VecDeque<usize>,
    /// Pages that were asked for and have not come.
    pages_asked: usize,
    /// Connections that may have more to say than one read took.
    unheard: Vec<usize>,
    /// Bytes that wait in all sockets, and how many may.
    waiting: usize,
    waiting_max: usize,
}

impl Crowd {
    /// Nobody is connected yet, and so many may be. Must be called within the runtime that says the last words.
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
            guests: inbox.guests,
            pages: inbox.pages,
            runtime: Handle::current(),
            connections: Slab::new(),
            joined: 0,
            head: feed.head(),
            written: feed.written(),
            view: View {
                feed,
                store,
                metrics,
                hub,
                seconds: 0,
                batch: Batch::new(),
                buffer: vec![0; READ_BYTES].into(),
                opened: Vec::new(),
                more_to_hear: false,
            },
            started: now,
            next_tick: now + SOCKET_TICK,
            unfinished: 0,
            round_began: now,
            next_round: now,
            behind: VecDeque::new(),
            pages_asked: 0,
            unheard: Vec::new(),
            waiting: 0,
            waiting_max: connections_max.saturating_mul(UNSENT_BYTES_PER_CONNECTION),
        }
    }

    /// Serves everybody until `Hub::stop`.
    pub fn serve(mut self) {
        let mut events = Events::with_capacity(POLL_EVENTS_MAX);
        while !self.view.hub.stop.load(Ordering::Acquire) {
            match self.poll.poll(&mut events, Some(self.patience())) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::error!(%error, "the sockets cannot be watched");
                    return;
                }
                _ => self.turn(&events),
            }
        }
    }

    /// How long nothing has to be done, if nobody rings.
    fn patience(&self) -> Duration {
        if self.unfinished != 0 || !self.unheard.is_empty() {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let mut patience = self.next_tick - now;
        if self.view.feed.head() != self.head {
            patience = patience.min(self.next_round - now);
        }
        patience
    }

    fn turn(&mut self, events: &Events) {
        self.view.metrics.socket_turns.inc();
        // Before anything is looked at: what comes later rings again.
        self.view.hub.rung.swap(false, Ordering::AcqRel);
        self.view.seconds = u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX);
        for at in mem::take(&mut self.unheard) {
            self.meet(at);
        }
        for event in events.iter().filter(|event| event.token() != WAKER) {
            self.meet(event.token().0);
        }
        while let Ok(guest) = self.guests.try_recv() {
            self.admit(guest);
        }
        while let Ok(answer) = self.pages.try_recv() {
            self.pass_on(answer);
        }
        let tick = Instant::now() >= self.next_tick;
        if self.view.hub.look.swap(false, Ordering::AcqRel) || tick {
            self.next_tick = Instant::now() + SOCKET_TICK;
            for at in 0..self.connections.capacity() {
                self.attend(at, Connection::look);
            }
            let unsent = self.connections.iter().map(|(_, one)| one.unsent(&self.view)).max();
            self.view.metrics.unsent.set(unsent.unwrap_or(0));
        }
        let full = self.view.feed.written() - self.written >= COALESCE_BYTES_MAX;
        if full || Instant::now() >= self.next_round {
            self.tell_news();
        }
        self.ask_for_pages();
    }

    /// Gives one connection its turn. A bug in it ends it, and nobody else.
    fn attend(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Connection, &mut View) -> Result<Pumped, End>,
    ) -> Option<Pumped> {
        let connection = self.connections.get_mut(at)?;
        let waited = connection.socket.waiting();
        let acted = catch_unwind(AssertUnwindSafe(|| act(connection, &mut self.view)));
        let waits = connection.socket.waiting();
        self.waiting = self.waiting - waited + waits;
        let too_much = waits > waited && self.waiting > self.waiting_max;
        match acted {
            Ok(Ok(_)) if too_much => self.dismiss(at, &End::Gone),
            Ok(Ok(pumped)) => {
                if pumped == Pumped::Behind && !mem::replace(&mut connection.awaits_page, true) {
                    self.behind.push_back(at);
                }
                return Some(pumped);
            }
            Ok(Err(end)) => self.dismiss(at, &end),
            Err(_) => {
                self.view.metrics.panics.inc();
                self.view.batch.clear();
                self.dismiss(at, &End::Gone);
            }
        }
        None
    }

    /// The socket has something to read, or room.
    fn meet(&mut self, at: usize) {
        self.attend(at, Connection::meet);
        if mem::take(&mut self.view.more_to_hear) {
            self.unheard.push(at);
        }
    }

    fn admit(&mut self, guest: Guest) {
        self.joined = self.joined.wrapping_add(1);
        let entry = self.connections.vacant_entry();
        let fd = guest.stream.as_raw_fd();
        // Once and for all: the kernel speaks up when there is more to read, and when a socket
        // that was full has room again.
        let both = Interest::READABLE | Interest::WRITABLE;
        let token = Token(entry.key());
        if let Err(error) = self.poll.registry().register(&mut SourceFd(&fd), token, both) {
            tracing::warn!(%error, "a socket cannot be watched");
            return;
        }
        let at = entry.key();
        let early = guest.early.clone();
        let connection = Connection::new(guest, self.joined, &self.view);
        self.waiting += connection.socket.waiting();
        entry.insert(connection);
        self.view.metrics.sockets.inc();
        self.attend(at, |connection, view| {
            connection.hear(view, &early)?;
            connection.look(view)
        });
    }

    /// Lets a connection go, with its last words if it has any.
    fn dismiss(&mut self, at: usize, end: &End) {
        let (socket, place) = self.connections.remove(at).into_parts();
        self.waiting -= socket.waiting();
        self.view.metrics.sockets.dec();
        let why = match *end {
            End::Close(code, why) => Some((code, why)),
            End::Answered => None,
            End::Gone => return,
        };
        let fd = socket.as_raw_fd();
        if let Err(error) = self.poll.registry().deregister(&mut SourceFd(&fd)) {
            tracing::debug!(%error, "a socket is still watched");
        }
        self.runtime.spawn(async move {
            leave(socket, why).await;
            drop(place);
        });
    }

    /// Tells what was published to all who want it, one write to each. Who follows the same is
    /// served together: these writes are put together once.
    fn tell_news(&mut self) {
        let (written, head) = (self.view.feed.written(), self.view.feed.head());
        if head == self.head && self.unfinished == 0 {
            return;
        }
        if self.unfinished == 0 {
            self.round_began = Instant::now();
        }
        let kinds = self.unfinished | self.view.feed.kinds_behind(self.head);
        let before = mem::replace(&mut self.head, head);
        self.written = written;
        let mut wishes = [false; 1 << EntityKind::ALL.len()];
        for (_, connection) in &mut self.connections {
            if connection.kinds() & kinds == 0 {
                connection.pass(before, head);
            } else {
                wishes[usize::from(connection.kinds())] = true;
            }
        }
        self.unfinished = 0;
        let mut told = 0;
        for wish in (0..=u8::MAX).zip(wishes).filter_map(|(wish, there)| there.then_some(wish)) {
            for at in 0..self.connections.capacity() {
                if self.connections.get(at).is_none_or(|one| one.kinds() != wish) {
                    continue;
                }
                if self.attend(at, |one, view| one.deliver(view, head)) == Some(Pumped::More) {
                    self.unfinished |= wish;
                }
                told += 1;
                if told % BROADCAST_SLICE == 0 {
                    thread::yield_now();
                }
            }
        }
        if self.unfinished == 0 {
            self.view.feed.told(self.written);
            self.next_round = Instant::now() + self.gather();
        }
    }

    /// How long news waits for more of it: not at all while it comes less often than a round takes.
    fn gather(&self) -> Duration {
        if self.view.feed.head() == self.head {
            return Duration::ZERO;
        }
        let gather = (self.round_began.elapsed() * COALESCE_ROUNDS).min(COALESCE_DELAY_MAX);
        if gather < COALESCE_DELAY_MIN { Duration::ZERO } else { gather }
    }

    /// Asks for the next pages of the log, a few at a time.
    fn ask_for_pages(&mut self) {
        while self.pages_asked < CATCH_UPS_MAX
            && let Some(at) = self.behind.pop_front()
        {
            let Some(connection) = self.connections.get(at).filter(|one| one.awaits_page) else {
                continue; // it has left meanwhile
            };
            let asked = connection.next_page();
            let errand = Errand {
                hub: Arc::clone(&self.view.hub),
                who: (at, connection.number()),
                asked,
                page: None,
            };
            self.pages_asked += 1;
            let deliver = move |page: Result<EventPage, Reject>| errand.deliver(page.ok());
            if self.view.store.read_events(asked, deliver).is_err() {
                return; // the errand has answered
            }
        }
    }

    /// A page has come, for the one who asked and for all who were about to ask for the same.
    fn pass_on(&mut self, Answer { who: (at, number), asked, page }: Answer) {
        self.pages_asked -= 1;
        if page.is_none() {
            self.next_tick = self.next_tick.min(Instant::now() + CATCH_UP_RETRY_DELAY);
        }
        if self.connections.get(at).is_some_and(|one| one.number() == number) {
            self.attend(at, |one, view| one.take_page(view, asked, page.as_ref()));
        }
        for at in mem::take(&mut self.behind) {
            match self.connections.get(at) {
                Some(one) if one.awaits_page && one.next_page() == asked => {
                    self.attend(at, |one, view| one.take_page(view, asked, page.as_ref()));
                }
                Some(_) => self.behind.push_back(at),
                None => {}
            }
        }
    }
}

/// A connection's wish for a page on its way to a reader. Whatever becomes of it, it is answered.
struct Errand {
    hub: Arc<Hub>,
    who: (usize, u32),
    asked: EventRange,
    page: Option<EventPage>,
}

impl Errand {
    fn deliver(mut self, page: Option<EventPage>) {
        self.page = page;
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        let Self { who, asked, page, .. } = self;
        let answer = Answer { who: *who, asked: *asked, page: page.take() };
        self.hub.answer(answer);
    }
}
