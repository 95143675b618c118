//! Which command the words and flags of the command line ask for.

use std::ffi::{OsStr, OsString};

use super::command::{Command, FORMS, Form, OwnFlag};
use super::values::either;

/// A command's own flag as it was given, without a value where that is missing.
pub(super) type OwnGiven = (&'static OwnFlag, Option<OsString>);

/// Can `word` follow `words` in any command?
pub(super) fn fits(words: &[OsString], word: &OsStr) -> bool {
    FORMS.iter().any(|form| {
        let mut fixed = form.words.split(' ');
        words.iter().all(|word| fixed.next().is_some_and(|fixed| *word == *fixed))
            && fixed.next().map_or(form.operand.is_some(), |fixed| *word == *fixed)
    })
}

/// The command that the words and flags ask for; where there is none, `mistakes` says why.
pub(super) fn read(
    words: &[OsString],
    own: &[OwnGiven],
    mistakes: &mut Vec<String>,
) -> Option<Command> {
    let Some(form) = FORMS.iter().find(|form| words.is_empty() || form.begins(words)) else {
        mistakes.push(unknown(words));
        return None;
    };
    let mut command = (form.start)();
    let rest = words.get(form.words.split(' ').count()..).unwrap_or_default();
    mistakes.extend(form.read_operand(&mut command, rest));
    for (nth, (flag, value)) in own.iter().enumerate() {
        let again = own[..nth].iter().any(|(earlier, _)| earlier.flag == flag.flag);
        let wrong = form.read_flag(&mut command, flag, value.as_deref(), again);
        mistakes.extend(wrong.map(|why| format!("--{}: {why}", flag.flag)));
    }
    for flag in form.own_flags().filter(|flag| flag.required) {
        if !own.iter().any(|(given, _)| given.flag == flag.flag)
            && let Err(why) = (flag.set)(&mut command, OsStr::new(""))
        {
            mistakes.push(format!("--{}: needed by {}, {why}", flag.flag, form.words));
        }
    }
    Some(command)
}

fn unknown(words: &[OsString]) -> String {
    let first = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
    let followers =
        FORMS.iter().filter_map(|form| form.words.strip_prefix(&*first)?.strip_prefix(' '));
    let followers: Vec<&str> = followers.collect();
    if followers.is_empty() {
        let all: Vec<&str> = FORMS.iter().map(|form| form.words).collect();
        format!("unknown command {first:?}, must be {}", either(&all))
    } else {
        format!("{first}: must be followed by {}", either(&followers))
    }
}

impl Form {
    fn begins(&self, words: &[OsString]) -> bool {
        let mut words = words.iter();
        self.words.split(' ').all(|fixed| words.next().is_some_and(|word| *word == *fixed))
    }

    /// What is wrong is told without the arguments themselves: one of them might be a password.
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
        flag: &OwnFlag,
        value: Option<&OsStr>,
        again: bool,
    ) -> Option<String> {
        if flag.command != self.words {
            return Some(format!("belongs to the command {}, not to {}", flag.command, self.words));
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
