//! Whether the server may open as many files as it has connections.

use rustix::process::{Resource, getrlimit};

use crate::cli::doctor::finding::{Finding, ok, warn};
use crate::cli::serve::connections_for;
use crate::limits::FILES_RESERVED;

/// Looks at what a server that is started from here would get.
pub(super) fn check(wanted: usize) -> Finding {
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let fit = connections_for(files);
    if fit < wanted {
        let enough = wanted.saturating_add(FILES_RESERVED);
        return warn(format!(
            "{files} may be open, if the server is started like this command: enough for {fit} \
             connections, not for the {wanted} of --max-connections; raise it to {enough} \
             (LimitNOFILE= of its unit, or ulimit -n)"
        ));
    }
    ok(format!("as many may be open as {wanted} connections need"))
}
