//! Arguments → settings → command → exit code.

use std::process::ExitCode;

use tillcast::{cli, config, memory};

// On 32-bit musl, std's clock ends in 2038, and reading it then panics: in TLS, in the log, in each
// reply. This is so unless the libc crate, and std with it, is built for musl's 64-bit times.
#[cfg(target_env = "musl")]
const _: () = assert!(
    size_of::<libc::timespec>() == 16,
    "a shop's clock must not end in 2038: build with tests/arm, or as cross.toml says"
);

fn main() -> ExitCode {
    memory::prepare();
    match config::read(std::env::args_os().skip(1), std::env::vars_os()) {
        Ok((command, config)) => cli::run(command, &config),
        Err(errors) => cli::reject(&errors),
    }
}
