//! The manual pages in roff, made from the tables of commands and settings.

use roff::{Inline, Roff, bold, italic, roman};

use crate::config::command_table::COMMANDS;
use crate::config::help::EXIT_CODES;
use crate::config::setting::Setting;
use crate::config::settings_table::SETTINGS;

const VERSION: &str = concat!("tillcast ", env!("CARGO_PKG_VERSION"));

/// The purpose of each file, under the paths of the Debian package.
const FILES: [(&str, &str); 3] = [
    (
        "/etc/tillcast/tillcast.toml",
        "Settings, read by the service if the file exists. See tillcast.toml(5).",
    ),
    (
        "/var/lib/tillcast/tillcast.db",
        "The service's database. Give --data-dir /var/lib/tillcast to the other commands.",
    ),
    ("/var/lib/tillcast/backups", "The daily backups, unless --backup-dir names another folder."),
];

const SIGNALS: [(&str, &str); 2] = [
    (
        "SIGTERM, SIGINT",
        "Stop: accept no more connections, finish the open requests, and close all connections within --drain.",
    ),
    (
        "SIGHUP",
        "Reload the log level, the certificate and its key. The log names the settings that have changed \
         and need a restart. Commands other than serve and demo ignore it.",
    ),
];

const EXAMPLES: [(&str, &str); 5] = [
    ("tillcast demo", "Serve a temporary shop with simulated sales."),
    ("tillcast serve --data-dir /srv/shop", "Serve the shop in /srv/shop, on port 3000."),
    (
        "sudo tillcast setup --data-dir /var/lib/tillcast",
        "Print the link by which somebody sets up the shop of the Debian package.",
    ),
    (
        "tillcast events --follow --data-dir /srv/shop",
        "Print every change of the shop, and wait for more.",
    ),
    (
        "tillcast backup --data-dir /srv/shop /mnt/stick",
        "Copy the shop into the folder /mnt/stick, once a day.",
    ),
];

const TOML_EXAMPLE: [&str; 4] = [
    "listen = [\"127.0.0.1:3000\"]",
    "session_idle = \"1h\"",
    "max_connections = 2000",
    "allow_origin = [\"https://shop.example\", \"https://kitchen.example\"]",
];

/// The page of the program, tillcast(1).
pub fn program_page() -> String {
    let mut page = titled("TILLCAST", "1", "tillcast", "edge server for shops");
    section(&mut page, "SYNOPSIS");
    page.text([bold("tillcast"), roman(" [COMMAND] [SETTINGS]")]);
    section(&mut page, "DESCRIPTION");
    page.text([roman(
        "Tillcast keeps a shop's orders, products, customers, shipments and payments in one SQLite file. It \
         serves them over HTTP, and sends every change to its subscribers on a WebSocket, by default on \
         port 3000.",
    )]);
    section(&mut page, "COMMANDS");
    for spec in COMMANDS {
        entry(&mut page, [bold(spec.usage())], spec.summary);
        paragraph(&mut page, spec.details);
        page.control("RS", []);
        for flag in spec.flags() {
            entry(&mut page, [bold(flag.placeholder())], flag.reason);
        }
        page.control("RE", []);
    }
    entry(
        &mut page,
        [bold("help [COMMAND]")],
        "Print all commands and settings, or the page of a command.",
    );
    section(&mut page, "SETTINGS");
    page.text([roman(
        "Each command reads the settings on its help page. A flag wins over the environment, the environment \
         over the file, and the file over the default. Durations are numbers with units, such as 90s, 12h or 30d.",
    )]);
    for setting in SETTINGS {
        entry(&mut page, usage(&format!("--{}", setting.flag), setting), setting.reason);
        default(&mut page, setting);
    }
    entries(&mut page, "SIGNALS", SIGNALS);
    section(&mut page, "ENVIRONMENT");
    page.text([roman(
        "Each setting is also a variable, such as TILLCAST_SESSION_IDLE for --session-idle; commas separate \
         the values of a repeatable one. Any other variable that begins with TILLCAST_ is a mistake. \
         An empty variable counts as unset. systemd names the data directory in STATE_DIRECTORY and the \
         folder of tillcast.toml in CONFIGURATION_DIRECTORY.",
    )]);
    entries(&mut page, "FILES", FILES);
    section(&mut page, "EXIT STATUS");
    for (code, text) in EXIT_CODES {
        entry(&mut page, [bold(code.to_string())], text);
    }
    entries(&mut page, "EXAMPLES", EXAMPLES);
    see_also(&mut page, &[("tillcast.toml", "5"), ("systemd.service", "5"), ("journalctl", "1")]);
    page.render()
}

/// The page of the settings file, tillcast.toml(5).
pub fn settings_page() -> String {
    let mut page = titled("TILLCAST.TOML", "5", "tillcast.toml", "settings of the tillcast server");
    section(&mut page, "DESCRIPTION");
    page.text([roman(
        "A TOML file that tillcast(1) reads where --config names it; the service of the Debian package reads \
         /etc/tillcast/tillcast.toml. Values are texts between quotes or whole numbers; a repeatable setting \
         may have a list. A flag or a variable wins over the file. An unknown key is a mistake. \
         Restart the server after a change; for the log level, SIGHUP is enough.",
    )]);
    section(&mut page, "KEYS");
    for setting in SETTINGS.iter().filter(|setting| setting.flag != "config") {
        entry(&mut page, usage(&setting.key(), setting), setting.reason);
        default(&mut page, setting);
    }
    section(&mut page, "EXAMPLE");
    page.control("EX", []);
    for line in TOML_EXAMPLE {
        page.text([roman(line)]);
    }
    page.control("EE", []);
    see_also(&mut page, &[("tillcast", "1")]);
    page.render()
}

fn titled(title: &str, number: &str, name: &str, what: &str) -> Roff {
    let mut page = Roff::new();
    page.control("TH", [title, number, "", VERSION, "Tillcast"]);
    section(&mut page, "NAME");
    page.text([roman(format!("{name} - {what}"))]);
    page
}

fn section(page: &mut Roff, title: &str) {
    page.control("SH", [title]);
}

fn entries<const N: usize>(page: &mut Roff, title: &str, rows: [(&str, &str); N]) {
    section(page, title);
    for (term, text) in rows {
        entry(page, [bold(term)], text);
    }
}

/// A term, followed by its text.
fn entry(page: &mut Roff, term: impl Into<Vec<Inline>>, text: &str) {
    page.control("TP", []).text(term).text([roman(text)]);
}

/// Continues an entry with another paragraph, if there is one.
fn paragraph(page: &mut Roff, text: &str) {
    if !text.is_empty() {
        page.control("IP", []).text([roman(text)]);
    }
}

fn usage(name: &str, setting: &Setting) -> [Inline; 3] {
    [bold(name), roman(" "), italic(setting.value)]
}

fn default(page: &mut Roff, setting: &Setting) {
    paragraph(page, &format!("Default: {}.", setting.default.description()));
}

fn see_also(page: &mut Roff, pages: &[(&str, &str)]) {
    section(page, "SEE ALSO");
    let pages: Vec<String> =
        pages.iter().map(|(name, number)| format!("{name}({number})")).collect();
    page.text([roman(pages.join(", "))]);
}
