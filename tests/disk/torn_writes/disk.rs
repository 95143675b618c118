//! A disk that may keep, lose, reorder and tear all writes that were not synced.

use super::trace::{FILES, Step};
use fastrand::Rng;
use std::fs;
use std::path::Path;

const SECTOR: usize = 512;

/// For each file, the bytes that are certainly stored, and the writes since the last sync.
#[derive(Default)]
pub(crate) struct Disk<'steps> {
    files: [Vec<u8>; FILES.len()],
    since: [Vec<&'steps Step>; FILES.len()],
}

impl<'steps> Disk<'steps> {
    pub(crate) fn of(data_dir: &Path) -> Self {
        let read = |name| fs::read(data_dir.join(name)).unwrap();
        Self { files: FILES.map(read), since: Default::default() }
    }

    pub(crate) fn take(&mut self, step: &'steps Step) {
        match step {
            Step::Write { file, .. } | Step::Truncate { file, .. } => self.since[*file].push(step),
            Step::Synced { file } => {
                for step in self.since[*file].drain(..) {
                    apply(step, &mut self.files[*file], |_| true);
                }
            }
            Step::Made(_) | Step::Event(..) => {}
        }
    }

    /// Writes a state that the disk may have if the power fails now.
    pub(crate) fn lose_power(&self, rng: &mut Rng, data_dir: &Path) {
        // Some disks lose many writes, some few, some none; some keep the order.
        let kept = [0.0, 0.1, 0.5, 0.9, 1.0][rng.usize(..5)];
        let torn = [0.0, 0.5, 1.0][rng.usize(..3)];
        let in_order = rng.bool();
        for (file, name) in FILES.iter().enumerate() {
            let mut bytes = self.files[file].clone();
            let mut since = self.since[file].clone();
            if !in_order {
                rng.shuffle(&mut since);
            }
            for step in since {
                if rng.f64() < torn {
                    apply(step, &mut bytes, |_| rng.f64() < kept);
                } else if rng.f64() < kept {
                    apply(step, &mut bytes, |_| true);
                }
            }
            fs::write(data_dir.join(name), bytes).unwrap();
        }
    }
}

/// Applies a step to those of its sectors that `arrives` selects.
fn apply(step: &Step, file: &mut Vec<u8>, mut arrives: impl FnMut(usize) -> bool) {
    match step {
        Step::Write { at, bytes, .. } => {
            let mut from = 0;
            while from < bytes.len() {
                let sector = (at + from) / SECTOR;
                let to = bytes.len().min((sector + 1) * SECTOR - at);
                if arrives(sector) {
                    file.resize(file.len().max(at + to), 0);
                    file[at + from..at + to].copy_from_slice(&bytes[from..to]);
                }
                from = to;
            }
        }
        Step::Truncate { length, .. } if arrives(length / SECTOR) => file.resize(*length, 0),
        _ => {}
    }
}
