//! What strangers say, made fit for a line; and how templates are written.

use minijinja::syntax::SyntaxConfig;

/// A tag alone on its line leaves no line behind, so that the templates look like the mails.
pub(super) fn lines_as_written() -> SyntaxConfig {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .expect("the default delimiters")
}

/// A stranger's words on one line, at most `limit` characters: control characters, line and paragraph separators
/// and the marks that turn the direction of writing become spaces, runs of spaces one.
pub fn one_line(text: &str, limit: usize) -> String {
    let unruly = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let clean: String = text
        .chars()
        .map(|c| if unruly(c) { ' ' } else { c })
        .collect();
    let words = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(limit) {
        None => words,
        Some(_) => {
            let cut: String = words.chars().take(limit.saturating_sub(1)).collect();
            format!("{}…", cut.trim_end())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_words_stay_on_one_line_and_are_cut() {
        assert_eq!(one_line(" a\r\n\tb\u{2028}c\u{202e}d ", 80), "a b c d");
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abcde…");
        assert_eq!(one_line("äöü€x", 3), "äö…");
    }
}
