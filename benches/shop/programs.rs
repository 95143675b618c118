//! The programs that are compared, and how each is started.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::Outcome;
use crate::common::seed::Seed;
use crate::common::server::{Kind, Server};

/// The programs' paths, and the small shop with which Tillcast starts.
pub(crate) struct Programs {
    pub(crate) tillcast: PathBuf,
    pub(crate) bun: Option<PathBuf>,
    pub(crate) seed: Seed,
}

impl Programs {
    /// The programs that can be measured here.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let bun = self.bun.iter().map(|_| Kind::Bun);
        [Kind::Tillcast, Kind::Bare].into_iter().chain(bun).collect()
    }

    /// Starts a program; Tillcast with a fresh copy of the small shop.
    pub(crate) fn start(&self, kind: Kind) -> Outcome<Server> {
        match kind {
            Kind::Tillcast => Server::of_copy(Command::new(&self.tillcast), &self.seed),
            Kind::Bare => {
                let program = std::env::current_exe()?;
                Server::start(kind, Command::new(program).arg(crate::BASELINE_WRITER))
            }
            Kind::Bun => {
                let bun = self.bun.as_deref().ok_or("Bun is not installed")?;
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/shop/bun.js");
                Server::start(kind, Command::new(bun).arg(script))
            }
        }
    }

    /// Starts Tillcast with this data directory, and logs in.
    pub(crate) fn start_at(&self, data_dir: &Path) -> Outcome<Server> {
        Server::of_data(Command::new(&self.tillcast), data_dir)
    }
}
