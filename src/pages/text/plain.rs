//! Plain text to paragraphs.

use super::Line;

/// Characters of a paragraph at most: shaping is not made for whole books without a line end.
const MAX_LINE: usize = 4000;
/// Columns of a tab stop.
const TAB: usize = 8;

/// One paragraph a line, those that a mailer broke put together (RFC 3676 4).
pub(super) fn lines(text: &str, flowed: bool) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut open: Option<String> = None;
    for (number, page) in text.split('\u{c}').enumerate() {
        let before = lines.len();
        for line in page.lines() {
            let line = printable(line);
            let mut whole = match open.take() {
                Some(begun) => begun + &line,
                None => line,
            };
            // "-- " ends the text and never flows.
            if flowed && whole.ends_with(' ') && whole != "-- " && whole.len() < MAX_LINE {
                open = Some(whole);
                continue;
            }
            whole.truncate(whole.trim_end().len());
            lines.extend(pieces(&whole).map(|piece| Line::of(piece, is_columns(piece))));
        }
        if let Some(rest) = open.take() {
            lines.push(Line::plain(rest.trim_end()));
        }
        if let Some(first) = lines.get_mut(before)
            && number > 0
        {
            first.breaks = true;
        }
    }
    lines
}

/// Without what cannot be printed, tabs as spaces.
fn printable(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut column = 0;
    for c in line.chars() {
        match c {
            '\t' => {
                let spaces = TAB - column % TAB;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            '\u{a0}' => out.push(' '),
            '\u{feff}' | '\u{fffe}' | '\u{ffff}' => continue,
            c if c.is_control() => continue,
            c => out.push(c),
        }
        column += usize::from(c != '\t');
    }
    out
}

fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        match line.char_indices().nth(MAX_LINE) {
            Some((at, _)) => {
                let (piece, behind) = line.split_at(at);
                rest = Some(behind);
                Some(piece)
            }
            None => rest.take(),
        }
    })
}

/// Whether the line is a row of a table, or drawn with letters.
pub(super) fn is_columns(line: &str) -> bool {
    let inside = line.trim();
    let drawn = |c: char| ('\u{2500}'..='\u{259f}').contains(&c);
    inside.contains("   ") || inside.chars().any(drawn) || inside.matches('|').count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str, flowed: bool) -> Vec<String> {
        lines(text, flowed).iter().map(Line::text).collect()
    }

    #[test]
    fn flowed_lines_are_put_together_and_the_signature_mark_is_not() {
        let text = "one \r\ntwo\r\nthree\r\n-- \r\nJane\r\n";
        assert_eq!(texts(text, true), ["one two", "three", "--", "Jane"]);
        assert_eq!(texts(text, false), ["one", "two", "three", "--", "Jane"]);
    }

    #[test]
    fn tables_keep_their_columns_and_what_cannot_be_printed_goes() {
        let lines = lines("a\tb\tc\r\n\u{7}x\u{0}y\r\n", false);
        assert_eq!(lines[0].text(), "a       b       c");
        assert!(lines[0].columns && !lines[1].columns);
        assert_eq!(lines[1].text(), "xy");
    }

    #[test]
    fn a_form_feed_begins_a_page_and_a_book_without_line_end_is_cut() {
        let lines = lines(&format!("a\u{c}b\n{}", "x".repeat(9000)), false);
        let breaks: Vec<bool> = lines.iter().map(|line| line.breaks).collect();
        assert_eq!(breaks, [false, true, false, false, false]);
    }
}
