//! The report: one table for people, the same figures as JSON for programs. README.md says what the columns mean.

use crate::{
    bench::Bench,
    figures::{Figure, Goal, Spread},
    ratios,
};
use anyhow::Context as _;
use serde_json::json;
use std::{fmt::Write as _, fs};

/// Heads of the table.
const HEADS: [&str; 8] = ["", "unit", "min", "median", "max", "ratio", "goal", "reached"];

/// Writes `report.md` and `report.json` into the folder, and returns the text.
pub(crate) fn write(bench: &Bench) -> anyhow::Result<String> {
    let text = markdown(bench)?;
    let json = json!({
        "machine": bench.machine, "plan": bench.plan, "figures": bench.figures, "findings": bench.findings,
    });
    for (name, text) in [("report.md", &text), ("report.json", &format!("{json:#}\n"))] {
        let file = bench.file(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(text)
}

fn markdown(bench: &Bench) -> anyhow::Result<String> {
    let mut text = format!("# Figures of Holdfast\n\n{}.\n", bench.machine);
    writeln!(
        text,
        "{} rounds; loads of {} s after {} s of warm-up; every booking is a hold of an hour, with token and \
         Idempotency-Key.\n",
        bench.plan.rounds, bench.plan.load_seconds, bench.plan.warm_up_seconds
    )?;
    text += &table(bench.figures.iter());
    text += "\nRatios (min / median / max): of bookings to pgbench's inserts, of the flash sale to nginx's, taken just before; through \
             Kafka, of the relay to librdkafka alone, of a projector to the same from the log, of bookings to those without \
             the pipeline.\n\n";
    text += &ratios::beside(bench);
    if bench.findings.is_empty() {
        text += "Nothing was wrong: what was booked is stored, none of it was refused, and searches found what is there.\n";
    }
    for finding in &bench.findings {
        writeln!(text, "WRONG: {finding}")?;
    }
    Ok(text)
}

fn table<'a>(figures: impl Iterator<Item = &'a Figure>) -> String {
    let mut rows: Vec<[String; 8]> = vec![HEADS.map(str::to_owned), HEADS.map(|_| String::new())];
    let mut sections: Vec<(&str, Vec<&Figure>)> = Vec::new();
    for figure in figures {
        match sections.iter_mut().find(|(section, _)| *section == figure.section) {
            Some((_, figures)) => figures.push(figure),
            None => sections.push((&figure.section, vec![figure])),
        }
    }
    for (section, figures) in sections {
        let mut heading = HEADS.map(|_| String::new());
        heading[0] = format!("**{section}**");
        rows.push(heading);
        rows.extend(figures.into_iter().filter_map(row));
    }
    aligned(&rows)
}

fn row(figure: &Figure) -> Option<[String; 8]> {
    let Spread { min, median, max } = Spread::of(&figure.values)?;
    let ratio = Spread::of(&figure.ratios);
    let ratios = ratio.map(|r| format!("{:.2} / {:.2} / {:.2}", r.min, r.median, r.max));
    let goal = figure.goal.map(|goal| match goal {
        Goal::AtLeast(least) => format!("≥ {}", number(least)),
        Goal::AtMost(most) => format!("≤ {}", number(most)),
    });
    let share = figure.goal.map(|goal| goal.share(ratio.map_or(median, |ratio| ratio.median)));
    Some([
        figure.name.clone(),
        figure.unit.to_owned(),
        number(min),
        number(median),
        number(max),
        ratios.unwrap_or_default(),
        goal.unwrap_or_default(),
        share.map_or_else(String::new, reached),
    ])
}

fn reached(share: f64) -> String {
    match share {
        share if share >= 1.0 => "yes".to_owned(),
        share if share >= 0.5 => format!("{share:.2} of it"),
        share => format!("{share:.2} of it: LESS THAN HALF"),
    }
}

/// Three digits that count, thousands apart.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => thousands(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A table that reads well before it is rendered, too. The second row becomes the line below the heads.
fn aligned(rows: &[[String; 8]]) -> String {
    let mut widths = [3; 8];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (nth, row) in rows.iter().enumerate() {
        for (column, (width, cell)) in widths.iter().zip(row).enumerate() {
            let right = (2..5).contains(&column);
            text += match (nth, right) {
                (1, true) => format!("| {}: ", "-".repeat(width - 1)),
                (1, false) => format!("| {} ", "-".repeat(*width)),
                (_, true) => format!("| {cell:>width$} "),
                (_, false) => format!("| {cell:<width$} "),
            }
            .as_str();
        }
        text += "|\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Figures, Sample};

    #[test]
    fn numbers_have_three_digits_that_count() {
        let shown = [0.0, 0.456, 12.34, 123.4, 1_234.5, 1_234_567.0].map(number);
        assert_eq!(shown, ["0.00", "0.46", "12.3", "123", "1,234", "1,234,567"]);
    }

    #[test]
    fn less_than_half_of_a_goal_is_loud() {
        assert_eq!(reached(1.0), "yes");
        assert_eq!(reached(0.75), "0.75 of it");
        assert!(reached(0.49).ends_with("LESS THAN HALF"));
    }

    #[test]
    fn figures_of_a_section_stand_together_whenever_they_came() {
        let mut figures = Figures::default();
        for (section, name) in [("a", "one"), ("b", "two"), ("a", "three")] {
            figures.add(Sample::new(section, name, "ms", 1.0));
        }
        let table = table(figures.iter());
        let names: Vec<&str> =
            table.lines().skip(2).map(|line| line.split('|').nth(1).unwrap().trim()).collect();
        assert_eq!(names, ["**a**", "one", "three", "**b**", "two"]);
    }
}
