//! Checks for signs of a worn card, or of a weak power supply. Not every kernel and card reports them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::doctor::finding::{Finding, bad, ok, warn};
use crate::cli::doctor::mount::Mount;

/// The advice for a card that is failing.
const REPLACE: &str = "make a backup elsewhere, put in a new card and `tillcast restore` it there";

/// Checks the device of a file system, and the board's power.
pub(super) fn check(mount: Option<&Mount>, system: &Path) -> Vec<Finding> {
    let device = mount
        .and_then(|mount| system.join("sys/dev/block").join(&mount.device).canonicalize().ok());
    let mut found = Vec::new();
    if let Some(device) = device {
        found.extend(errors(&device, system));
        found.extend(wear(&device));
    }
    found.extend(power(system));
    if found.is_empty() {
        found.push(ok("this system does not report the state of the card"));
    }
    found
}

/// The errors that ext4 has counted since the last fsck that repaired something.
fn errors(device: &Path, system: &Path) -> Option<Finding> {
    let file = system.join("sys/fs/ext4").join(device.file_name()?).join("errors_count");
    let name = device.file_name()?.display();
    Some(match number(&file)? {
        0 => ok(format!("{name}: ext4 has found no errors")),
        errors => bad(format!(
            "{name}: ext4 has found {errors} errors; {REPLACE}, or run fsck if it was only a \
             power cut"
        )),
    })
}

/// The wear that an eMMC reports (JEDEC 84-B51, section 7.4): the used life of its two kinds of memory, in
/// tenths, and how much of its spare memory is used.
fn wear(device: &Path) -> Option<Finding> {
    let card = device.ancestors().map(|part| part.join("device"));
    let card = card.take(2).find(|card| card.join("life_time").exists())?;
    let tenths = numbers(&card.join("life_time")).into_iter().max()?;
    let spare = number(&card.join("pre_eol_info")).unwrap_or(0);
    Some(match (tenths, spare) {
        (11.., _) | (_, 3..) => bad(format!("the card is worn out; {REPLACE}")),
        (9.., _) | (_, 2) => warn(format!("the card will soon be worn out; {REPLACE}")),
        (0, 0) => return None,
        _ => ok(format!("at most {} % of the card's life is used", tenths * 10)),
    })
}

/// A Raspberry Pi records whether its voltage was too low since the start.
fn power(system: &Path) -> Option<Finding> {
    let sensors = fs::read_dir(system.join("sys/class/hwmon")).ok()?;
    let sensors: Vec<PathBuf> = sensors.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let is_board = |sensor: &&PathBuf| {
        fs::read_to_string(sensor.join("name")).is_ok_and(|name| name.trim() == "rpi_volt")
    };
    let sensor = sensors.iter().find(is_board)?;
    Some(match number(&sensor.join("in0_lcrit_alarm"))? {
        0 => ok("the board's power is strong enough"),
        _ => warn(
            "the board's power was too weak, which damages cards; use the board's own power supply and a short cable",
        ),
    })
}

fn number(file: &Path) -> Option<u64> {
    numbers(file).first().copied()
}

/// Numbers such as `0x01 0x0a`, or decimal ones.
fn numbers(file: &Path) -> Vec<u64> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let read = |word: &str| match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    };
    text.split_whitespace().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;

    /// Checks a board with these files, and with the shop on the second partition of an eMMC.
    fn check_board(files: &[(&str, &str)]) -> Vec<Finding> {
        let system = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let file = system.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        write("sys/block/mmcblk0/mmcblk0p2/dev", "179:2\n");
        fs::create_dir_all(system.path().join("sys/dev/block")).unwrap();
        let link = system.path().join("sys/dev/block/179:2");
        std::os::unix::fs::symlink("../../block/mmcblk0/mmcblk0p2", link).unwrap();
        for (file, text) in files {
            write(file, text);
        }
        let mount = Mount { kind: "ext4".to_owned(), device: "179:2".to_owned() };
        check(Some(&mount), system.path())
    }

    #[test]
    fn each_sign_is_seen() {
        const ERRORS: &str = "sys/fs/ext4/mmcblk0p2/errors_count";
        const LIFE: &str = "sys/block/mmcblk0/device/life_time";
        const SPARE: &str = "sys/block/mmcblk0/device/pre_eol_info";
        const ALARM: &str = "sys/class/hwmon/hwmon1/in0_lcrit_alarm";
        const NAME: (&str, &str) = ("sys/class/hwmon/hwmon1/name", "rpi_volt\n");
        for (files, verdict, said) in [
            (&[][..], Verdict::Ok, "does not report"),
            (&[(ERRORS, "0\n")], Verdict::Ok, "mmcblk0p2: ext4 has found no errors"),
            (&[(ERRORS, "12\n")], Verdict::Bad, "12 errors"),
            (&[(LIFE, "0x01 0x03\n")], Verdict::Ok, "30 %"),
            (&[(LIFE, "0x01 0x09\n")], Verdict::Warn, "soon be worn out"),
            (&[(LIFE, "0x0b 0x01\n")], Verdict::Bad, "is worn out"),
            (&[(LIFE, "0x01 0x01\n"), (SPARE, "0x02\n")], Verdict::Warn, "soon be worn out"),
            (&[(LIFE, "0x01 0x01\n"), (SPARE, "0x03\n")], Verdict::Bad, "is worn out"),
            (&[(LIFE, "0x00 0x00\n"), (SPARE, "0x00\n")], Verdict::Ok, "does not report"),
            (&[NAME, (ALARM, "0\n")], Verdict::Ok, "strong enough"),
            (&[NAME, (ALARM, "1\n")], Verdict::Warn, "too weak"),
            (&[(NAME.0, "other\n"), (ALARM, "1\n")], Verdict::Ok, "does not report"),
        ] {
            let found = check_board(files);
            assert!(
                matches!(&found[..], [one] if one.verdict == verdict && one.text.contains(said)),
                "{files:?}: {found:?}"
            );
        }
    }
}
