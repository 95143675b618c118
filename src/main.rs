//! Arguments → settings → command → exit code.

use std::process::ExitCode;

use tillcast::{cli, config, memory};

fn main() -> ExitCode {
    memory::prepare();
    match config::read(std::env::args_os().skip(1), |name| std::env::var_os(name)) {
        Ok((command, config)) => cli::run(command, &config),
        Err(mistakes) => {
            cli::complain(&mistakes);
            ExitCode::from(2)
        }
    }
}
