//! Whether the time is right: it is on each receipt, and decides who is logged in.

use std::path::Path;

use crate::cli::doctor::finding::{Finding, bad, ok, warn};
use crate::domain::timestamp;
use crate::limits::{CLOCK_MIN_MS, CLOCK_STEP_MS};

/// What to do about a wrong one.
const SET: &str = "set it (`timedatectl set-ntp true`, or `date -s`), and give a board without a battery \
                   clock a network";

/// Looks at this time, that of the newest event, if there is one, and at who sets the clock.
pub(super) fn check(now: i64, newest: Option<i64>, system: &Path) -> Vec<Finding> {
    let time = timestamp::text(now);
    if now < CLOCK_MIN_MS {
        return vec![bad(format!("it cannot be {time}: this program was made later; {SET}"))];
    }
    if let Some(newest) = newest.filter(|newest| *newest > now + CLOCK_STEP_MS) {
        let newest = timestamp::text(newest);
        return vec![bad(format!(
            "it is {time}, but the shop has been open at {newest}; one of them is wrong. If it is the \
             clock, {SET}. If it was wrong then, all times of the shop stand still until {newest}"
        ))];
    }
    vec![set_by(&time, system)]
}

/// Who keeps it right. Only systemd's own service says whether it has.
fn set_by(time: &str, system: &Path) -> Finding {
    let there = |file: &str| system.join("run").join(file).exists();
    let others =
        ["chrony/chronyd.pid", "chronyd.pid", "ntpd.pid", "ntpsec/ntpd.pid", "openntpd.pid"];
    if there("systemd/timesync/synchronized") {
        ok(format!("{time}, set by the network"))
    } else if others.iter().any(|file| there(file)) {
        ok(format!("{time}, a service keeps it"))
    } else if there("systemd/timesync") {
        warn(format!("{time}, but the network has not set it yet; is the board in the network?"))
    } else if there("systemd/system") {
        warn(format!("{time}, but nothing keeps it right; `timedatectl set-ntp true`"))
    } else {
        ok(format!("{time}; this system does not tell who sets it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;
    use std::fs;

    const NOW: i64 = CLOCK_MIN_MS + 1;

    #[test]
    fn a_time_that_cannot_be_is_bad() {
        let system = tempfile::tempdir().unwrap();
        let verdict = |now, newest| check(now, newest, system.path())[0].verdict;
        assert_eq!(verdict(NOW, None), Verdict::Ok);
        assert_eq!(verdict(NOW, Some(NOW + CLOCK_STEP_MS)), Verdict::Ok);
        assert_eq!(verdict(NOW, Some(NOW + CLOCK_STEP_MS + 1)), Verdict::Bad);
        assert_eq!(verdict(CLOCK_MIN_MS - 1, None), Verdict::Bad);
    }

    #[test]
    fn the_source_of_the_time_is_named() {
        for (made, verdict, said) in [
            (&["systemd/system"][..], Verdict::Warn, "nothing keeps it right"),
            (&["systemd/system", "systemd/timesync"], Verdict::Warn, "has not set it yet"),
            (&["systemd/system", "chrony/chronyd.pid"], Verdict::Ok, "a service keeps it"),
            (&["systemd/timesync/synchronized"], Verdict::Ok, "set by the network"),
            (&[], Verdict::Ok, "does not tell"),
        ] {
            let system = tempfile::tempdir().unwrap();
            for made in made {
                fs::create_dir_all(system.path().join("run").join(made)).unwrap();
            }
            let found = &check(NOW, None, system.path())[0];
            assert!(found.verdict == verdict && found.text.contains(said), "{made:?}: {found:?}");
        }
    }
}
