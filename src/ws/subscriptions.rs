//! The subscriptions of one connection, and the replies to those that wait for the feed.
//!
//! A REST reply may show a commit before the feed has it. So a subscription to a position that the
//! feed has not reached is valid: its reply waits, at most `FEED_WAIT_MAX`. The cursor takes the
//! position at once, so that no event of the channel is sent before the reply.

use std::time::Duration;

use crate::domain::{EntityKind, KindSet};
use crate::feed::Cursor;
use crate::limits::FEED_WAIT_MAX;
use crate::ws::context::LoopContext;
use crate::ws::protocol::ServerMessage;

/// The position in the log, the channels, and the replies that wait.
pub(super) struct Subscriptions {
    pub(super) cursor: Cursor,
    /// The channels whose subscription has no reply yet.
    unanswered: KindSet,
    /// The millisecond in which the newest of them was made.
    unanswered_since_ms: u32,
}

impl Subscriptions {
    /// Creates an empty set of subscriptions at this position.
    pub(super) fn new(position: i64, narrowed: KindSet) -> Self {
        let cursor = Cursor::new(position).narrowed_to(narrowed);
        Self { cursor, unanswered: KindSet::EMPTY, unanswered_since_ms: 0 }
    }

    /// Whether replies wait for the feed.
    pub(super) fn awaits_feed(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// The time until waiting replies give up on the feed; `None` if no reply waits.
    pub(super) fn feed_wait_left(&self, context: &LoopContext) -> Option<Duration> {
        if self.unanswered.is_empty() {
            return None;
        }
        let waited_ms = context.now_ms.wrapping_sub(self.unanswered_since_ms);
        Some(FEED_WAIT_MAX.saturating_sub(Duration::from_millis(waited_ms.into())))
    }

    /// Subscribes to the events after `since`, or from now on. Returns the reply; `None` if it has to wait.
    pub(super) fn subscribe(
        &mut self,
        context: &LoopContext,
        kind: EntityKind,
        since: Option<i64>,
        log: Option<&str>,
    ) -> Option<ServerMessage<'static>> {
        let (head, own) = (context.feed.head(), context.store.log_id());
        match since {
            // Already subscribed: the events that were not sent yet still follow.
            None if self.cursor.follows(kind) => {
                Some(ServerMessage::subscribed(kind, self.cursor.floor(kind), own))
            }
            None => {
                self.cursor.subscribe(kind, head);
                Some(ServerMessage::subscribed(kind, head, own))
            }
            Some(seq)
                if log.is_some_and(|log| log != own.as_str())
                    || !context.store.reaches_back_to(seq) =>
            {
                Some(self.reset(context, kind, head))
            }
            Some(seq) => {
                self.cursor.subscribe(kind, seq);
                if seq <= head {
                    return Some(ServerMessage::subscribed(kind, seq, own));
                }
                self.unanswered.insert(kind);
                self.unanswered_since_ms = context.now_ms;
                None
            }
        }
    }

    /// Ends the subscription.
    pub(super) fn unsubscribe(&mut self, kind: EntityKind) -> ServerMessage<'static> {
        self.cursor.unsubscribe(kind);
        ServerMessage::unsubscribed(kind)
    }

    /// Ends the wait of a channel's subscription; returns its reply, a reset, if it was waiting.
    pub(super) fn give_up(
        &mut self,
        context: &LoopContext,
        kind: EntityKind,
    ) -> Option<ServerMessage<'static>> {
        let waits = self.unanswered.contains(kind);
        self.unanswered.remove(kind);
        waits.then(|| self.reset(context, kind, context.feed.head()))
    }

    /// The next reply whose wait is over, because the log reaches `head` or the time is up.
    pub(super) fn next_reply(
        &mut self,
        context: &LoopContext,
        head: i64,
    ) -> Option<ServerMessage<'static>> {
        let too_long = self.feed_wait_left(context)?.is_zero();
        let reached = |kind| self.cursor.floor(kind) <= head;
        let due =
            |kind: &EntityKind| self.unanswered.contains(*kind) && (too_long || reached(*kind));
        let kind = EntityKind::ALL.into_iter().find(due)?;
        if reached(kind) {
            self.unanswered.remove(kind);
            let log = context.store.log_id();
            return Some(ServerMessage::subscribed(kind, self.cursor.floor(kind), log));
        }
        self.give_up(context, kind)
    }

    /// Resets one channel that lost events, because the log was pruned past the cursor.
    pub(super) fn next_lost(
        &mut self,
        context: &LoopContext,
        oldest: i64,
        head: i64,
    ) -> Option<ServerMessage<'static>> {
        let lost =
            |kind: &EntityKind| self.cursor.follows(*kind) && self.cursor.floor(*kind) < oldest - 1;
        let kind = EntityKind::ALL.into_iter().find(lost)?;
        Some(self.reset(context, kind, head))
    }

    /// Follows the channel from `head` on; the client has to read the entities over REST.
    fn reset(
        &mut self,
        context: &LoopContext,
        kind: EntityKind,
        head: i64,
    ) -> ServerMessage<'static> {
        self.cursor.subscribe(kind, head);
        ServerMessage::reset(kind, head, context.store.log_id())
    }
}
