//! Checks that the shop's files belong to the owner of their folder, and that nobody else may read them.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::cli::doctor::finding::{Finding, bad, ok, unreadable, warn};

/// The rights of all others.
const OTHERS: u32 = 0o077;
/// The rights with which others could add or remove files.
const OTHERS_WRITE: u32 = 0o022;

/// Checks the data directory and the files in it.
pub(super) fn check(data_dir: &Path) -> Vec<Finding> {
    match faults(data_dir) {
        Ok(faults) if faults.is_empty() => {
            vec![ok(format!("{}: only its owner has access", data_dir.display()))]
        }
        Ok(faults) => faults,
        // The finding about the database says that there is no shop.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => vec![unreadable(data_dir, &error)],
    }
}

fn faults(data_dir: &Path) -> io::Result<Vec<Finding>> {
    let (folder, name) = (fs::metadata(data_dir)?, data_dir.display());
    let mut found = Vec::new();
    let open = format!("{name}: others than its owner can");
    if folder.mode() & OTHERS_WRITE != 0 {
        found.push(bad(format!("{open} change what is in it; chmod 700 {name}")));
    } else if folder.mode() & OTHERS != 0 {
        found.push(warn(format!("{open} see what is in it; chmod 700 {name}")));
    }
    for entry in fs::read_dir(data_dir)? {
        let entry = entry?;
        // The server may just have removed it.
        let Ok(file) = entry.metadata() else { continue };
        if !file.is_file() || !entry.file_name().as_encoded_bytes().starts_with(b"tillcast") {
            continue;
        }
        let file_name = entry.path();
        let file_name = file_name.display();
        if file.mode() & OTHERS != 0 {
            let text = "others than its owner have access to it";
            found.push(bad(format!("{file_name}: {text}; chmod 600 {file_name}")));
        }
        if file.uid() != folder.uid() {
            let text = "belongs to another user than its folder, so that the server may be unable to write it";
            found.push(bad(format!("{file_name}: {text}; chown --reference={name} {file_name}")));
        }
    }
    Ok(found)
}
