//! Text for the person at the terminal.

use std::env;
use std::fmt::Display;
use std::io::{self, Write};

use tokio::signal::unix::{SignalKind, signal};

use crate::domain::{FieldError, Reject};

/// The program as it was called, so that a printed command works even if the program is not in PATH.
pub(super) fn program() -> String {
    let called = env::args_os().next().unwrap_or_default();
    match called.to_string_lossy() {
        called if called.is_empty() => "tillcast".to_owned(),
        called if called.contains(char::is_whitespace) => format!("'{called}'"),
        called => called.into_owned(),
    }
}

/// Replaces `tillcast` in each command between backquotes with the program as it was called.
pub(super) fn with_program(text: &str) -> String {
    text.replace("`tillcast ", &format!("`{} ", program()))
}

/// Writes to standard output. A reader that closes the pipe (`| head`) is no failure.
pub(super) fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// Begins each line that a command writes to standard error.
const PREFIX: &str = "tillcast: ";

/// Writes a line to standard error.
pub(super) fn print_error(text: &impl Display) {
    // If standard error is closed, nothing can report it.
    drop(writeln!(io::stderr(), "{PREFIX}{}", with_program(&text.to_string())));
}

/// An error as another process of this program has written it, without the beginning of the line.
pub(super) fn without_prefix(line: &str) -> String {
    line.strip_prefix(PREFIX).unwrap_or(line).trim_end().to_owned()
}

/// Makes this process ignore `SIGHUP` from now on.
pub(super) fn ignore_hangups() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let ignored = runtime.and_then(|runtime| {
        let _context = runtime.enter();
        signal(SignalKind::hangup()).map(drop)
    });
    // If this fails, the command still works until the signal comes.
    drop(ignored);
}

/// Explains to a person why the store refused a command.
pub(super) fn explain(reject: Reject) -> String {
    match reject {
        Reject::Invalid(errors) => {
            let line = |error: &FieldError| format!("{} {}", error.field, error.message);
            errors.iter().map(line).collect::<Vec<_>>().join("; ")
        }
        Reject::NotFound => "not found".to_owned(),
        Reject::SessionEnded => "the session has ended".to_owned(),
        Reject::Conflict(_, detail) | Reject::NotAllowed(detail) => detail,
        Reject::PreconditionFailed | Reject::KeyReused | Reject::ResponsesFull(_) => {
            "it was changed meanwhile; try again".to_owned()
        }
        Reject::DiskFull => "the disk is full; nothing was changed".to_owned(),
        Reject::Busy | Reject::Unavailable => {
            "the database failed; the lines above say why".to_owned()
        }
    }
}
