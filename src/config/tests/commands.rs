//! The command line: each command, each wrong one, and the help page.

use crate::config::command_table::COMMANDS;
use crate::config::settings_table::SETTINGS;
use crate::config::tests::{config, errors, line, run};
use crate::config::{Command, help, program_page, settings, settings_page};

/// The rows of a table, each with an arrow between what is given and what is expected.
fn rows(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table.trim().lines().map(|row| row.split_once(" => ").unwrap())
}

/// Arguments, and the command that they ask for.
const LINES: &str = r#"
serve => Serve
demo => Demo { rate: 5.0 }
--rate 0.1 demo => Demo { rate: 0.1 }
demo --rate=1000 => Demo { rate: 1000.0 }
user add ana --role admin => UserAdd { name: "ana", role: "admin" }
user --role STAFF add ana => UserAdd { name: "ana", role: "staff" }
--role kiosk user add ana => UserAdd { name: "ana", role: "kiosk" }
user add ana --role=display => UserAdd { name: "ana", role: "display" }
user add help --role admin => UserAdd { name: "help", role: "admin" }
user list => UserList
user passwd ana => UserPasswd { name: "ana", random: false }
user passwd --random ana => UserPasswd { name: "ana", random: true }
user disable ana --data-dir /d => UserDisable { name: "ana" }
user enable ana => UserEnable { name: "ana" }
device add board --role display => DeviceAdd { name: "board", role: "display" }
device list => DeviceList
device remove board => DeviceRemove { device: "board" }
backup /b.db => Backup { file: "/b.db" }
restore /b.db => Restore { file: "/b.db" }
backup -- --odd => Backup { file: "--odd" }
check => Check
doctor => Doctor
cert => Cert { dir: None, authority: None, names: [] }
cert --ca /a --name Till.example --name ::1 => Cert { dir: None, authority: Some("/a"), names: ["till.example", "::1"] }
cert --dir /d => Cert { dir: Some("/d"), authority: None, names: [] }
events => Events { follow: false, since: 0 }
events --since 7 --follow => Events { follow: true, since: 7 }
announce => Announce { secure: false }
announce --mdns shop --secure => Announce { secure: true }
limits => Limits
man => Man { settings: false }
man --settings => Man { settings: true }
--drain 1s limits => Limits
--version => Version
-V => Version
backup --version => Version
--version --help => Version
--nope -V --rate x => Version
--help => Help { topic: "" }
-hV => Help { topic: "" }
help => Help { topic: "" }
help me => Help { topic: "" }
help demo => Help { topic: "demo" }
help user add => Help { topic: "user add" }
user help => Help { topic: "user" }
user help list => Help { topic: "user list" }
demo help => Help { topic: "demo" }
serve --help --nonsense => Help { topic: "serve" }
user add --help => Help { topic: "user add" }
user add ana --role admin -h => Help { topic: "user add" }"#;

#[test]
fn each_command_is_understood() {
    for (args, command) in rows(LINES) {
        assert_eq!(format!("{:?}", line(args).unwrap().0), command, "{args}");
    }
}

/// Arguments, and what is wrong with them, with a bar between the lines.
const WRONG: &str = r#"
backup => backup: FILE is missing
restore => restore: FILE is missing
backup a b => backup: unexpected argument; it takes one FILE
limits 5 => limits: unexpected argument; it takes none
doctor /d => doctor: unexpected argument; it takes none
user => user: must be followed by add, list, passwd, disable or enable
user del ana => user: must be followed by add, list, passwd, disable or enable
user passwd => user passwd: NAME is missing
user add => user add: NAME is missing|--role: needed by user add, ROLES
device => device: must be followed by add, list or remove
device add board --role admin => --role: OF_DEVICES, not "admin" (from the command line)
device remove => device remove: DEVICE is missing
device remove a b => device remove: unexpected argument; it takes one DEVICE
user add a --role => --role: needs a value, ROLES
user add a --role boss => --role: ROLES, not "boss" (from the command line)
--rate 5 => --rate: belongs to the command demo, not to serve
demo --role admin => --role: belongs to the command user add and device add, not to demo
check --follow => --follow: belongs to the command events, not to check
user list --since 1 => --since: belongs to the command events, not to user list
cert --dir /a --dir /b => --dir: must be given only once
cert --name a/b => --name: HOST, not "a/b" (from the command line)
cert --name *.shop.example => --name: HOST, not "*.shop.example" (from the command line)
cert --name a:80 => --name: HOST, not "a:80" (from the command line)
events --follow=yes => --follow: takes no value
events --follow --follow => --follow: must be given only once
events --since -1 => --since: WHOLE, not "-1" (from the command line)
events --since 1.5 => --since: WHOLE, not "1.5" (from the command line)
demo --rate 0.09 => --rate: RATE, not "0.09" (from the command line)
demo --rate 1001 => --rate: RATE, not "1001" (from the command line)
demo --rate NaN => --rate: RATE, not "NaN" (from the command line)
demo --rate fast => --rate: RATE, not "fast" (from the command line)
--verbose -q => --verbose: unknown flag|-q: unknown flag
--drian 5s => --drian: unknown flag, did you mean --drain?
--nope=5s sevre => --nope: unknown flag|unknown command "sevre", COMMANDS
--nope user add a => --nope: unknown flag|--role: needed by user add, ROLES"#;

#[test]
fn a_wrong_command_line_says_what_would_be_right() {
    for (args, expected) in rows(WRONG) {
        let lines = errors(line(args)).join("|");
        let lines =
            lines.replace("must be admin, staff, kiosk, display, kitchen or picker", "ROLES");
        let lines = lines.replace("must be staff, kiosk, display, kitchen or picker", "OF_DEVICES");
        let lines = lines.replace("must be a number from 0.1 to 1000", "RATE");
        let lines = lines.replace("must be a whole number from 0 to 9223372036854775807", "WHOLE");
        let lines =
            lines.replace("must be a host name or an address, such as till.example", "HOST");
        let commands = "must be serve, demo, setup, user add, user list, user passwd, user disable, user enable, \
                        device add, device list, device remove, backup, restore, check, doctor, cert, events, \
                        announce, limits or man";
        assert_eq!(lines.replace(commands, "COMMANDS"), expected, "{args}");
    }
    let lines = errors(run(&["user", "passwd", ""], &[]));
    assert_eq!(lines, ["user passwd: NAME must not be empty"]);
}

#[test]
fn a_password_in_the_arguments_is_refused_and_not_repeated() {
    for args in [
        "user add ana hunter2 --role admin",
        "user passwd ana hunter2",
        "user passwd ana hunter2 hunter2",
        "user disable ana hunter2",
    ] {
        let command = args.split(" ana").next().unwrap();
        let expected = format!(
            "{command}: unexpected argument; the password is read from the terminal or standard input"
        );
        assert_eq!(errors(line(args)), [expected]);
    }
    for args in [
        "user passwd ana --password hunter2",
        "user passwd ana --password=hunter2",
        "user passwd ana -p hunter2",
        "user passwd ana -phunter2",
        "user list hunter2",
        "user set ana hunter2",
        "serve hunter2",
    ] {
        let text = line(args).unwrap_err().to_string();
        assert!(!text.contains("hunter2") && text.lines().count() == 2, "{args}: {text}");
    }
}

#[test]
fn help_wins_over_mistakes_of_every_source() {
    let wrong = [("TILLCAST_DRAIN", "x"), ("TILLCAST_CONFIG", "/nowhere/t.toml")];
    let outcome = run(&["--workers", "0", "--nope", "check", "it", "--help"], &wrong);
    assert_eq!(outcome, Ok((Command::Help { topic: "check" }, config(""))));
}

/// The text of a page, however it is broken into lines.
fn in_one_line(page: &str) -> String {
    page.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_help_page_has_every_row_and_fits_a_terminal() {
    let page = help("");
    assert!(page.lines().all(|line| line.len() <= 100 && line.trim_end() == line), "{page}");
    for spec in COMMANDS {
        let usage = format!("  {} ", spec.usage());
        assert!(page.lines().any(|line| line.starts_with(&usage)), "{usage}");
    }
    let page = in_one_line(&page);
    assert_eq!(settings().count(), SETTINGS.len());
    for (usage, default, reason) in settings() {
        assert!(page.contains(&format!("{usage} {reason} [default: {default}]")), "{usage}");
        assert!(reason.ends_with('.') && !default.is_empty(), "{usage}");
    }
}

#[test]
fn each_command_has_a_page_with_its_flags_and_the_settings_that_it_reads() {
    for spec in COMMANDS {
        let page = help(spec.words);
        assert!(page.starts_with(&format!("Usage: tillcast {}", spec.usage())), "{page}");
        assert!(page.lines().all(|line| line.len() <= 100 && line.trim_end() == line), "{page}");
        for flag in spec.flags() {
            assert!(page.contains(&format!("\n  {} ", flag.placeholder())), "{}", flag.flag);
        }
        for setting in SETTINGS {
            let named = page.contains(&format!("\n  --{} ", setting.flag));
            assert_eq!(named, spec.reads(setting.flag), "{} in\n{page}", setting.flag);
        }
        for flag in spec.settings.unwrap_or_default() {
            assert!(
                SETTINGS.iter().any(|setting| setting.flag == *flag),
                "{flag} of {}",
                spec.words
            );
        }
    }
    let users = help("user");
    assert!(users.contains("\n  user passwd NAME [--random]") && !users.contains("--listen"));
}

#[test]
fn the_manual_pages_have_every_row() {
    let plain = |page: String| {
        // A page is roff without what only lays it out.
        let page =
            page.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\fR", "").replace("\\fB", "");
        page.replace("\\fI", "")
    };
    let (program, settings) = (plain(program_page()), plain(settings_page()));
    assert!(program.contains(".TH TILLCAST 1 ") && settings.contains(".TH TILLCAST.TOML 5 "));
    for spec in COMMANDS {
        let entry = format!("\n.TP\n{}\n{}\n", spec.usage(), spec.summary);
        assert!(program.contains(&entry) && program.contains(spec.details), "{entry}");
    }
    for setting in SETTINGS {
        let entry = |name: &str| format!("\n.TP\n{name} {}\n{}\n", setting.value, setting.reason);
        assert!(program.contains(&entry(&format!("--{}", setting.flag))), "{}", setting.flag);
        assert_eq!(
            settings.contains(&entry(&setting.key())),
            setting.flag != "config",
            "{}",
            setting.flag
        );
    }
}
