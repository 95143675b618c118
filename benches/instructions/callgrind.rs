//! Runs the release program under callgrind, which counts each executed instruction, independent of
//! the machine and its load.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use tempfile::TempDir;

use crate::common::server::Server;
use crate::common::{Outcome, float};

/// `prctl(2)` on x86-64, its option that copies the auxiliary vector, and the error of an older
/// kernel.
const PRCTL: i64 = 157;
const PR_GET_AUXV: u64 = 0x4155_5856;
const EINVAL: u32 = 22;

/// Counts a server's instructions, phase by phase.
pub(crate) struct Callgrind {
    dumps: TempDir,
}

impl Callgrind {
    /// Makes a folder for the counts. Refuses a machine for which no counts are committed.
    pub(crate) fn new() -> Outcome<Self> {
        if !cfg!(target_arch = "x86_64") {
            return Err("instructions are counted on x86-64 only".into());
        }
        let found = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
        found.map_err(|error| format!("valgrind, of the package of that name: {error}"))?;
        Ok(Self { dumps: tempfile::tempdir()? })
    }

    /// A command that runs this program and counts, with one worker: of several, chance would
    /// choose one.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--dump-line=no", "--separate-threads=yes"]);
        let counts = self.dumps.path().join("counts");
        command.arg(format!("--callgrind-out-file={}", counts.display()));
        command.arg(program).args(["--workers", "1"]);
        command
    }

    /// Instructions of each of the server's threads since the last count.
    pub(crate) fn count(&self, server: &Server) -> Outcome<Count> {
        let mut dump = Command::new("vgdb");
        dump.arg(format!("--pid={}", server.id())).arg("dump");
        let said = dump.stdin(Stdio::null()).output()?;
        if !said.status.success() {
            return Err(format!("vgdb: {}", String::from_utf8_lossy(&said.stderr)).into());
        }
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(self.dumps.path())? {
            let path = entry?.path();
            // `counts.1-03`: the third thread of the first dump.
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some((_, thread)) = name.split_once('-') else { continue };
            let text = fs::read_to_string(&path)?;
            let sum = text.lines().last().and_then(|line| line.strip_prefix("totals: "));
            threads.insert(thread.parse()?, sum.ok_or("callgrind wrote no sum")?.trim().parse()?);
            fs::remove_file(&path)?;
        }
        if threads.is_empty() {
            Err("callgrind counted nothing".into())
        } else {
            Ok(Count(threads))
        }
    }
}

/// Instructions by thread.
pub(crate) struct Count(BTreeMap<u32, u64>);

impl Count {
    /// The sum of all threads.
    pub(crate) fn all(&self) -> f64 {
        float(self.0.values().sum())
    }

    /// The count of one thread.
    pub(crate) fn of(&self, thread: u32) -> f64 {
        float(self.0.get(&thread).copied().unwrap_or_default())
    }

    /// The thread with the highest count.
    pub(crate) fn busiest(&self) -> u32 {
        self.0.iter().max_by_key(|(_, count)| **count).map_or(0, |(thread, _)| *thread)
    }
}

/// Does work whose child processes cannot copy the auxiliary vector with `prctl`. Valgrind hides
/// the vDSO from its programs, but does not know this call of Linux 6.4, which reveals it; rustix
/// would then read memory that is not mapped. If the call fails, rustix reads `/proc/self/auxv`,
/// where Valgrind hides the vDSO.
pub(crate) fn without_auxv<T: Send>(work: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
    let copies = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, PR_GET_AUXV)?;
    let rules = BTreeMap::from([(PRCTL, vec![SeccompRule::new(vec![copies])?])]);
    let (refused, machine) = (SeccompAction::Errno(EINVAL), std::env::consts::ARCH.try_into()?);
    let filter: BpfProgram =
        SeccompFilter::new(rules, SeccompAction::Allow, refused, machine)?.try_into()?;
    // A filter stays with its thread and everything that the thread starts.
    let done = std::thread::scope(|threads| {
        let filtered = threads.spawn(|| {
            seccompiler::apply_filter(&filter).map_err(|error| error.to_string())?;
            work().map_err(|error| error.to_string())
        });
        filtered.join().unwrap_or_else(|_| Err("the start of the server panicked".to_owned()))
    });
    Ok(done?)
}
