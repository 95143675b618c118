//! The help page, and the table of settings for the README: the tables of this room in other words.

use crate::config::command::{COMMANDS, CommandFlag, CommandSpec};
use crate::config::table::{Fallback, SETTINGS, Setting};

/// The page is readable in a terminal of this width.
const COLUMNS: usize = 100;

const BEGINNING: &str = "\
Tillcast, an edge server for shops.

Usage: tillcast [COMMAND] [SETTINGS]
";

const ENDING: &str = "
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

Exit codes: 0 done, 1 failed, 2 wrong arguments or settings (all of them are named), 3 the disk is
read-only, so that starting again does not help.
";

/// Every setting as flag with placeholder (`--drain DURATION`), default, and reason.
pub fn settings() -> impl Iterator<Item = (String, &'static str, &'static str)> {
    SETTINGS.iter().map(|setting| (setting.usage(), setting.default.words(), setting.reason))
}

/// The page that `--help` prints: commands, settings, the other sources, exit codes.
pub fn help() -> String {
    let pages = [
        ("help, --help, -h".into(), "Print this page.", None),
        ("--version, -V".into(), "Print the version.", None),
    ];
    let commands = COMMANDS.iter().map(|spec| (spec.usage(), spec.reason, None));
    let with_default =
        |(usage, default, reason)| (usage, reason, Some(format!("[default: {default}]")));

    let commands = ("Commands", commands.chain(pages).collect());
    let settings = ("Settings", settings().map(with_default).collect());
    let tables: [(&str, Vec<Row>); 2] = [commands, settings];
    let usages = tables.iter().flat_map(|(_, rows)| rows).map(|(usage, ..)| usage.len());
    let indent = usages.max().unwrap_or_default() + 4;
    let tables = tables.map(|(title, rows)| {
        let rows: String = rows.iter().map(|row| laid_out(row, indent)).collect();
        format!("\n{title}:\n{rows}")
    });
    [BEGINNING, &tables.concat(), ENDING].concat()
}

/// What to type, what it does, and a remark that stays in one piece.
type Row = (String, &'static str, Option<String>);

/// The usage in the left column, the rest in the right one, in as many lines as it needs.
fn laid_out((usage, reason, remark): &Row, indent: usize) -> String {
    let margin = indent - 1;
    let mut text = String::new();
    let mut line = format!("{:<margin$}", format!("  {usage}"));
    for word in reason.split(' ').chain(remark.as_deref()) {
        if line.len() + 1 + word.len() > COLUMNS {
            text += &line;
            text += "\n";
            line = " ".repeat(margin);
        }
        line += " ";
        line += word;
    }
    text + &line + "\n"
}

impl Setting {
    fn usage(&self) -> String {
        format!("--{} {}", self.flag, self.value)
    }
}

impl Fallback {
    fn words(&self) -> &'static str {
        match self {
            Fallback::Text(words) | Fallback::Computed(words, _) => words,
            Fallback::Nothing => "none",
        }
    }
}

impl CommandSpec {
    fn usage(&self) -> String {
        let operand = self.operand.map(|(name, _)| name);
        let flags: Vec<String> = self.flags().map(CommandFlag::usage).collect();
        let words = [self.words].into_iter().chain(operand);
        words.chain(flags.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }
}

impl CommandFlag {
    fn usage(&self) -> String {
        let usage = format!("--{} {}", self.flag, self.value);
        let usage = usage.trim_end();
        let often = if self.many { " ..." } else { "" };
        if self.required { usage.to_owned() } else { format!("[{usage}]{often}") }
    }
}
