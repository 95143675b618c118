//! The command line: which of its parts are settings, which are the command and its own flags.

use std::ffi::{OsStr, OsString};
use std::mem;
use std::os::unix::ffi::OsStrExt;

use lexopt::{Arg, Parser};

use super::Config;
use super::command::{Command, OWN_FLAGS, OwnFlag};
use super::given::{Given, Source};
use super::request::{self, OwnGiven};
use super::table::{SETTINGS, Setting};
use super::values::nearest;

/// The flags that win over everything else.
const PAGES: [(&str, Command); 2] = [("help", Command::Help), ("version", Command::Version)];

/// What has been read so far.
#[derive(Default)]
struct Line {
    words: Vec<OsString>,
    own: Vec<OwnGiven>,
    given: Vec<Given>,
    mistakes: Vec<String>,
    /// `--help` or `--version`, whichever came first.
    page: Option<Command>,
    /// The argument before was an unknown flag, so the next one may be its value.
    doubt: bool,
}

/// The command, the settings that were given as flags, and the mistakes.
pub(super) fn read(
    args: impl IntoIterator<Item = OsString>,
) -> (Option<Command>, Vec<Given>, Vec<String>) {
    let mut line = Line::default();
    let mut parser = Parser::from_args(args);
    // Each flag takes its value at once, so nothing is left over that `next` could object to.
    while let Ok(Some(arg)) = parser.next() {
        let doubt = mem::take(&mut line.doubt);
        match arg {
            Arg::Value(word) => line.word(word, doubt),
            Arg::Long(name) => {
                let name = name.to_owned();
                line.flag(&name, &mut parser);
            }
            Arg::Short(letter) => line.letter(letter, &mut parser),
        }
    }
    let Line { words, own, given, mut mistakes, page, .. } = line;
    let command = page.or_else(|| request::read(&words, &own, &mut mistakes));
    (command, given, mistakes)
}

impl Line {
    fn word(&mut self, word: OsString, doubt: bool) {
        let fits = request::fits(&self.words, &word);
        if !fits && word == "help" {
            self.page.get_or_insert(Command::Help);
        } else if fits || !doubt {
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
            self.page.get_or_insert_with(|| page.clone());
        } else if let Some(setting) = SETTINGS.iter().find(|setting| setting.flag == name) {
            self.setting(setting, value(parser));
        } else if let Some(own) = OWN_FLAGS.iter().find(|own| own.flag == name) {
            self.own_flag(own, parser);
        } else {
            self.unknown("--", name, parser);
        }
    }

    fn setting(&mut self, setting: &'static Setting, value: Option<OsString>) {
        if let Some(value) = value {
            let source = Source::Arguments;
            self.given.push(Given { setting, value, source });
        } else if let Err(why) = (setting.set)(&mut Config::blank(), OsStr::new("")) {
            self.mistakes.push(format!("--{}: needs a value, {why}", setting.flag));
        }
    }

    fn own_flag(&mut self, own: &'static OwnFlag, parser: &mut Parser) {
        if !own.value.is_empty() {
            self.own.push((own, value(parser)));
        } else if parser.optional_value().is_none() {
            self.own.push((own, None));
        } else {
            self.mistakes.push(format!("--{}: takes no value", own.flag));
        }
    }

    /// Reports a flag without its value, which might be a password.
    fn unknown(&mut self, dashes: &str, name: &str, parser: &mut Parser) {
        self.doubt = parser.optional_value().is_none();
        let settings = SETTINGS.iter().map(|setting| setting.flag);
        let own = OWN_FLAGS.iter().map(|own| own.flag);
        let pages = PAGES.iter().map(|(name, _)| *name);
        let hint = nearest(name, settings.chain(own).chain(pages));
        let hint = hint.map(|near| format!(", did you mean --{near}?")).unwrap_or_default();
        self.mistakes.push(format!("{dashes}{}: unknown flag{hint}", name.escape_debug()));
    }
}

/// The value of the flag that was just read; another flag is not a value, a negative number is.
fn value(parser: &mut Parser) -> Option<OsString> {
    let is_flag = |arg: &OsStr| match arg.as_bytes() {
        [b'-', next, ..] => !next.is_ascii_digit(),
        _ => false,
    };
    parser.optional_value().or_else(|| parser.try_raw_args()?.next_if(|arg| !is_flag(arg)))
}
