//! The load that is counted: requests one after the other, commands that share a transaction,
//! deliveries, and pages of the log. Each phase does the same work in each run, so its count is the
//! same, too.

use std::path::Path;

use rusqlite::Connection;

use crate::callgrind::{Callgrind, Count, without_auxv};
use crate::common::clients::{Crowd, Happening, Subscriber, What};
use crate::common::http::{Publisher, Wish};
use crate::common::push::{Until, push};
use crate::common::seed::{ORDERS, Seed};
use crate::common::server::Server;
use crate::common::{Outcome, PATIENCE, float};

/// Events of the log before the first phase: few enough that the server checks all rows before it
/// opens, and none while its instructions are counted.
const EVENTS: i64 = 8_000;
/// Events of one page of the log (`limits::CATCH_UP_PAGE_EVENTS`).
const PAGE_EVENTS: u32 = 64;
/// The pages of a short and of a long absence; the difference of their counts contains no
/// handshake.
const PAGES: [u32; 2] = [10, 100];
/// Commands of one batch.
const BATCH: usize = 64;
const BATCHES: u64 = 10;
/// Single requests of one phase.
const SINGLES: u64 = 200;
/// The repetitions of a phase: the median counts, so that a timer that fires in one of them does
/// not.
const TURNS: u64 = 5;
/// Requests before a phase, so that one-time work is not counted.
const WARM_UP: u64 = 10;
/// Enough that the count of deliveries far exceeds that of their commands.
const SUBSCRIBERS: usize = 1_000;
/// A request whose response shows that all earlier ones were passed on.
const FENCE: &str = "/api/auth/me";
/// A command that changes nothing.
const PRODUCT: &str = "/api/products/1";
const SAME: &str = r#"{"name":"Product 1"}"#;
/// Makes an event's frame of some 270 bytes.
const NOTES: Wish = Wish::Notes(14);

/// A server whose instructions are counted, and its clients.
struct Load {
    callgrind: Callgrind,
    server: Server,
    crowd: Crowd,
    /// Keeps the writer out of its database while a batch is collected.
    lock: Connection,
}

/// The figures in instructions, each with its name.
pub(crate) fn figures(program: &Path) -> Outcome<Vec<(&'static str, f64)>> {
    let seed = Seed::make(program, ORDERS, EVENTS)?;
    let callgrind = Callgrind::new()?;
    let command = callgrind.command(program);
    let server = without_auxv(|| Server::of_copy(command, &seed))?;
    let lock = Connection::open(server.database()?)?;
    lock.busy_timeout(PATIENCE)?;
    let mut load = Load { callgrind, server, crowd: Crowd::new()?, lock };

    let page = load.catch_up()?;
    let anonymous = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", load.server.address);
    let anonymous = load.get(anonymous.as_bytes())?;
    let me = load.get(&load.request("GET", FENCE, ""))?;
    let list = load.get(&load.request("GET", "/api/orders?limit=50", ""))?;
    let order = load.singles(Wish::Order)?.all() / float(SINGLES);
    let payment = load.singles(Wish::Payment)?.all() / float(SINGLES);
    let notes = load.singles(NOTES)?.all() / float(SINGLES);
    let sale = load.singles(Wish::Sale)?.all() / float(SINGLES);
    let mut together = |wish| -> Outcome<f64> {
        let batches = load.batches(wish)?.iter().map(Count::all).sum::<f64>() / float(BATCHES);
        Ok((batches - me) / float(BATCH as u64))
    };
    let [orders, sales] = [together(Wish::Order)?, together(Wish::Sale)?];

    load.crowd.subscribe(&load.server, SUBSCRIBERS)?;
    let single = load.singles(NOTES)?;
    // A thousand deliveries cost more than their one command, and one thread makes them all.
    let sockets = single.busiest();
    let single = single.of(sockets) / float(SINGLES);
    // The median leaves out batches in which sockets are pinged.
    let stream = median(load.batches(NOTES)?.iter().map(|batch| batch.of(sockets)).collect());
    let [batch, subscribers] = [float(BATCH as u64), float(SUBSCRIBERS as u64)];
    Ok(vec![
        ("an order, one writer", order),
        ("an order, 64 writers", orders),
        ("a sale, one writer", sale),
        ("a sale, 64 writers", sales),
        ("a payment of an order", payment),
        ("a change of an order's notes", notes),
        ("a page of 50 orders", list),
        ("a request without a login (`/healthz`)", anonymous),
        ("a request with a session (`/api/auth/me`)", me),
        ("a delivery, one event at a time", single / subscribers),
        ("a delivery in a stream", stream / batch / subscribers),
        ("a page of 64 events for a client that comes back", page),
    ])
}

impl Load {
    /// Requests of one writer, each sent after the response to the one before and after all its
    /// deliveries.
    fn singles(&mut self, wish: Wish) -> Outcome<Count> {
        let mut publisher = Publisher::new(&self.server, wish);
        self.crowd.write(&self.server, 1)?;
        let mut each = |crowd: &mut Crowd, count| -> Outcome<()> {
            (0..count).try_for_each(|_| push(crowd, &mut publisher, 1, Until::Sent(1)).map(drop))
        };
        each(&mut self.crowd, WARM_UP)?;
        self.checkpoint()?;
        self.callgrind.count(&self.server)?;
        each(&mut self.crowd, SINGLES)?;
        self.callgrind.count(&self.server)
    }

    /// Counts a request that only reads; returns the instructions per request.
    fn get(&mut self, request: &[u8]) -> Outcome<f64> {
        self.crowd.write(&self.server, 1)?;
        for _ in 0..WARM_UP {
            self.exchange(0, request)?;
        }
        self.callgrind.count(&self.server)?;
        let mut turns = Vec::new();
        for _ in 0..TURNS {
            for _ in 0..SINGLES / TURNS {
                self.exchange(0, request)?;
            }
            turns.push(self.callgrind.count(&self.server)?.all());
        }
        Ok(median(turns) / float(SINGLES / TURNS))
    }

    /// Commands of `BATCH` writers that share a transaction, `BATCHES` times.
    fn batches(&mut self, wish: Wish) -> Outcome<Vec<Count>> {
        let mut publisher = Publisher::new(&self.server, wish);
        self.crowd.write(&self.server, BATCH + 2)?;
        self.batch(&mut publisher)?;
        self.checkpoint()?;
        let counts = (0..BATCHES).map(|_| self.batch(&mut publisher)).collect::<Outcome<_>>()?;
        self.crowd.dismiss_writers();
        Ok(counts)
    }

    /// One batch. Chance decides how commands of many writers fall into transactions. So the
    /// database is locked; the writer takes a command that changes nothing and waits for the lock,
    /// and the commands that arrive meanwhile form the next transaction.
    fn batch(&mut self, publisher: &mut Publisher) -> Outcome<Count> {
        let frames = self.crowd.frames + u64::try_from(BATCH * self.crowd.subscribed())?;
        let last: i64 = self.lock.query_row("SELECT max(seq) FROM events", [], |row| row.get(0))?;
        self.lock.execute_batch("BEGIN IMMEDIATE")?;
        self.crowd.send(BATCH, &self.request("PATCH", PRODUCT, SAME))?;
        // After two requests the worker is idle, and the writer waits for the lock.
        for _ in 0..2 {
            self.exchange(BATCH + 1, &self.request("GET", FENCE, ""))?;
        }
        self.callgrind.count(&self.server)?;
        let mut request = Vec::new();
        for writer in 0..BATCH {
            publisher.write(&mut request, None)?;
            self.crowd.send(writer, &request)?;
        }
        // The one worker responds to this after it has passed on all earlier requests.
        self.exchange(BATCH + 1, &self.request("GET", FENCE, ""))?;
        self.lock.execute_batch("ROLLBACK")?;
        let (mut answers, mut happened) = (0, Vec::new());
        while answers < BATCH + 1 || self.crowd.frames < frames {
            self.crowd.wait(PATIENCE, &mut happened)?;
            if happened.is_empty() {
                return Err(format!("{answers} of {BATCH} answers").into());
            }
            answers += happened.iter().filter(|what| matches!(what.what, What::Answer(_))).count();
        }
        let counted = self.callgrind.count(&self.server)?;
        // All events of a transaction have its time.
        let sql = "SELECT count(DISTINCT at) FROM events WHERE seq > ?";
        let transactions: i64 = self.lock.query_row(sql, [last], |row| row.get(0))?;
        match transactions {
            1 => Ok(counted),
            many => Err(format!("{BATCH} commands made {many} transactions").into()),
        }
    }

    /// Clients that were away for several pages of the log; returns the instructions per page.
    fn catch_up(&mut self) -> Outcome<f64> {
        let [short, long] = PAGES;
        self.come_back(short)?;
        let mut turns = Vec::new();
        for _ in 0..TURNS {
            turns.push(self.come_back(long)? - self.come_back(short)?);
        }
        Ok(median(turns) / f64::from(long - short))
    }

    /// Counts one such client, with its handshake.
    fn come_back(&mut self, pages: u32) -> Outcome<f64> {
        let (events, mut buffer) = (pages * PAGE_EVENTS, vec![0; 256 * 1024]);
        let since = EVENTS - i64::from(events);
        let subscribe =
            format!(r#"{{"type":"subscribe","channel":"order_changes","since":{since}}}"#);
        self.callgrind.count(&self.server)?;
        let mut client = Subscriber::connect_with(&self.server, &subscribe, &mut buffer)?;
        // The first two texts are not events.
        while client.texts < 2 + events {
            client.hear(&mut buffer)?;
        }
        Ok(self.callgrind.count(&self.server)?.all())
    }

    /// Empties the write-ahead log, so that the server's own checkpoints come at the same commits
    /// of a phase in each run.
    fn checkpoint(&self) -> Outcome<()> {
        Ok(self.lock.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }

    /// A request with the session.
    fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let Server { address, cookie, .. } = &self.server;
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// Sends a writer's request and waits for the response.
    fn exchange(&mut self, writer: usize, request: &[u8]) -> Outcome<()> {
        self.crowd.send(writer, request)?;
        let mut happened = Vec::new();
        while !happened
            .iter()
            .any(|what: &Happening| what.who == writer && matches!(what.what, What::Answer(_)))
        {
            self.crowd.wait(PATIENCE, &mut happened)?;
            if happened.is_empty() {
                return Err("no answer".into());
            }
        }
        Ok(())
    }
}

/// The median.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
