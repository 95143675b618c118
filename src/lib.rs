//! Tillcast: a shop's orders in SQLite, every change on a WebSocket, in one small program.
//!
//! ```text
//! bytes ─► server ─► http | ws ─► Change ─► store ── bounded queue ─► writer thread:
//!                                                                    rows + event log, one
//!                                                                    transaction for all that waits
//!                                                                        │ after the commit
//!                                                        ┌───────────────┴───────────────┐
//!                                                        ▼                               ▼
//!                                                answers to the askers     feed: one ring of finished frames
//!                                                                                        │ a cursor each
//!                               store.events(cursor) ◄── who has fallen behind ──────────┤
//!                                                                                        ▼
//!                                                                                   ws ─► bytes
//! ```
//!
//! **The event log is the queue.** The ring holds the newest events once for everybody; a
//! connection owns only its place in the log. A slow display, a handheld that was away, a fresh
//! client and a restart are the same case, and memory does not depend on how slow anybody is.
//!
//! The rooms, each with the crates that it is the home of; a room imports only from layers below
//! its own, and never from its own (`tests/tidy` holds it to that):
//!
//! | layer | room | what it is for |
//! |---|---|---|
//! | 0 | [`limits`] | every bound, why it is what it is, what happens when it is reached |
//! | 0 | [`domain`] | entities with their schemas and statuses, events, rejections; `time`, `iso_currency` |
//! | 0 | [`frame`] | WebSocket frames as a server writes them |
//! | 0 | [`metrics`] | what is counted; `prometheus-client` |
//! | 0 | [`lifecycle`] | whether the server is running or has begun to stop |
//! | 0 | [`throttle`] | bounded tables of who does something too often; `heapless` |
//! | 0 | [`tls`] | certificates, and sessions without a socket; `rustls`, `rcgen` |
//! | 0 | [`memory`] | the allocator's settings; `libc`, the one room with unsafe code |
//! | 0 | [`announce`] | tells the shop's network where the server is, in a process of its own; `mdns-sd` |
//! | 1 | [`shop`] | the rules: orders, stock, payments, parcels; plan a change, tell what follows |
//! | 2 | [`store`] | the writer, the readers, the event log; `rusqlite` |
//! | 2 | [`feed`] | the ring; `heapless` |
//! | 3 | [`auth`] | logins, sessions, origins; `argon2`, `sha2`, `getrandom` |
//! | 4 | [`http`] | a request becomes an answer; `hyper`'s requests and answers |
//! | 4 | [`ws`] | the WebSockets and their one thread; `tungstenite`, `mio`, `slab` |
//! | 5 | [`server`] | listen, let in, hand to http or ws, keep time, tell the service manager, stop; `socket2`, `listenfd` |
//! | 5 | [`config`] | settings from flags, environment, file; `lexopt`, `toml`, `humantime` |
//! | 6 | [`cli`] | the commands; `tracing-subscriber`, `rpassword`, `tempfile` |

pub mod announce;
pub mod auth;
pub mod cli;
pub mod config;
pub mod domain;
pub mod feed;
pub mod frame;
pub mod http;
pub mod lifecycle;
pub mod limits;
pub mod memory;
pub mod metrics;
pub mod server;
pub mod shop;
pub mod store;
pub mod throttle;
pub mod tls;
pub mod ws;
