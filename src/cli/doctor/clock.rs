//! Checks the clock, whose time is printed on receipts and ends sessions.

use std::path::Path;

use crate::cli::doctor::finding::{Finding, bad, ok, warn};
use crate::domain::timestamp;
use crate::limits::{CLOCK_MIN_MS, CLOCK_STEP_MS};

/// The advice for a wrong clock.
const SET: &str = "set it (`timedatectl set-ntp true`, or `date -s`), and give a board without a battery \
                   clock a network";

/// Checks the time against that of the newest event, if there is one.
pub(super) fn check(now: i64, newest: Option<i64>, source: Source) -> Vec<Finding> {
    let time = timestamp::text(now);
    if now < CLOCK_MIN_MS {
        return vec![bad(format!("it says {time}, before this program was made; {SET}"))];
    }
    if let Some(newest) = newest.filter(|newest| *newest > now + CLOCK_STEP_MS) {
        let newest = timestamp::text(newest);
        return vec![bad(format!(
            "it says {time}, but the shop has an event of {newest}. If the clock is wrong now, {SET}. If it \
             was wrong then, new events keep the time {newest} until the clock reaches it"
        ))];
    }
    vec![source(&time)]
}

/// Makes a finding from a text about the time; each source of the clock has its own.
pub(super) type Source = fn(&str) -> Finding;

/// The service that keeps the clock right. Only systemd's own says whether it has done so.
pub(super) fn source(system: &Path) -> Source {
    let there = |file: &str| system.join("run").join(file).exists();
    let others =
        ["chrony/chronyd.pid", "chronyd.pid", "ntpd.pid", "ntpsec/ntpd.pid", "openntpd.pid"];
    if there("systemd/timesync/synchronized") {
        |time| ok(format!("{time}, set from the network"))
    } else if others.iter().any(|file| there(file)) {
        |time| ok(format!("{time}, kept right by a service"))
    } else if there("systemd/timesync") {
        |time| warn(format!("{time}, not yet set from the network; is the board connected?"))
    } else if there("systemd/system") {
        |time| {
            warn(format!(
                "{time}, but no service keeps it right; `timedatectl set-ntp true` starts one"
            ))
        }
    } else {
        |time| ok(format!("{time}; this system does not report what sets it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;
    use std::fs;

    const NOW: i64 = CLOCK_MIN_MS + 1;

    #[test]
    fn an_impossible_time_is_bad() {
        let system = tempfile::tempdir().unwrap();
        let verdict = |now, newest| check(now, newest, source(system.path()))[0].verdict;
        assert_eq!(verdict(NOW, None), Verdict::Ok);
        assert_eq!(verdict(NOW, Some(NOW + CLOCK_STEP_MS)), Verdict::Ok);
        assert_eq!(verdict(NOW, Some(NOW + CLOCK_STEP_MS + 1)), Verdict::Bad);
        assert_eq!(verdict(CLOCK_MIN_MS - 1, None), Verdict::Bad);
    }

    #[test]
    fn the_source_of_the_time_is_named() {
        for (made, verdict, said) in [
            (&["systemd/system"][..], Verdict::Warn, "no service keeps it right"),
            (&["systemd/system", "systemd/timesync"], Verdict::Warn, "not yet set"),
            (&["systemd/system", "chrony/chronyd.pid"], Verdict::Ok, "kept right by a service"),
            (&["systemd/timesync/synchronized"], Verdict::Ok, "set from the network"),
            (&[], Verdict::Ok, "does not report"),
        ] {
            let system = tempfile::tempdir().unwrap();
            for made in made {
                fs::create_dir_all(system.path().join("run").join(made)).unwrap();
            }
            let found = &check(NOW, None, source(system.path()))[0];
            assert!(found.verdict == verdict && found.text.contains(said), "{made:?}: {found:?}");
        }
    }
}
