//! Marks in the lock file: an upper bound for the numbers that each sequence has given out. With
//! them a shop whose database is lost can be restored and still never gives out a number twice.
//! They are raised in large steps, so that few commits have to write them.
//!
//! Two slots are overwritten in turn, each with a checksum: a torn write leaves the other slot
//! intact.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ffi};

use crate::limits::NUMBERS_RESERVED;
use crate::store::data_dir::lock_file;
use crate::store::numbers::Numbers;

/// The bytes of a slot, and of the text before the first slot. A slot is a line of text padded with
/// blanks.
const SLOT_BYTES: usize = 1024;
const SLOTS: u64 = 2;

/// The marks of a data directory, and how many numbers may be given out before the marks have to be
/// raised.
pub(super) struct Marks {
    path: PathBuf,
    /// Open from the start, so that a sale needs no further file descriptor.
    file: Option<File>,
    left: i64,
}

/// The content of a slot.
struct Slot {
    /// A counter that grows with every write.
    generation: u64,
    numbers: Numbers,
}

impl Marks {
    /// The marks of a data directory, which are read when the first number is given out.
    pub(super) fn new(data_dir: &Path) -> Self {
        let path = lock_file(data_dir);
        Self { file: open(&path).ok(), path, left: 0 }
    }

    /// Called before a commit: makes sure that the marks are not below the numbers that its
    /// transaction gave out. No sequence may have given out more than `used` of them.
    pub(super) fn reserve(&mut self, conn: &Connection, used: usize) -> rusqlite::Result<()> {
        self.left = self.left.saturating_sub_unsigned(used as u64);
        if self.left > 0 {
            return Ok(());
        }
        let numbers = Numbers::read(conn)?;
        let file = match self.file.take() {
            Some(file) => file,
            None => open(&self.path).map_err(not_written)?,
        };
        let file = self.file.insert(file);
        self.left = match newest(file).map_err(not_written)? {
            Some(slot) if numbers.distance_to(&slot.numbers) > 0 => {
                numbers.distance_to(&slot.numbers)
            }
            slot => {
                let generation = slot.map_or(0, |slot| slot.generation) + 1;
                let numbers = numbers.plus(NUMBERS_RESERVED);
                write(file, &Slot { generation, numbers }).map_err(not_written)?;
                NUMBERS_RESERVED
            }
        };
        Ok(())
    }

    /// Makes the next commit read the marks, because another program may have given out numbers.
    pub(super) fn refresh(&mut self) {
        self.left = 0;
    }
}

/// The marks of a data directory; `None` if none were set.
pub(super) fn read(data_dir: &Path) -> io::Result<Option<Numbers>> {
    match File::open(lock_file(data_dir)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => Ok(newest(&file?)?.map(|slot| slot.numbers)),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

fn newest(file: &File) -> io::Result<Option<Slot>> {
    let mut newest: Option<Slot> = None;
    for number in 0..SLOTS {
        let mut bytes = [0; SLOT_BYTES];
        match file.read_exact_at(&mut bytes, offset(number)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            read => read?,
        }
        let slot = str::from_utf8(&bytes).ok().and_then(Slot::parse);
        if slot.as_ref().map(|slot| slot.generation) > newest.as_ref().map(|slot| slot.generation) {
            newest = slot;
        }
    }
    Ok(newest)
}

fn write(file: &File, slot: &Slot) -> io::Result<()> {
    let line = slot.line().ok_or(io::ErrorKind::FileTooLarge)?;
    file.write_all_at(line.as_bytes(), offset(slot.generation % SLOTS))?;
    file.sync_all()
}

fn offset(slot: u64) -> u64 {
    (slot + 1) * SLOT_BYTES as u64
}

impl Slot {
    /// The bytes of the slot; `None` if they do not fit into it.
    fn line(&self) -> Option<String> {
        let Self { generation, numbers } = self;
        let text = format!("{generation} {numbers}");
        let line = format!("{:016x} {text}", checksum(&text));
        (line.len() < SLOT_BYTES).then(|| format!("{line:<width$}\n", width = SLOT_BYTES - 1))
    }

    fn parse(line: &str) -> Option<Self> {
        let (sum, text) = line.trim_end().split_once(' ')?;
        let (generation, numbers) = text.split_once(' ')?;
        let slot = Self { generation: generation.parse().ok()?, numbers: Numbers::parse(numbers)? };
        (u64::from_str_radix(sum, 16) == Ok(checksum(text))).then_some(slot)
    }
}

/// FNV-1a, 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>).
fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Fails the commit as if the database itself could not be written.
#[expect(clippy::needless_pass_by_value, reason = "it is the argument of map_err")]
fn not_written(error: io::Error) -> rusqlite::Error {
    let code = match error.kind() {
        io::ErrorKind::StorageFull => ffi::SQLITE_FULL,
        _ => ffi::SQLITE_IOERR,
    };
    let text = format!("the marks in the lock file: {error}");
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Numbers {
        Numbers::parse(text).unwrap()
    }

    #[test]
    fn a_torn_write_leaves_the_marks_before() {
        let data = tempfile::tempdir().unwrap();
        let file = lock_file(data.path());
        std::fs::write(&file, "A database was made here.\n").unwrap();
        assert!(read(data.path()).unwrap().is_none());
        for generation in 1..=5 {
            let slot = Slot { generation, numbers: numbers(&format!("seq={generation}0 audit=3")) };
            write(&open(&file).unwrap(), &slot).unwrap();
            let whole = std::fs::read(&file).unwrap();
            assert_eq!(read(data.path()).unwrap().unwrap(), slot.numbers);
            let at = usize::try_from(offset(generation % SLOTS)).unwrap();
            for torn in [at, at + 20, at + 30] {
                let mut bytes = whole.clone();
                bytes[torn] ^= 1;
                std::fs::write(&file, &bytes).unwrap();
                let before =
                    (generation > 1).then(|| numbers(&format!("seq={}0 audit=3", generation - 1)));
                assert_eq!(read(data.path()).unwrap(), before, "{torn}");
            }
            std::fs::write(&file, &whole).unwrap();
        }
    }
}
