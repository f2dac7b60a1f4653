//! The markup of cover pages, line by line.
//!
//! | a line | is |
//! |---|---|
//! | `# Fax` | set very large |
//! | `## Example Office` | set large |
//! | `! Subject` | a label: small and bold |
//! | `===`, `---` | a thick, a thin rule across the page |
//! | `! To \|\| ! From` | two columns, or three |
//! | nothing | room |
//! | anything else | text |
//!
//! What follows an escape (U+001B) stands for itself: so a subject of `---` is no rule.

/// What stands for itself behind an escape.
const SPECIAL: [char; 5] = ['#', '!', '=', '-', '|'];
const ESCAPE: char = '\u{1b}';

/// How large a text is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    Huge,
    Large,
    Label,
    Text,
}

/// A line of the markup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    Room,
    Thick,
    Thin,
    Cells(Vec<(Rank, String)>),
}

/// A value that somebody wrote, with nothing in it that the markup would take for its own.
pub fn literal(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\n' => out.push('\n'),
            c if SPECIAL.contains(&c) => out.extend([ESCAPE, c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Reads a text.
pub(super) fn rows(text: &str) -> Vec<Row> {
    text.lines().map(row).collect()
}

fn row(line: &str) -> Row {
    match line.trim() {
        "" => Row::Room,
        line if is_rule(line, '=') => Row::Thick,
        line if is_rule(line, '-') => Row::Thin,
        line => Row::Cells(line.split("||").map(cell).collect()),
    }
}

fn is_rule(line: &str, of: char) -> bool {
    line.len() >= 3 && line.chars().all(|c| c == of)
}

fn cell(text: &str) -> (Rank, String) {
    let text = text.trim();
    let marks = [
        ("## ", Rank::Large),
        ("# ", Rank::Huge),
        ("! ", Rank::Label),
    ];
    let marked = marks
        .into_iter()
        .find_map(|(mark, rank)| Some((rank, text.strip_prefix(mark)?)));
    let (rank, text) = marked.unwrap_or((Rank::Text, text));
    (rank, text.chars().filter(|c| *c != ESCAPE).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells<const N: usize>(cells: [(Rank, &str); N]) -> Row {
        Row::Cells(cells.map(|(rank, text)| (rank, text.to_owned())).to_vec())
    }

    #[test]
    fn every_kind_of_line_is_read() {
        let read = rows("# Fax || ## Office\n\n===\n! To || ! From\n-----\nplain #1 - text\n##\n");
        assert_eq!(
            read,
            [
                cells([(Rank::Huge, "Fax"), (Rank::Large, "Office")]),
                Row::Room,
                Row::Thick,
                cells([(Rank::Label, "To"), (Rank::Label, "From")]),
                Row::Thin,
                cells([(Rank::Text, "plain #1 - text")]),
                cells([(Rank::Text, "##")]),
            ]
        );
    }

    #[test]
    fn a_subject_that_looks_like_markup_is_text() {
        for subject in [
            "---", "===", "# Fax", "## big", "! now", "a || b", "|||", "-",
        ] {
            let read = rows(&format!("## {}", literal(subject)));
            assert_eq!(read, [cells([(Rank::Large, subject)])]);
            let read = rows(&literal(subject));
            assert_eq!(read, [cells([(Rank::Text, subject)])]);
        }
        assert_eq!(literal("a\u{1b}\tb\r\nc"), "a  b \nc");
    }
}
