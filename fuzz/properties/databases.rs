//! Databases from elsewhere: damaged, or forged.

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use tillcast::domain::EntityKind;
use tillcast::store::{Backup, Console, EventRange, check, database_file, restore};

/// A database is refused with a sentence, or is a shop; and what `restore` accepts is sound. Each five bytes
/// are a place in a sound file and another value for two bytes there.
pub(crate) fn hold(bytes: &[u8]) {
    let mut database = sound().to_vec();
    for [a, b, c, value @ ..] in bytes.as_chunks::<5>().0 {
        let at = u32::from_be_bytes([0, *a, *b, *c]) as usize % (database.len() - 1);
        database[at..at + 2].copy_from_slice(value);
    }
    let [data, target] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let file = database_file(data.path());
    fs::write(&file, &database).unwrap();
    match Console::open_to_read(data.path()) {
        Err(error) => is_sentence(&error),
        Ok(console) => read_all(&console),
    }
    match check(data.path()) {
        Err(error) => is_sentence(&error),
        Ok(found) => found.iter().for_each(|text| is_sentence(text)),
    }
    assert!(fs::read(&file).unwrap() == database, "it was only read");
    match Backup::open(&file).and_then(|backup| restore(target.path(), backup)) {
        Err(error) => {
            is_sentence(&error);
            assert!(!database_file(target.path()).exists());
        }
        Ok(_) => assert_eq!(check(target.path()).ok(), Some(Vec::new())),
    }
}

/// The newest database of the migrations' tests, with some users and rows of every kind, as this version
/// migrates it.
fn sound() -> &'static [u8] {
    static SOUND: OnceLock<Vec<u8>> = OnceLock::new();
    SOUND.get_or_init(|| {
        let mut roots = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let frozen = roots.find_map(|root| fs::read_dir(root.join("tests/disk/frozen")).ok());
        let paths = frozen.unwrap().map(|entry| entry.unwrap().path());
        let databases = paths.filter(|path| path.extension().is_some_and(|name| name == "db"));
        let data = tempfile::tempdir().unwrap();
        fs::copy(databases.max().unwrap(), database_file(data.path())).unwrap();
        drop(Console::open(data.path()).unwrap());
        assert_eq!(check(data.path()).ok(), Some(Vec::new()));
        fs::read(database_file(data.path())).unwrap()
    })
}

/// What is damaged may be an error, but no panic.
fn read_all(console: &Console) {
    let _users = console.users(None, 100);
    let kinds = EntityKind::ALL.into_iter().collect();
    let _events = console.events(EventRange { after: 0, kinds, limit: 100, bytes: 1 << 20 });
}

fn is_sentence(text: &dyn Display) {
    let text = text.to_string();
    assert!(text.len() > 10 && !text.contains('\u{1b}'), "{text:?}");
}
