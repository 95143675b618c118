//! Checks whether the limit of open files is enough for the connections.

use rustix::process::{Resource, getrlimit};

use crate::cli::doctor::finding::{Finding, ok, warn};
use crate::cli::serve::connections_for;
use crate::limits::FILES_RESERVED;

/// Checks the limit that a server would get if it were started from here.
pub(super) fn check(wanted: usize) -> Finding {
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let fit = connections_for(files);
    if fit < wanted {
        let enough = wanted.saturating_add(FILES_RESERVED);
        return warn(format!(
            "the limit is {files}, if the server is started like this command: enough for {fit} connections, \
             not for the {wanted} of --max-connections; raise it to {enough} (LimitNOFILE= of its unit, or \
             ulimit -n)"
        ));
    }
    ok(format!("the limit is enough for {wanted} connections"))
}
