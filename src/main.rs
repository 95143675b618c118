//! Arguments → settings → command → exit code.

use std::process::ExitCode;

use tillcast::{cli, config, memory};

// Where musl has 32 bits, std's clock ends in 2038, and what asks it the time then panics: TLS, the log,
// each answer. Unless the libc crate, and with it std, is told to take musl's 64-bit times.
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
