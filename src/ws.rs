//! WebSockets: one thread for all of them. No other module uses mio or tungstenite.
//!
//! A connection owns a position in the log and a socket, but no task and no buffer. The thread sleeps
//! until an event is published or a peer sends something. One round writes the new events to every
//! subscriber, directly into the kernel. A full socket waits until the kernel accepts more.

pub mod asyncapi;
mod close;
mod connection;
mod context;
mod decoder;
mod event_loop;
mod handshake;
mod hub;
mod message_rows;
mod protocol;
mod socket;
mod subscriptions;
mod turn;

pub use close::close;
pub use decoder::{Incoming, MessageDecoder};
pub use event_loop::EventLoop;
pub use handshake::{Accepted, Handshake, HandshakeError, SUBPROTOCOL, VERSION};
pub use hub::{ConnectionPermit, DRAIN_SLOTS, Hub, Inbox, NewSocket};
pub use protocol::ClientMessage;
pub use socket::{Gone, Socket};
