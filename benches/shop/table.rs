//! The table: a line for each figure, with the peers of the same run beside it.

use std::fmt::Write as _;
use std::fs;

use crate::common::server::Kind;

/// The goal of a figure.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// No goal: the figure explains another one.
    None,
    /// At most this value.
    AtMost(f64),
    /// At most this part of Bun's figure.
    OfBun(f64),
    /// At least this part of the baseline's figure.
    OfBare(f64),
}

/// One figure of all programs.
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) goal: Goal,
    pub(crate) figures: Figures,
}

/// The figure of each program in each repetition, in order.
#[derive(Clone, Default)]
pub(crate) struct Figures {
    pub(crate) ours: Vec<f64>,
    pub(crate) bare: Vec<f64>,
    pub(crate) bun: Vec<f64>,
}

impl Figures {
    /// Adds a repetition's figure.
    pub(crate) fn push(&mut self, kind: Kind, figure: f64) {
        match kind {
            Kind::Tillcast => self.ours.push(figure),
            Kind::Bare => self.bare.push(figure),
            Kind::Bun => self.bun.push(figure),
        }
    }

    /// The median of the ratios within each repetition.
    fn ratio(&self, to: &[f64]) -> Option<f64> {
        median(&self.ours.iter().zip(to).map(|(ours, to)| ours / to).collect::<Vec<_>>())
    }
}

/// The median; `None` without figures.
pub(crate) fn median(figures: &[f64]) -> Option<f64> {
    percentile(figures, 50)
}

/// The percentile of some figures; `None` without figures.
pub(crate) fn percentile(figures: &[f64], percent: usize) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied()
}

/// The whole table in Markdown, with the machine above it.
pub(crate) fn markdown(lines: &[Line], has_bun: bool) -> String {
    let mut out = machine();
    out.push_str(
        "\n\n| | Tillcast | bare | Bun | ÷ bare | ÷ Bun | goal |\n|---|---|---|---|---|---|---|\n",
    );
    for Line { what, goal, figures } in lines {
        let shown = |figures: &[f64]| median(figures).map_or("–".to_owned(), number);
        let bun = match figures.bun.as_slice() {
            [] if !has_bun => "not installed".to_owned(),
            figures => shown(figures),
        };
        let (to_bare, to_bun) = (figures.ratio(&figures.bare), figures.ratio(&figures.bun));
        let ratio =
            |ratio: Option<f64>| ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        let goal = match *goal {
            Goal::None => String::new(),
            Goal::AtMost(most) => {
                told(format!("≤ {}", number(most)), median(&figures.ours).map(|ours| ours <= most))
            }
            Goal::OfBun(part) => told(format!("≤ {part} × Bun"), to_bun.map(|ratio| ratio <= part)),
            Goal::OfBare(part) => {
                told(format!("≥ {part} × bare"), to_bare.map(|ratio| ratio >= part))
            }
        };
        let (ours, bare) = (shown(&figures.ours), shown(&figures.bare));
        let (to_bare, to_bun) = (ratio(to_bare), ratio(to_bun));
        let line =
            format_args!("| {what} | {ours} | {bare} | {bun} | {to_bare} | {to_bun} | {goal} |");
        let written = writeln!(out, "{line}");
        debug_assert!(written.is_ok(), "a String takes every text");
    }
    out
}

fn told(goal: String, met: Option<bool>) -> String {
    match met {
        Some(true) => format!("{goal}: met"),
        Some(false) => format!("{goal}: **missed**"),
        None => goal,
    }
}

/// A figure with three significant digits.
fn number(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

/// The processor, its cores and the kernel.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        matches!(name.trim(), "model name" | "Model" | "Hardware").then(|| value.trim())
    });
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let model = model.unwrap_or("an unnamed processor");
    let kernel = kernel.trim();
    format!(
        "Measured on {model}, {cores} cores, Linux {kernel}, everything on loopback: the server on one \
         core, the load generator on another. Medians of turns; ratios within a turn. *Bare* is a \
         tokio writer of the same frames, and for orders a loop over SQLite that commits the same rows \
         in batches of the same size."
    )
}
