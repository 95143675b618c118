//! The numbers that a shop gives out: the `seq` of events, ids (an order's id is its number), and
//! versions of users. None is given out twice, not even by a shop that was restored from a backup.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::Connection;

use crate::limits::NUMBER_MAX;
use crate::store::audit;

/// The `seq` of the event log.
const SEQ: &str = "seq";
/// The ids of the audit trail.
const AUDIT: &str = "audit";
/// The versions of all users.
const USER_VERSION: &str = "user_version";

/// The newest number of each sequence, by its name; a sequence of ids has the name of its table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers(BTreeMap<String, i64>);

impl Numbers {
    /// The newest numbers in a database, which may be of an older version.
    pub(super) fn read(conn: &Connection) -> rusqlite::Result<Self> {
        let has_log = "SELECT 1 FROM sqlite_schema WHERE name = 'log'";
        let before = if conn.prepare_cached(has_log)?.exists([])? {
            "(SELECT first_seq - 1 FROM log)"
        } else {
            "0"
        };
        let sql = format!(
            "SELECT name, coalesce(max(seq), 0) FROM sqlite_sequence
                 WHERE name IN (SELECT name FROM sqlite_schema WHERE type = 'table') GROUP BY name
             UNION ALL SELECT '{SEQ}', max(coalesce(max(seq), 0), {before}) FROM events
             UNION ALL SELECT '{AUDIT}', coalesce(max(id), 0) FROM audit
             UNION ALL SELECT '{USER_VERSION}', coalesce(max(version), 0) FROM users"
        );
        let mut statement = conn.prepare(&sql)?;
        let numbers = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut read = Self::default();
        for number in numbers {
            let (name, number) = number?;
            read.0.insert(name, number);
        }
        Ok(read)
    }

    /// Parses what `Display` has written.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut numbers = Self::default();
        for pair in text.split_whitespace() {
            let (name, number) = pair.split_once('=')?;
            let number = number.parse().ok().filter(|number| (0..=NUMBER_MAX).contains(number))?;
            numbers.0.insert(name.to_owned(), number);
        }
        Some(numbers)
    }

    /// The greater number of each sequence.
    pub(super) fn max(mut self, other: &Self) -> Self {
        for (name, number) in &other.0 {
            let own = self.0.entry(name.clone()).or_default();
            *own = (*own).max(*number);
        }
        self
    }

    /// Every number raised by `step`.
    pub(super) fn plus(mut self, step: i64) -> Self {
        self.0.values_mut().for_each(|number| *number = number.saturating_add(step));
        self
    }

    /// How many numbers each sequence can still give out until the first one reaches its mark; 0 if
    /// one has reached it.
    pub(super) fn distance_to(&self, marks: &Self) -> i64 {
        let left = |(name, number)| marks.0.get(name).map_or(0, |mark: &i64| mark - number);
        self.0.iter().map(left).min().unwrap_or(0).max(0)
    }

    /// Makes a database continue above these numbers, in a new event log after the events that it
    /// has.
    pub(super) fn continue_in(&self, conn: &mut Connection, now: i64) -> rusqlite::Result<()> {
        let tx = conn.transaction()?;
        // A log has at most one gap in its numbers, so the events before an earlier restore are
        // removed.
        let sql = "
            DELETE FROM events WHERE seq < (SELECT first_seq FROM log)
                                 AND (SELECT max(seq) FROM events) >= (SELECT first_seq FROM log)";
        tx.execute(sql, [])?;
        let sql = "
            UPDATE log SET log_id = lower(hex(randomblob(6))), first_seq = ?,
                           restored_seq = (SELECT coalesce(max(seq), restored_seq) FROM events)";
        tx.execute(sql, [self.number(SEQ) + 1])?;
        tx.execute("UPDATE users SET version = ?", [self.number(USER_VERSION) + 1])?;
        audit::append_restore(&tx, self.number(AUDIT) + 1, now)?;
        for (table, number) in &self.0 {
            if [SEQ, AUDIT, USER_VERSION].contains(&table.as_str()) {
                continue;
            }
            let sql = "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?";
            if tx.execute(sql, (number, table))? == 0 {
                let sql = "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)";
                tx.execute(sql, (table, number))?;
            }
        }
        tx.commit()
    }

    fn number(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or(0)
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, number)) in self.0.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(out, "{space}{name}={number}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Role, Secret};
    use crate::limits::COMMAND_CACHE_KIB;
    use crate::store::console::Console;
    use crate::store::database;

    #[test]
    fn every_sequence_continues_above_the_numbers_given_out() {
        let data = tempfile::tempdir().unwrap();
        let console = Console::open(data.path()).unwrap();
        let add = |name| console.add_user(name, Role::Admin, &Secret("hash".to_owned())).unwrap();
        assert_eq!(add("ana").id, 1);
        let mut conn = database::open_writer(data.path(), COMMAND_CACHE_KIB).unwrap();
        let given_out = "audit=200 orders=50 seq=100 user_version=7 users=9";
        Numbers::parse(given_out).unwrap().continue_in(&mut conn, 0).unwrap();
        // The entry of the restore and the new versions are the first numbers above.
        let now = Numbers::read(&conn).unwrap();
        assert_eq!(now.to_string(), "audit=201 orders=50 seq=100 user_version=8 users=9");
        assert_eq!(add("bea").id, 10);
        assert_eq!(Numbers::read(&conn).unwrap().number(AUDIT), 202);
        let (first, restored): (i64, i64) = conn
            .query_row("SELECT first_seq, restored_seq FROM log", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!((first, restored), (101, 0));
    }

    #[test]
    fn marks_hold_until_one_sequence_reaches_its_mark() {
        let numbers = |text| Numbers::parse(text).unwrap();
        let marks = numbers("audit=10 seq=20");
        assert_eq!(numbers("audit=4 seq=5").distance_to(&marks), 6);
        assert_eq!(numbers("audit=10 seq=5").distance_to(&marks), 0);
        assert_eq!(numbers("audit=4 devices=1 seq=5").distance_to(&marks), 0, "a new sequence");
    }
}
