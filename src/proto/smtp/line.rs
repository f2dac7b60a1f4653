//! Reads command lines, and only ever holds one of them.

/// Collects a command line from whatever pieces the network makes of it.
#[derive(Debug)]
pub(super) struct CommandReader {
    /// The line so far, without its CRLF.
    line: Vec<u8>,
    /// Octets allowed in a line, CRLF included.
    limit: usize,
    /// The line is over its limit: nothing of it is kept, its end is awaited.
    overlong: bool,
    /// The last octet was a CR.
    cr: bool,
    /// LF alone ends a line, too.
    bare_lf: bool,
    /// The last line ended so.
    lf_alone: bool,
}

/// What the reader found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A whole line, without its CRLF.
    Command(Vec<u8>),
    /// The end of a line that was longer than allowed.
    Overlong,
    /// A CR without LF or an LF without CR: from here on nobody knows where a line ends.
    BareLineEnd,
}

impl CommandReader {
    pub(super) fn new(limit: usize, bare_lf: bool) -> CommandReader {
        CommandReader {
            bare_lf,
            lf_alone: false,
            line: Vec::new(),
            limit,
            overlong: false,
            cr: false,
        }
    }

    /// Whether the last line ended with LF alone.
    pub(super) fn ended_with_lf_alone(&self) -> bool {
        self.lf_alone
    }

    /// Reads up to the end of one line; says how many octets it used and what it found, if anything yet.
    pub(super) fn read(&mut self, input: &[u8]) -> (usize, Option<Line>) {
        for (i, &octet) in input.iter().enumerate() {
            if let Some(line) = self.octet(octet) {
                return (i + 1, Some(line));
            }
        }
        (input.len(), None)
    }

    fn octet(&mut self, octet: u8) -> Option<Line> {
        // RFC 5321 2.3.8: CR and LF only ever appear as the pair that ends a line.
        match (std::mem::take(&mut self.cr), octet) {
            (true, b'\n') => {
                self.lf_alone = false;
                return Some(self.end());
            }
            (false, b'\n') if self.bare_lf => {
                self.lf_alone = true;
                return Some(self.end());
            }
            (true, _) | (false, b'\n') => return Some(Line::BareLineEnd),
            (false, b'\r') => self.cr = true,
            (false, _) if self.line.len() + "\r\n".len() >= self.limit => {
                self.overlong = true;
                self.line = Vec::new();
            }
            (false, _) if self.overlong => {}
            (false, _) => self.line.push(octet),
        }
        None
    }

    fn end(&mut self) -> Line {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.overlong) {
            Line::Overlong
        } else {
            Line::Command(line)
        }
    }

    /// Octets of memory held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.line.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Option<Line> {
        Some(Line::Command(text.as_bytes().to_vec()))
    }

    #[test]
    fn a_line_arrives_octet_by_octet() {
        let mut reader = CommandReader::new(512, false);
        for octet in b"NOOP\r" {
            assert_eq!(reader.read(&[*octet]), (1, None));
        }
        assert_eq!(reader.read(b"\nQUIT\r\n"), (1, command("NOOP")));
        assert_eq!(reader.read(b"QUIT\r\n"), (6, command("QUIT")));
    }

    #[test]
    fn the_limit_counts_crlf() {
        let mut reader = CommandReader::new(12, false);
        assert_eq!(reader.read(b"0123456789\r\n"), (12, command("0123456789")));
        assert_eq!(reader.read(b"0123456789a\r\n"), (13, Some(Line::Overlong)));
        assert_eq!(reader.read(b"NOOP\r\n"), (6, command("NOOP")));
    }

    #[test]
    fn an_endless_line_costs_no_memory() {
        let mut reader = CommandReader::new(2048, false);
        for _ in 0..1000 {
            assert_eq!(reader.read(&[b'A'; 1000]).1, None);
            assert!(reader.held() <= 4096, "holds {}", reader.held());
        }
        assert_eq!(reader.read(b"\r\n"), (2, Some(Line::Overlong)));
    }

    #[test]
    fn a_line_feed_alone_ends_a_line_where_it_may() {
        let mut reader = CommandReader::new(512, true);
        assert_eq!(reader.read(b"NOOP\nQUIT\r\n"), (5, command("NOOP")));
        assert!(reader.ended_with_lf_alone());
        assert_eq!(reader.read(b"QUIT\r\n"), (6, command("QUIT")));
        assert!(!reader.ended_with_lf_alone());
        assert_eq!(reader.read(b"NO\rOP\n").1, Some(Line::BareLineEnd));
    }

    #[test]
    fn a_bare_line_end_is_seen_wherever_it_stands() {
        for input in ["NOOP\n", "NO\rOP\r\n", "\n", "NOOP\r\r\n", "\rNOOP\r\n"] {
            let mut reader = CommandReader::new(512, false);
            assert_eq!(
                reader.read(input.as_bytes()).1,
                Some(Line::BareLineEnd),
                "{input:?}"
            );
        }
    }
}
