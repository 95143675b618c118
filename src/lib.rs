//! Tillcast: a shop's orders in SQLite, every change on a WebSocket, in one small program.
//!
//! ```text
//!  bytes ─► server ─► http, ws ─► store: a bounded queue ─► writer thread: shop rules, rows, event log,
//!                                                          one transaction for all waiting commands
//!                                                              │ after the commit
//!                                          ┌───────────────────┴────────────┐
//!                                          ▼                                ▼
//!                                   replies to the callers       feed: one ring of encoded frames
//!                                                                           │ one cursor per connection
//!                 store: a page of the event log ◄── a client fell behind ──┤
//!                                                                           ▼
//!                                                                      ws ─► bytes
//! ```
//!
//! **The event log is the queue.** The ring holds the newest events once for all connections; a
//! connection owns only its cursor. A slow display, a handheld that was away, a fresh client and a
//! restart are the same case, and memory does not depend on how slow a client is.
//!
//! Each module is a file and perhaps a folder of that name. It imports only from layers below its own, no
//! two files use each other, and external crates stay in the modules that the table names. `tests/tidy` checks
//! all three.
//!
//! | layer | module | purpose | crates |
//! |---|---|---|---|
//! | 0 | [`limits`] | every bound, its reason, and what happens when it is reached | |
//! | 0 | [`sync`] | locks that ignore poisoning | |
//! | 1 | [`domain`] | entities with schemas and statuses, events, rejections, input | `time`, `iso_currency`, `icu_normalizer` |
//! | 1 | [`frame`] | WebSocket frames as a server writes them | |
//! | 1 | [`metrics`] | counters and gauges | `prometheus-client` |
//! | 1 | [`qr`] | QR codes as SVG | `qrcodegen` |
//! | 1 | [`lifecycle`] | whether the server is running or has begun to stop | |
//! | 1 | [`throttle`] | bounded tables of callers that do something too often | `heapless` |
//! | 1 | [`tls`] | certificates, and TLS sessions without a socket | `rustls`, `rcgen` |
//! | 1 | [`memory`] | the allocator's settings; the only module with unsafe code | `libc` |
//! | 1 | [`pages`] | the screens of the shop, as `build.rs` has compressed them | `miniz_oxide` |
//! | 1 | [`announce`] | multicast DNS, in a process of its own | `mdns-sd`, `landlock` |
//! | 2 | [`shop`] | the rules as pure functions: orders, stock, payments, parcels | |
//! | 3 | [`store`] | the writer, the readers, the event log, backups | `rusqlite` |
//! | 3 | [`feed`] | the ring, and the cursors on it | `heapless` |
//! | 4 | [`auth`] | logins, sessions, passwords, origins | `argon2`, `sha2`, `getrandom` |
//! | 5 | [`http`] | a request becomes a reply | `hyper`, `form_urlencoded`, `percent-encoding` |
//! | 5 | [`ws`] | the WebSockets and their one thread | `tungstenite`, `mio`, `slab` |
//! | 6 | [`server`] | listening, admission, dispatch, upkeep, the service manager, the end | `socket2`, `listenfd` |
//! | 6 | [`config`] | settings from flags, environment and file | `lexopt`, `toml`, `humantime` |
//! | 7 | [`cli`] | the commands | `tracing-subscriber`, `rpassword` |

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
pub mod pages;
pub mod qr;
pub mod server;
pub mod shop;
pub mod store;
pub mod sync;
pub mod throttle;
pub mod tls;
pub mod ws;
