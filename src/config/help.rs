//! The help pages, and the table of settings for the documents, made from the tables of this module.

use std::fmt::Write;

use crate::config::command_flags::CommandFlag;
use crate::config::command_table::{CommandSpec, about};
use crate::config::setting::{Fallback, Setting};
use crate::config::settings_table::SETTINGS;

/// The pages are readable in a terminal of this width.
const COLUMNS: usize = 100;

const BEGINNING: &str = "\
Tillcast, an edge server for shops.

Usage: tillcast [COMMAND] [SETTINGS]
";

const SOURCES: &str = "
Environment:
  Each setting is also a variable, such as TILLCAST_SESSION_IDLE=12h; commas separate the values of
  a repeatable one. A flag wins over the environment, the environment over the file, and the file
  over the default.

File:
  Each setting but --config is also a key of the TOML file, with underscores:
    session_idle = \"12h\"
    max_connections = 2000
    allow_origin = [\"https://shop.example\", \"https://kitchen.example\"]

Durations are numbers with units, such as 90s, 12h or 30d.

Exit codes:
";

/// The program's exit codes.
pub(super) const EXIT_CODES: [(u8, &str); 4] = [
    (0, "The command is done."),
    (1, "It failed; standard error says why."),
    (
        2,
        "An argument, a variable or a setting is wrong, and nothing was done. All mistakes are named.",
    ),
    (3, "The server's disk takes no writes, so that starting it again would not help."),
];

/// Every setting as flag with placeholder (`--drain DURATION`), default, and reason.
pub fn settings() -> impl Iterator<Item = (String, &'static str, &'static str)> {
    SETTINGS.iter().map(|setting| (setting.usage(), setting.default.description(), setting.reason))
}

/// The page about the commands that a topic names: one, several, or all for an empty one.
pub fn help(topic: &str) -> String {
    let specs: Vec<&CommandSpec> = about(topic).collect();
    let (head, rows) = match &specs[..] {
        [spec] => (spec.introduction(), ("Flags", spec.flags().map(CommandFlag::row).collect())),
        _ if topic.is_empty() => (BEGINNING.to_owned(), ("Commands", all_commands(&specs))),
        _ => {
            let head = format!("Usage: tillcast {topic} COMMAND [SETTINGS]\n");
            (head, ("Commands", specs.iter().map(|spec| spec.row()).collect()))
        }
    };
    let read = SETTINGS.iter().filter(|setting| specs.iter().any(|spec| spec.reads(setting.flag)));
    let tail = match read.clone().next() {
        _ if topic.is_empty() => SOURCES.to_owned() + &exit_codes(),
        Some(setting) => setting.other_sources(),
        None => String::new(),
    };
    [head, tables(&[rows, ("Settings", read.map(Setting::row).collect())]), tail].concat()
}

/// A command to type, its purpose, and a remark that is not wrapped.
struct Row {
    usage: String,
    text: String,
    remark: Option<String>,
}

fn row(usage: &str, text: &str) -> Row {
    Row { usage: usage.to_owned(), text: text.to_owned(), remark: None }
}

fn all_commands(specs: &[&CommandSpec]) -> Vec<Row> {
    let pages = [
        row("help [COMMAND], --help, -h", "Print this page, or the page of a command."),
        row("--version, -V", "Print the version."),
    ];
    specs.iter().map(|spec| spec.row()).chain(pages).collect()
}

fn exit_codes() -> String {
    EXIT_CODES
        .iter()
        .fold(String::new(), |page, (code, text)| page + &format!("  {code}  {text}\n"))
}

/// Titled tables with the same indentation; a table without rows is left out.
fn tables(tables: &[(&str, Vec<Row>)]) -> String {
    let rows = tables.iter().flat_map(|(_, rows)| rows);
    let indent = rows.map(|row| row.usage.len()).max().unwrap_or_default() + 4;
    let mut page = String::new();
    for (title, rows) in tables.iter().filter(|(_, rows)| !rows.is_empty()) {
        let rows: String = rows.iter().map(|row| row.laid_out(indent)).collect();
        let written = write!(page, "\n{title}:\n{rows}");
        debug_assert!(written.is_ok(), "a String takes every text");
    }
    page
}

/// Appends the words to the last line of `text`, and wraps at `COLUMNS` to indented lines.
fn wrap<'a>(mut text: String, words: impl Iterator<Item = &'a str>, indent: usize) -> String {
    let mut columns = text.len();
    for word in words {
        if columns + 1 + word.len() > COLUMNS {
            text.truncate(text.trim_end().len());
            text += "\n";
            text.extend(std::iter::repeat_n(' ', indent));
            columns = indent;
        } else if columns > indent {
            text += " ";
            columns += 1;
        }
        text += word;
        columns += word.len();
    }
    text + "\n"
}

impl Row {
    /// The row with the usage in the left column and the rest, wrapped, in the right one.
    fn laid_out(&self, indent: usize) -> String {
        let start = format!("{:<indent$}", format!("  {}", self.usage));
        let remark = self.remark.iter().flat_map(|remark| remark.split(' '));
        wrap(start, self.text.split(' ').chain(remark), indent)
    }
}

impl Setting {
    pub(super) fn usage(&self) -> String {
        format!("--{} {}", self.flag, self.value)
    }

    /// The sources of settings beside flags, with this setting as the example.
    fn other_sources(&self) -> String {
        format!(
            "\nA setting is also a variable, --{} as {}, and a key of the TOML file, {}.\n\
             All commands and settings: tillcast help\n",
            self.flag,
            self.variable(),
            self.key()
        )
    }

    fn row(&self) -> Row {
        let remark = Some(format!("[default: {}]", self.default.description()));
        Row { remark, ..row(&self.usage(), self.reason) }
    }
}

impl Fallback {
    pub(super) fn description(&self) -> &'static str {
        match self {
            Fallback::Text(words) | Fallback::Computed(words, _) => words,
            Fallback::Nothing => "none",
        }
    }
}

impl CommandSpec {
    /// The command line, without the program's name and without settings.
    pub(super) fn usage(&self) -> String {
        let operand = self.operand.map(|(name, _)| name);
        let flags: Vec<String> = self.flags().map(CommandFlag::usage).collect();
        let words = [self.words].into_iter().chain(operand);
        words.chain(flags.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }

    fn row(&self) -> Row {
        row(&self.usage(), self.summary)
    }

    fn introduction(&self) -> String {
        let settings = if self.settings.is_some_and(<[_]>::is_empty) { "" } else { " [SETTINGS]" };
        let usage = format!("Usage: tillcast {}{settings}\n\n{}\n", self.usage(), self.summary);
        if self.details.is_empty() {
            return usage;
        }
        usage + "\n" + &wrap(String::new(), self.details.split(' '), 0)
    }
}

impl CommandFlag {
    fn row(&self) -> Row {
        row(&self.placeholder(), self.reason)
    }

    /// The flag with the placeholder of its value.
    pub(super) fn placeholder(&self) -> String {
        format!("--{} {}", self.flag, self.value).trim_end().to_owned()
    }

    fn usage(&self) -> String {
        let usage = self.placeholder();
        let often = if self.many { " ..." } else { "" };
        if self.required { usage } else { format!("[{usage}]{often}") }
    }
}
