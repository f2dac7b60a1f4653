//! Text for people: columns, fields, times, and strangers' words made harmless.

use std::fmt::{self, Write as _};
use std::io::Write as _;

/// Prints to standard output. A reader that has seen enough (`| head`) is no failure.
pub fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// One fact a line, its name in front.
#[derive(Default)]
pub struct Sheet(String);

impl Sheet {
    /// Adds a fact.
    pub fn field(&mut self, name: &str, value: impl fmt::Display) {
        let _ = writeln!(self.0, "{name:12}{value}");
    }

    /// Adds a line of its own, behind a blank one.
    pub fn section(&mut self, title: impl fmt::Display) {
        let _ = writeln!(self.0, "\n{title}");
    }

    /// All of it.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// "1 page", "2 pages".
pub fn counted(n: u32, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        _ => format!("{n} {what}s"),
    }
}

/// The rows of a table: its head, and one for each item.
pub fn table<T, const N: usize>(
    head: [&str; N],
    items: &[T],
    row: impl Fn(&T) -> [String; N],
) -> Vec<Vec<String>> {
    let head = head.map(str::to_owned).to_vec();
    let rows = items.iter().map(|item| row(item).to_vec());
    std::iter::once(head).chain(rows).collect()
}

/// Lays rows out in columns; the first row is the head. The last column is not padded.
pub fn columns(rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len))
        .map(|n| {
            rows.iter()
                .map(|row| row[n].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let padded = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A time of the queue in the site's zone: `2026-11-21 10:15:03`.
pub fn time(at: crate::queue::Millis, zone: &jiff::tz::TimeZone) -> String {
    let time = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.to_zoned(zone.clone())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// What strangers wrote, safe for a terminal: no control characters, at most `limit` characters.
pub fn tame(text: &str, limit: usize) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if clean.chars().count() <= limit {
        return clean;
    }
    clean.chars().take(limit - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(
            columns(&[row(["ID", "STATE"]), row(["longer", "x"])]),
            "ID      STATE\nlonger  x"
        );
    }

    #[test]
    fn an_escape_sequence_in_a_subject_stays_out_of_the_terminal() {
        assert_eq!(tame("\u{1b}[2Jboo", 40), " [2Jboo");
        assert_eq!(tame("abcdef", 4), "abc…");
    }
}
