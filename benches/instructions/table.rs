//! The table of `docs/figures.md`: read, compared with what was measured, and written.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::common::Outcome;

const HEADING: &str = "## Instructions\n";
const COLUMNS: &str = "| | before the rebuild | now | may grow by |\n|---|---|---|---|\n";

/// The section's table, and the text around it.
pub(crate) struct Table {
    head: String,
    rows: Vec<Row>,
    tail: String,
}

/// One figure.
struct Row {
    what: String,
    before: String,
    now: String,
    /// A percentage, such as `3 %`, or an amount.
    margin: String,
}

impl Table {
    /// Reads the committed table.
    pub(crate) fn read() -> Outcome<Self> {
        let text = fs::read_to_string(file())?;
        let section = text.find(HEADING).ok_or("docs/figures.md has no section of instructions")?;
        let table = text[section..].find(COLUMNS).ok_or("docs/figures.md has no table of them")?;
        let (head, rest) = text.split_at(section + table + COLUMNS.len());
        let end: usize =
            rest.split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum();
        let (rows, tail) = rest.split_at(end);
        let rows = rows.lines().map(Row::read).collect::<Outcome<_>>()?;
        Ok(Self { head: head.to_owned(), rows, tail: tail.to_owned() })
    }

    /// Replaces the committed figures by the measured ones; returns a line for each figure that has
    /// grown by more than it may.
    pub(crate) fn compare(&mut self, figures: &[(&str, f64)]) -> Outcome<Vec<String>> {
        let mut grown = Vec::new();
        for row in &mut self.rows {
            let measured = figures.iter().find(|(what, _)| *what == row.what);
            let (_, measured) = measured.ok_or_else(|| format!("{}: not measured", row.what))?;
            let most = row.most()?;
            if *measured > most {
                let (now, most) = (number(*measured), number(most));
                grown.push(format!("{}: {now}, and {most} at most", row.what));
            }
            row.now = number(*measured);
        }
        match figures.iter().find(|(what, _)| self.rows.iter().all(|row| row.what != *what)) {
            Some((what, _)) => Err(format!("docs/figures.md has no row: {what}").into()),
            None => Ok(grown),
        }
    }

    /// The table in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut out = COLUMNS.to_owned();
        for Row { what, before, now, margin } in &self.rows {
            let written = writeln!(out, "| {what} | {before} | {now} | {margin} |");
            debug_assert!(written.is_ok(), "a String takes every text");
        }
        out
    }

    /// Writes the document with this table.
    pub(crate) fn write(&self) -> Outcome<()> {
        let head = self.head.trim_end_matches(COLUMNS);
        Ok(fs::write(file(), format!("{head}{}{}", self.markdown(), self.tail))?)
    }
}

impl Row {
    fn read(line: &str) -> Outcome<Self> {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [what, before, now, margin] = cells[..] else {
            return Err(format!("docs/figures.md: no row of four cells: {line}").into());
        };
        let [what, before, now, margin] = [what, before, now, margin].map(str::to_owned);
        Ok(Self { what, before, now, margin })
    }

    /// The highest value that the figure may have.
    fn most(&self) -> Outcome<f64> {
        let number = |text: &str| text.replace(',', "").parse::<f64>();
        let now = number(&self.now).map_err(|error| format!("{}: {error}", self.what))?;
        Ok(match self.margin.strip_suffix(" %") {
            Some(percent) => now * (1.0 + number(percent)? / 100.0),
            None => now + number(&self.margin)?,
        })
    }
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/figures.md")
}

/// A whole number with commas from 100 on, else two decimals.
fn number(figure: f64) -> String {
    if figure < 100.0 {
        return format!("{figure:.2}");
    }
    let mut digits = format!("{figure:.0}");
    for at in (1..digits.len()).rev().filter(|at| (digits.len() - at) % 3 == 0).collect::<Vec<_>>()
    {
        digits.insert(at, ',');
    }
    digits
}
