//! Splits the command line into settings, words and the flags of a command.

use std::ffi::{OsStr, OsString};
use std::mem;
use std::os::unix::ffi::OsStrExt;

use lexopt::{Arg, Parser};

use crate::config::command::Command;
use crate::config::command_flags::{COMMAND_FLAGS, CommandFlag};
use crate::config::command_parser::{self, RawFlag};
use crate::config::raw_value::{RawValue, Source};
use crate::config::setting::Setting;
use crate::config::settings::Config;
use crate::config::settings_table::SETTINGS;
use crate::config::values::nearest;

/// The flags that take precedence over all others.
const PAGES: [(&str, Page); 2] = [("help", Page::Help), ("version", Page::Version)];

#[derive(Clone, Copy)]
enum Page {
    Help,
    Version,
}

/// The arguments that have been read so far.
#[derive(Default)]
struct Arguments {
    words: Vec<OsString>,
    flags: Vec<RawFlag>,
    raw: Vec<RawValue>,
    errors: Vec<String>,
    /// `--help` or `--version`, whichever came first.
    page: Option<Page>,
    /// Whether the argument before was an unknown flag, so that the next one may be its value.
    maybe_value: bool,
}

/// Returns the command, the settings that were given as flags, and the mistakes.
pub(super) fn read(
    args: impl IntoIterator<Item = OsString>,
) -> (Option<Command>, Vec<RawValue>, Vec<String>) {
    let mut line = Arguments::default();
    let mut parser = Parser::from_args(args);
    // Each flag takes its value at once, so `next` cannot fail because of an unused value.
    while let Ok(Some(arg)) = parser.next() {
        let maybe_value = mem::take(&mut line.maybe_value);
        match arg {
            Arg::Value(word) => line.word(word, maybe_value),
            Arg::Long(name) => {
                let name = name.to_owned();
                line.flag(&name, &mut parser);
            }
            Arg::Short(letter) => line.letter(letter, &mut parser),
        }
    }
    let Arguments { words, flags, raw, mut errors, page, .. } = line;
    let command = match page {
        Some(Page::Help) => Some(Command::Help { topic: command_parser::topic(&words) }),
        Some(Page::Version) => Some(Command::Version),
        None => command_parser::read(&words, &flags, &mut errors),
    };
    (command, raw, errors)
}

impl Arguments {
    fn word(&mut self, word: OsString, maybe_value: bool) {
        let fits = command_parser::fits(&self.words, &word);
        if !fits && word == "help" {
            self.page.get_or_insert(Page::Help);
        } else if fits || !maybe_value {
            self.words.push(word);
        }
    }

    fn letter(&mut self, letter: char, parser: &mut Parser) {
        match letter {
            'h' => self.flag("help", parser),
            'V' => self.flag("version", parser),
            _ => self.unknown("-", letter.encode_utf8(&mut [0; 4]), parser),
        }
    }

    fn flag(&mut self, name: &str, parser: &mut Parser) {
        if let Some((_, page)) = PAGES.iter().find(|(page, _)| *page == name) {
            parser.optional_value();
            self.page.get_or_insert(*page);
        } else if let Some(setting) = SETTINGS.iter().find(|setting| setting.flag == name) {
            self.setting(setting, value(parser));
        } else if let Some(flag) = COMMAND_FLAGS.iter().find(|flag| flag.flag == name) {
            self.command_flag(flag, parser);
        } else {
            self.unknown("--", name, parser);
        }
    }

    fn setting(&mut self, setting: &'static Setting, value: Option<OsString>) {
        if let Some(value) = value {
            let source = Source::Arguments;
            self.raw.push(RawValue { setting, value, source });
        } else if let Err(why) = (setting.set)(&mut Config::empty(), OsStr::new("")) {
            self.errors.push(format!("--{}: needs a value, {why}", setting.flag));
        }
    }

    fn command_flag(&mut self, flag: &'static CommandFlag, parser: &mut Parser) {
        if !flag.value.is_empty() {
            self.flags.push((flag, value(parser)));
        } else if parser.optional_value().is_none() {
            self.flags.push((flag, None));
        } else {
            self.errors.push(format!("--{}: takes no value", flag.flag));
        }
    }

    /// Reports a flag without its value, which might be a password.
    fn unknown(&mut self, dashes: &str, name: &str, parser: &mut Parser) {
        self.maybe_value = parser.optional_value().is_none();
        let settings = SETTINGS.iter().map(|setting| setting.flag);
        let flags = COMMAND_FLAGS.iter().map(|flag| flag.flag);
        let pages = PAGES.iter().map(|(name, _)| *name);
        let hint = nearest(name, settings.chain(flags).chain(pages));
        let hint = hint.map(|near| format!(", did you mean --{near}?")).unwrap_or_default();
        self.errors.push(format!("{dashes}{}: unknown flag{hint}", name.escape_debug()));
    }
}

/// The value of the flag that was just read. A flag is not a value, but a negative number is.
fn value(parser: &mut Parser) -> Option<OsString> {
    let is_flag = |arg: &OsStr| match arg.as_bytes() {
        [b'-', next, ..] => !next.is_ascii_digit(),
        _ => false,
    };
    parser.optional_value().or_else(|| parser.try_raw_args()?.next_if(|arg| !is_flag(arg)))
}
