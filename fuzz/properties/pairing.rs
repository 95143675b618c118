//! Devices that ask to be paired, compared with a model, and the codes that are typed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use tillcast::auth::pairing_code::PairingCode;
use tillcast::auth::pairing_table::{Applicant, CodeRefused, PairingTable, Progress};
use tillcast::store::TokenHash;

/// Seconds of a code, and of a repeated approval.
const LIFE: u64 = 600;
/// Seconds of a wrong code.
const WINDOW: u64 = 60;

/// A code that is read is one that can be shown, and has the letters that were typed.
pub(crate) fn codes_hold(bytes: &[u8]) {
    let Ok(typed) = str::from_utf8(bytes) else { return };
    let letters: String = typed.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let letters = letters.to_ascii_uppercase();
    let is_code = letters.len() == 8 && letters.chars().all(|c| "BCDFGHJKLMNPQRSTVWXZ".contains(c));
    let read = PairingCode::parse(typed);
    assert_eq!(read.is_some(), is_code, "{typed:?}");
    if let Some(code) = read {
        assert_eq!(code.to_string(), format!("{}-{}", &letters[..4], &letters[4..]));
        assert_eq!(PairingCode::parse(&code.to_string()), Some(code));
    }
}

/// Each four bytes are an operation, and the seconds after it. Every answer is that of the model.
pub(crate) fn hold(bytes: &[u8]) {
    codes_hold(bytes);
    let (mut table, mut model) = (PairingTable::new(), Model::default());
    let begun = Instant::now();
    for (number, [operation, who, what, seconds]) in (0..).zip(bytes.as_chunks().0) {
        let now = begun + Duration::from_secs(model.now);
        let (admin, typed) = (i64::from(who % 3), typed(*what, *who));
        match operation % 6 {
            0 | 1 => {
                let (address, network) = address(*who);
                let secret = TokenHash([u8::try_from(model.pairings.len() % 251).unwrap(); 32]);
                let applicant = Applicant { address, user_agent: None, created_at: number };
                let opened = table.open(secret, random(*what), applicant, now);
                let expected = model.open(network, *what, secret, number);
                assert_eq!(opened.map(|code| code == code_of(*what)), expected.map(|()| true));
            }
            2 => {
                let expected = model.find(admin, *what).map(|at| model.pairings[at].number);
                let found = table.find(&typed, admin, now);
                assert_eq!(found.map(|found| found.applicant.created_at), expected);
            }
            3 => {
                let expected = model.find(admin, *what);
                let claimed = table.claim(&typed, admin, now);
                let number = claimed.map(|claimed| claimed.applicant.created_at);
                assert_eq!(number, expected.map(|at| model.pairings[at].number));
                if let Ok(at) = expected {
                    model.pairings[at].progress = Progress::Claimed;
                }
            }
            operation => {
                let secret = TokenHash([what % 251; 32]);
                if operation == 4 {
                    table.settle(&secret, who % 4 > 0, now);
                    model.settle(&secret, who % 4 > 0);
                }
                assert_eq!(table.progress(&secret, now), model.progress(&secret));
            }
        }
        model.now += u64::from(*seconds);
    }
}

fn random(what: u8) -> [u8; 8] {
    [what, 0, 0, 0, 0, 0, 0, 0]
}

fn code_of(what: u8) -> PairingCode {
    PairingCode::draw(random(what))
}

/// The code as somebody types it.
fn typed(what: u8, style: u8) -> String {
    let code = code_of(what).to_string();
    match style / 64 {
        0 => code,
        1 => code.to_lowercase(),
        2 => code.replace('-', " "),
        _ => code.replace('-', ""),
    }
}

/// One of 8 IPv4 addresses, or one of many of 8 IPv6 networks; and the number of its network.
fn address(who: u8) -> (IpAddr, u8) {
    let network = who % 16;
    let address = if network < 8 {
        Ipv4Addr::new(192, 0, 2, network).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 0, network.into(), 0, 0, 0, who.into()).into()
    };
    (address, network)
}

/// Every pairing that there was, and how it is now.
#[derive(Default)]
struct Model {
    now: u64,
    pairings: Vec<ModelPairing>,
    /// By admin: wrong codes, and when the first was typed.
    wrong: BTreeMap<i64, (u32, u64)>,
}

struct ModelPairing {
    number: i64,
    what: u8,
    network: u8,
    secret: TokenHash,
    progress: Progress,
    /// The start of its present lifetime.
    since: u64,
    forgotten: bool,
}

impl ModelPairing {
    fn ends(&self) -> u64 {
        self.since + if self.progress == Progress::Claimed { 2 * LIFE } else { LIFE }
    }
}

impl Model {
    fn alive(&self) -> impl Iterator<Item = (usize, &ModelPairing)> {
        let is_alive = |one: &ModelPairing| !one.forgotten && self.now < one.ends();
        self.pairings.iter().enumerate().filter(move |(_, one)| is_alive(one))
    }

    fn open(
        &mut self,
        network: u8,
        what: u8,
        secret: TokenHash,
        number: i64,
    ) -> Result<(), Duration> {
        let is_open = |one: &&ModelPairing| one.progress != Progress::Approved;
        let open: Vec<_> = self.alive().map(|(_, one)| one).filter(is_open).collect();
        let own: Vec<_> = open.iter().filter(|one| one.network == network).collect();
        // A claim has twice the life of a code, but nobody waits for more than a code's.
        let wait = |since: u64| Duration::from_secs((since + LIFE).saturating_sub(self.now));
        if own.len() >= 8 {
            return Err(wait(own[0].since));
        }
        if open.len() >= 64 {
            return Err(wait(open[0].since));
        }
        if self.alive().any(|(_, one)| one.what == what) {
            return Err(Duration::ZERO);
        }
        let approved = self.alive().find(|(_, one)| one.progress == Progress::Approved);
        let approved = approved.map(|(at, _)| at).filter(|_| self.alive().count() >= 128);
        if let Some(at) = approved {
            self.pairings[at].forgotten = true;
        }
        let (progress, since) = (Progress::Waiting, self.now);
        self.pairings.push(ModelPairing {
            number,
            what,
            network,
            secret,
            progress,
            since,
            forgotten: false,
        });
        Ok(())
    }

    fn find(&mut self, admin: i64, what: u8) -> Result<usize, CodeRefused> {
        let (count, since) = self.wrong.get(&admin).copied().unwrap_or((0, self.now));
        let left = (since + WINDOW).saturating_sub(self.now);
        if count >= 5 && left > 0 {
            return Err(CodeRefused::TooMany(Duration::from_secs(left)));
        }
        let found = self.alive().find(|(_, one)| one.what == what);
        match found.map(|(at, one)| (at, one.progress)) {
            None => {
                let wrong = if left > 0 { (count + 1, since) } else { (1, self.now) };
                self.wrong.insert(admin, wrong);
                Err(CodeRefused::Unknown)
            }
            Some((at, Progress::Waiting)) => Ok(at),
            Some(_) => Err(CodeRefused::Used),
        }
    }

    fn progress(&self, secret: &TokenHash) -> Option<Progress> {
        self.alive().find(|(_, one)| one.secret == *secret).map(|(_, one)| one.progress)
    }

    fn settle(&mut self, secret: &TokenHash, is_stored: bool) {
        let claimed = self.alive().find(|(_, one)| one.secret == *secret);
        let claimed = claimed.filter(|(_, one)| one.progress == Progress::Claimed);
        let Some(at) = claimed.map(|(at, _)| at) else { return };
        let (now, one) = (self.now, &mut self.pairings[at]);
        one.progress = if is_stored { Progress::Approved } else { Progress::Waiting };
        one.since = if is_stored { now } else { one.since };
    }
}
