//! Reads the command from the words and flags of the command line.

use std::ffi::{OsStr, OsString};

use crate::config::command::Command;
use crate::config::command_flags::CommandFlag;
use crate::config::command_table::{COMMANDS, CommandSpec};
use crate::config::values::alternatives;

/// A command's own flag as it was given, with its value if there is one.
pub(super) type RawFlag = (&'static CommandFlag, Option<OsString>);

/// Whether `word` can follow `words` in any command.
pub(super) fn fits(words: &[OsString], word: &OsStr) -> bool {
    COMMANDS.iter().any(|spec| {
        let mut fixed = spec.words.split(' ');
        words.iter().all(|word| fixed.next().is_some_and(|fixed| *word == *fixed))
            && fixed.next().map_or(spec.operand.is_some(), |fixed| *word == *fixed)
    })
}

/// The command of the words and flags; `None` if there is none. Mistakes are added to `errors`.
pub(super) fn read(
    words: &[OsString],
    flags: &[RawFlag],
    errors: &mut Vec<String>,
) -> Option<Command> {
    let Some(spec) = COMMANDS.iter().find(|spec| words.is_empty() || spec.begins(words)) else {
        errors.push(unknown(words));
        return None;
    };
    let mut command = (spec.start)();
    let rest = words.get(spec.words.split(' ').count()..).unwrap_or_default();
    errors.extend(spec.read_operand(&mut command, rest));
    for (nth, (flag, value)) in flags.iter().enumerate() {
        let again = flags[..nth].iter().any(|(earlier, _)| earlier.flag == flag.flag);
        let wrong = spec.read_flag(&mut command, flag, value.as_deref(), again);
        errors.extend(wrong.map(|why| format!("--{}: {why}", flag.flag)));
    }
    for flag in spec.flags().filter(|flag| flag.required) {
        if !flags.iter().any(|(raw, _)| raw.flag == flag.flag)
            && let Err(why) = (flag.set)(&mut command, OsStr::new(""))
        {
            errors.push(format!("--{}: needed by {}, {why}", flag.flag, spec.words));
        }
    }
    Some(command)
}

/// The topic of a help page: the command that these words begin with, or the first words that they share
/// with several commands, or nothing.
pub(super) fn topic(words: &[OsString]) -> &'static str {
    let shared = |spec: &CommandSpec| {
        let pairs = spec.words.split(' ').zip(words);
        let shared = pairs.take_while(|(fixed, word)| **word == **fixed);
        let length: usize = shared.map(|(fixed, _)| fixed.len() + 1).sum();
        &spec.words[..length.saturating_sub(1)]
    };
    COMMANDS.iter().map(shared).max_by_key(|topic| topic.len()).unwrap_or_default()
}

fn unknown(words: &[OsString]) -> String {
    let first = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
    let followers =
        COMMANDS.iter().filter_map(|spec| spec.words.strip_prefix(&*first)?.strip_prefix(' '));
    let followers: Vec<&str> = followers.collect();
    if followers.is_empty() {
        let all: Vec<&str> = COMMANDS.iter().map(|spec| spec.words).collect();
        format!("unknown command {first:?}, must be {}", alternatives(&all))
    } else {
        format!("{first}: must be followed by {}", alternatives(&followers))
    }
}

impl CommandSpec {
    fn begins(&self, words: &[OsString]) -> bool {
        let mut words = words.iter();
        self.words.split(' ').all(|fixed| words.next().is_some_and(|word| *word == *fixed))
    }

    /// Reads the operand. The error does not repeat the arguments, because one might be a password.
    fn read_operand(&self, command: &mut Command, rest: &[OsString]) -> Option<String> {
        let words = self.words;
        match (self.operand, rest) {
            (None, []) => None,
            (None, _) => Some(format!("{words}: unexpected argument; it takes none")),
            (Some((name, _)), []) => Some(format!("{words}: {name} is missing")),
            (Some((name, set)), [value]) => {
                set(command, value).err().map(|why| format!("{words}: {name} {why}"))
            }
            (Some(_), _) if words.starts_with("user ") => Some(format!(
                "{words}: unexpected argument; the password is read from the terminal or standard input"
            )),
            (Some((name, _)), _) => {
                Some(format!("{words}: unexpected argument; it takes one {name}"))
            }
        }
    }

    fn read_flag(
        &self,
        command: &mut Command,
        flag: &CommandFlag,
        value: Option<&OsStr>,
        again: bool,
    ) -> Option<String> {
        if !flag.commands.contains(&self.words) {
            let owners = flag.commands.join(" and ");
            return Some(format!("belongs to the command {owners}, not to {}", self.words));
        }
        if again && !flag.many {
            return Some("must be given only once".into());
        }
        let why = (flag.set)(command, value.unwrap_or_default()).err()?;
        Some(match value {
            Some(value) => {
                format!("{why}, not {:?} (from the command line)", value.to_string_lossy())
            }
            None => format!("needs a value, {why}"),
        })
    }
}
