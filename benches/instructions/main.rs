//! `cargo bench --bench instructions` measures the costs of the program that do not depend on the
//! machine and its load: instructions, bytes, KiB. It fails if one has grown by more than the table
//! in `docs/figures.md` allows.
//!
//! `-- --program PATH` measures another build of Tillcast, `-- --accept` writes what it measures into
//! the table.

mod callgrind;
#[path = "../common/mod.rs"]
mod common;
mod load;
mod memory;
mod table;

use std::io::{Write as _, stdout};
use std::path::PathBuf;

use common::{Outcome, float};
use table::Table;

fn main() -> Outcome<()> {
    let (mut program, mut accept) = (PathBuf::from(env!("CARGO_BIN_EXE_tillcast")), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {} // cargo's own
            "--program" => program = arguments.next().ok_or("--program PATH")?.into(),
            "--accept" => accept = true,
            wrong => return Err(format!("{wrong}: there are --program PATH and --accept").into()),
        }
    }
    let mut figures = load::figures(&program)?;
    figures.extend(memory::figures(&program)?);
    figures.push(("the program, KiB", float(program.metadata()?.len()) / 1024.0));
    let mut table = Table::read()?;
    let grown = table.compare(&figures)?;
    stdout().write_all(table.markdown().as_bytes())?;
    if accept {
        return table.write();
    }
    match grown.as_slice() {
        [] => Ok(()),
        grown => Err(format!(
            "{}\nReduce it, or document why it is worth that and accept it: -- --accept",
            grown.join("\n")
        )
        .into()),
    }
}
