//! Handles a client's messages.

use std::mem;

use crate::domain::EntityKind;
use crate::limits::{CLIENT_ERROR_WINDOW, CLIENT_ERRORS_MAX};
use crate::ws::connection::{CloseReason, Connection};
use crate::ws::context::LoopContext;
use crate::ws::decoder::Incoming;
use crate::ws::protocol::{ClientMessage, ServerMessage};

impl Connection {
    /// Decodes bytes from the peer and queues the replies.
    pub(in crate::ws) fn receive(
        &mut self,
        context: &LoopContext,
        bytes: &[u8],
    ) -> Result<(), CloseReason> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.last_proof_secs = context.now_secs;
        let mut decoder = mem::take(&mut self.decoder);
        let (mut output, mut close) = (Vec::new(), None);
        decoder.receive(bytes, &mut output, |incoming, output| {
            let handled = match incoming {
                Incoming::Text(text) => self.handle(context, &text, output),
                Incoming::Binary(_) => {
                    self.put_error(context, "binary messages mean nothing here, send text", output)
                }
                Incoming::Closed => Err(CloseReason::Answered),
                Incoming::Broken(code, text) => Err(CloseReason::Close(code, text)),
            };
            close = handled.err();
            close.is_none()
        });
        self.decoder = decoder;
        self.socket.queue(&output);
        close.map_or(Ok(()), Err)
    }

    fn handle(
        &mut self,
        context: &LoopContext,
        text: &str,
        output: &mut Vec<u8>,
    ) -> Result<(), CloseReason> {
        let message = match ClientMessage::parse(text) {
            Ok(message) => message,
            Err(wrong) => return self.put_error(context, &wrong, output),
        };
        let reply = match message {
            ClientMessage::Ping => Some(ServerMessage::Pong),
            ClientMessage::Turn => Some(self.tell_turn(context)),
            // What is not counted is on the socket, or in its queue, before this reply.
            ClientMessage::Lag => Some(ServerMessage::Lag { unsent: self.unsent(context) }),
            ClientMessage::Subscribe { channel, .. }
                if !self.session.principal.role().may_follow(channel) =>
            {
                let (role, channel) =
                    (self.session.principal.role().name(), channel.schema().channel);
                let wrong = format!("the role {role} may not read {channel}");
                return self.put_error(context, &wrong, output);
            }
            ClientMessage::Subscribe { channel, since, log } => {
                self.give_up_reply(context, channel, output);
                self.subscriptions.subscribe(context, channel, since, log.as_deref())
            }
            ClientMessage::Unsubscribe { channel } => {
                self.give_up_reply(context, channel, output);
                Some(self.subscriptions.unsubscribe(channel))
            }
        };
        if let Some(reply) = reply {
            reply.put(output);
        }
        Ok(())
    }

    /// Appends the reply to an older subscription of the channel that still waits, before that to a newer
    /// message.
    fn give_up_reply(&mut self, context: &LoopContext, channel: EntityKind, output: &mut Vec<u8>) {
        if let Some(reply) = self.subscriptions.give_up(context, channel) {
            reply.put(output);
        }
    }

    /// Appends an error message; too many of them close the connection.
    fn put_error(
        &mut self,
        context: &LoopContext,
        wrong: &str,
        output: &mut Vec<u8>,
    ) -> Result<(), CloseReason> {
        ServerMessage::Error { message: wrong }.put(output);
        let now = context.now_secs;
        if u64::from(now - self.error_window_secs) > CLIENT_ERROR_WINDOW.as_secs() {
            (self.errors, self.error_window_secs) = (0, now);
        }
        self.errors += 1;
        if self.errors >= CLIENT_ERRORS_MAX {
            return Err(CloseReason::Close(1008, "too many errors"));
        }
        Ok(())
    }
}
