//! Reads the text of a message: between 354 and CRLF.CRLF, or in the chunks of BDAT.

use super::reply::Refusal;

/// Reads the text: finds its end, undoes dot-stuffing, notices what makes the message unacceptable.
///
/// Holds no text at all; after the first defect nothing more is given out, only the end is awaited.
#[derive(Debug)]
pub(super) struct TextReader {
    position: Position,
    text: Inspection,
}

/// Reads the text that comes in chunks: nothing in it ends it, and no dot was stuffed.
///
/// Line ends are the same as in DATA, since BINARYMIME is not offered (RFC 3030 3).
#[derive(Debug)]
pub(super) struct ChunkReader {
    /// The last octet was a CR.
    cr: bool,
    text: Inspection,
}

/// Passes text on, until there is something wrong with it.
#[derive(Debug)]
struct Inspection {
    line_length: u64,
    size: u64,
    limits: TextLimits,
    defect: Option<Defect>,
    bare_line_end: bool,
}

/// What a message may be at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextLimits {
    /// Octets of the text, CRLF counted, dot-stuffing not (RFC 1870 4).
    pub(super) size: u64,
    /// Octets of a line, CRLF not counted.
    pub(super) line: u64,
    /// What an LF without CR is.
    pub(super) line_feeds: LineFeeds,
}

/// What an LF without CR before it is. What was taken always has CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFeeds {
    /// A defect.
    Refused,
    /// The end of a line; only CRLF.CRLF is the end of the text: its client knows CRLF and ends its commands so, and what
    /// looks like an end and has none may be somebody else's mail (VU#302671).
    InText,
    /// As good as CRLF: its client ends its commands with LF.
    Everywhere,
}

/// Why a text is not acceptable; the sentence is for its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Defect {
    #[error(
        "the message has a line feed without a carriage return before it, which SMTP does not allow"
    )]
    BareLineFeed,
    #[error(
        "the message has a carriage return without a line feed behind it, which SMTP does not allow"
    )]
    BareCarriageReturn,
    #[error("the message has a NUL octet in it; attach documents in base64")]
    Nul,
    #[error("the message has a line of more than {0} octets; attach documents in base64")]
    LongLine(u64),
    #[error("the message is larger than {}, the most that is taken here", in_words(*.0))]
    TooLarge(u64),
}

impl From<Defect> for Refusal {
    fn from(defect: Defect) -> Refusal {
        let (code, status) = match defect {
            Defect::TooLarge(_) => (552, "5.3.4"),
            Defect::BareLineFeed | Defect::BareCarriageReturn => (550, "5.5.2"),
            Defect::Nul | Defect::LongLine(_) => (554, "5.6.0"),
        };
        Refusal::new(code, status, defect.to_string())
    }
}

/// Where in a line the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    LineStart,
    /// Behind an LF alone that is the end of a line, and does not count before the dot that ends the text.
    SoftStart,
    /// Behind a dot there; it is held back.
    SoftDot,
    /// Behind such a dot and a CR.
    SoftDotCr,
    InLine,
    /// Behind a CR.
    Cr,
    /// Behind a dot at the start of a line; the dot is held back.
    Dot,
    /// Behind such a dot and a CR.
    DotCr,
}

impl TextReader {
    pub(super) fn new(limits: TextLimits) -> TextReader {
        TextReader {
            // The CRLF of the DATA command counts as the first half of CRLF.CRLF (RFC 5321 4.1.1.4).
            position: Position::LineStart,
            text: Inspection::new(limits),
        }
    }

    /// What is wrong with the text so far.
    pub(super) fn defect(&self) -> Option<Defect> {
        self.text.defect
    }

    /// Whether a CR or an LF stood alone so far.
    pub(super) fn has_bare_line_end(&self) -> bool {
        self.text.bare_line_end
    }

    /// Reads `input`, appends text to `out`; says how many octets it used and whether the text is at its end.
    pub(super) fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        let mut used = 0;
        let feeds = self.text.limits.line_feeds;
        while let Some(&octet) = input.get(used) {
            match (self.position, octet) {
                (Position::DotCr, b'\n') => return (used + 1, true),
                (Position::Dot, b'\n') if feeds == LineFeeds::Everywhere => {
                    return (used + 1, true);
                }
                // A dot that ends nothing is text.
                (Position::Dot | Position::SoftDot, b'\n') if feeds == LineFeeds::InText => {
                    self.text.run(b".", out);
                    self.position = Position::InLine;
                }
                (Position::SoftDotCr, b'\n') => {
                    self.text.run(b".", out);
                    self.position = Position::Cr;
                }
                (Position::Cr, b'\n') => {
                    self.text.line_end(out);
                    self.position = Position::LineStart;
                    used += 1;
                }
                (Position::Cr | Position::DotCr | Position::SoftDotCr, _) => {
                    self.text.found(Defect::BareCarriageReturn);
                    self.position = Position::InLine;
                }
                (Position::LineStart, b'.') => {
                    self.position = Position::Dot;
                    used += 1;
                }
                (Position::SoftStart, b'.') => {
                    self.position = Position::SoftDot;
                    used += 1;
                }
                (Position::Dot, b'\r') => {
                    self.position = Position::DotCr;
                    used += 1;
                }
                (Position::SoftDot, b'\r') => {
                    self.position = Position::SoftDotCr;
                    used += 1;
                }
                (_, b'\n') if feeds != LineFeeds::Refused => {
                    self.text.line_end(out);
                    self.position = match feeds {
                        LineFeeds::Everywhere => Position::LineStart,
                        _ => Position::SoftStart,
                    };
                    used += 1;
                }
                (
                    Position::LineStart
                    | Position::SoftStart
                    | Position::Dot
                    | Position::SoftDot
                    | Position::InLine,
                    _,
                ) => {
                    used += self.in_line(&input[used..], out);
                }
            }
        }
        (used, false)
    }

    /// Takes what stands in a line up to its CR, or to its LF where that ends it; else a bare LF is just one more octet in it.
    fn in_line(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let ends_with_lf = self.text.limits.line_feeds != LineFeeds::Refused;
        let is_end = |o: &u8| *o == b'\r' || (*o == b'\n' && ends_with_lf);
        let run = input.split(is_end).next().unwrap_or_default();
        self.text.run(run, out);
        self.position = Position::InLine;
        match input.get(run.len()) {
            Some(b'\r') => {
                self.position = Position::Cr;
                run.len() + 1
            }
            _ => run.len(),
        }
    }
}

impl ChunkReader {
    pub(super) fn new(limits: TextLimits) -> ChunkReader {
        ChunkReader {
            cr: false,
            text: Inspection::new(limits),
        }
    }

    /// What is wrong with the text so far.
    pub(super) fn defect(&self) -> Option<Defect> {
        self.text.defect
    }

    /// Whether a CR or an LF stood alone so far.
    pub(super) fn has_bare_line_end(&self) -> bool {
        self.text.bare_line_end
    }

    /// Reads all of `input`, appends text to `out`.
    pub(super) fn read(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        let ends_with_lf = self.text.limits.line_feeds != LineFeeds::Refused;
        let is_end = |o: &u8| *o == b'\r' || (*o == b'\n' && ends_with_lf);
        while let Some(&octet) = input.first() {
            if std::mem::take(&mut self.cr) {
                if octet == b'\n' {
                    self.text.line_end(out);
                    input = &input[1..];
                    continue;
                }
                self.text.found(Defect::BareCarriageReturn);
            }
            let run = input.split(is_end).next().unwrap_or_default();
            self.text.run(run, out);
            input = &input[run.len()..];
            if let Some((end, rest)) = input.split_first() {
                match end {
                    b'\r' => self.cr = true,
                    _ => self.text.line_end(out),
                }
                input = rest;
            }
        }
    }

    /// The last chunk is over: a last line without its end gets one.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        if self.cr {
            self.text.found(Defect::BareCarriageReturn);
        } else if self.text.line_length > 0 {
            self.text.line_end(out);
        }
    }
}

impl Inspection {
    fn new(limits: TextLimits) -> Inspection {
        Inspection {
            line_length: 0,
            size: 0,
            limits,
            defect: None,
            bare_line_end: false,
        }
    }

    /// The first defect is the one that is told.
    fn found(&mut self, defect: Defect) {
        let bare = [Defect::BareLineFeed, Defect::BareCarriageReturn];
        self.bare_line_end |= bare.contains(&defect);
        self.defect.get_or_insert(defect);
    }

    /// Takes a piece of a line.
    fn run(&mut self, run: &[u8], out: &mut Vec<u8>) {
        if run.contains(&b'\n') {
            self.found(Defect::BareLineFeed);
        }
        if run.contains(&0) {
            self.found(Defect::Nul);
        }
        self.line_length += run.len() as u64;
        if self.line_length > self.limits.line {
            self.found(Defect::LongLine(self.limits.line));
        }
        self.emit(run, out);
    }

    fn line_end(&mut self, out: &mut Vec<u8>) {
        self.emit(b"\r\n", out);
        self.line_length = 0;
    }

    fn emit(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        self.size += octets.len() as u64;
        if self.size > self.limits.size {
            self.found(Defect::TooLarge(self.limits.size));
        }
        if self.defect.is_none() {
            out.extend_from_slice(octets);
        }
    }
}

/// Octets in a sentence: "35 MB", "104.9 MB", "10 KB".
pub(super) fn in_words(octets: u64) -> String {
    if octets < 1_000_000 {
        return format!("{} KB", octets.div_ceil(1000));
    }
    let tenths = (octets as f64 / 1e5).round() / 10.0;
    format!("{tenths} MB")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: TextLimits = TextLimits {
        size: 1000,
        line: 100,
        line_feeds: LineFeeds::Refused,
    };

    /// Text, end seen, defect and octets left over, when read in pieces of `piece` octets.
    fn read(input: &[u8], piece: usize) -> (Vec<u8>, bool, Option<Defect>, usize) {
        let mut reader = TextReader::new(LIMITS);
        let mut out = Vec::new();
        let mut at = 0;
        while at < input.len() {
            let (used, end) = reader.read(&input[at..input.len().min(at + piece)], &mut out);
            at += used;
            if end {
                return (out, true, reader.defect(), input.len() - at);
            }
        }
        (out, false, reader.defect(), 0)
    }

    #[test]
    fn dot_stuffing_is_undone_whatever_the_pieces() {
        for piece in 1..30 {
            let (text, end, defect, left) = read(b"hi\r\n..\r\n.a\r\n...b\r\n.\r\nQUIT\r\n", piece);
            assert_eq!(text, b"hi\r\n.\r\na\r\n..b\r\n");
            assert!(end && defect.is_none());
            assert_eq!(left, 6);
        }
    }

    #[test]
    fn an_empty_text_ends_with_its_first_line() {
        assert_eq!(read(b".\r\n", 1), (vec![], true, None, 0));
    }

    #[test]
    fn only_crlf_dot_crlf_ends_the_text() {
        // VU#302671: every other spelling of the end must be text, and make the message unacceptable.
        let smuggled = [
            ("a\n.\n", Defect::BareLineFeed),
            ("a\n.\r\n", Defect::BareLineFeed),
            ("a\r\n.\n", Defect::BareLineFeed),
            ("a\r.\r", Defect::BareCarriageReturn),
            ("a\r.\r\n", Defect::BareCarriageReturn),
            ("a\r.\n", Defect::BareCarriageReturn),
            ("a\n.\r", Defect::BareLineFeed),
            ("a\r\n.\r", Defect::BareCarriageReturn),
            ("a\r\n.\rb\r\n", Defect::BareCarriageReturn),
            ("a\r\n.\r\r\n", Defect::BareCarriageReturn),
            ("a\r\r\n.\r\r\n", Defect::BareCarriageReturn),
            ("a\n\n.\n\n", Defect::BareLineFeed),
            ("a\r\n\0.\r\n", Defect::Nul),
            ("a\r\n.\0\r\n", Defect::Nul),
        ];
        for (variant, defect) in smuggled {
            let input = format!("{variant}MAIL FROM:<x@y.example>\r\n\r\n.\r\n");
            for piece in 1..=input.len() {
                let (_, end, found, left) = read(input.as_bytes(), piece);
                assert!(end, "{variant:?} in pieces of {piece}");
                assert_eq!(left, 0, "{variant:?} ended the text early");
                assert_eq!(found, Some(defect), "{variant:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_line_and_a_text_at_their_limits_are_taken_and_one_octet_more_is_not() {
        let line = |n: usize| format!("{}\r\n.\r\n", "x".repeat(n));
        assert_eq!(read(line(100).as_bytes(), 7).2, None);
        assert_eq!(read(line(101).as_bytes(), 7).2, Some(Defect::LongLine(100)));
        let text = |n: usize| format!("{}{}\r\n.\r\n", "12345678\r\n".repeat(99), "x".repeat(n));
        assert_eq!(read(text(8).as_bytes(), 7).2, None);
        assert_eq!(read(text(9).as_bytes(), 7).2, Some(Defect::TooLarge(1000)));
    }

    #[test]
    fn a_refused_text_is_not_given_out_any_more() {
        let mut reader = TextReader::new(LIMITS);
        let mut out = Vec::new();
        reader.read(b"a\0", &mut out);
        for _ in 0..100 {
            reader.read(&[b'x'; 1000], &mut out);
        }
        assert!(out.len() <= 1);
    }

    #[test]
    fn a_chunked_text_has_lines_like_any_other() {
        let read = |pieces: &[&str]| {
            let mut reader = ChunkReader::new(LIMITS);
            let mut out = Vec::new();
            for piece in pieces {
                reader.read(piece.as_bytes(), &mut out);
            }
            reader.end(&mut out);
            (String::from_utf8(out).unwrap(), reader.defect())
        };
        let whole = |text: &str| (text.to_owned(), None);
        assert_eq!(read(&["a\r", "\n.\r\nb"]), whole("a\r\n.\r\nb\r\n"));
        assert_eq!(read(&["..\r\n", "", "\r\n"]), whole("..\r\n\r\n"));
        assert_eq!(read(&[]), whole(""));
        for (pieces, defect) in [
            (&["a\r", "b"][..], Defect::BareCarriageReturn),
            (&["a\r"], Defect::BareCarriageReturn),
            (&["a\r\r\n"], Defect::BareCarriageReturn),
            (&["a\n.\r\n"], Defect::BareLineFeed),
            (&["a", "\nb"], Defect::BareLineFeed),
            (&["a\0"], Defect::Nul),
        ] {
            assert_eq!(read(pieces).1, Some(defect), "{pieces:?}");
        }
    }

    fn dotted(feeds: LineFeeds, input: &str) -> (String, usize, bool, Option<Defect>) {
        let limits = TextLimits {
            line_feeds: feeds,
            ..LIMITS
        };
        let mut reader = TextReader::new(limits);
        let mut out = Vec::new();
        let (used, end) = reader.read(input.as_bytes(), &mut out);
        let text = String::from_utf8(out).unwrap();
        // However it comes, it reads the same.
        let (mut pieces, mut again, mut at_end) = (TextReader::new(limits), Vec::new(), false);
        for octet in input.bytes() {
            if !at_end {
                at_end = pieces.read(&[octet], &mut again).1;
            }
        }
        assert!(
            reader.defect().is_some() || (again, at_end) == (text.clone().into_bytes(), end),
            "{input:?}"
        );
        (text, used, end, reader.defect())
    }

    #[test]
    fn a_line_feed_alone_ends_lines_and_not_the_text_of_who_knows_better() {
        let input = "a\n..b\n.\nc\n.\r\nd\n\r\n.\r\nQUIT\r\n";
        let (text, used, end, defect) = dotted(LineFeeds::InText, input);
        assert_eq!(text, "a\r\n.b\r\n.\r\nc\r\n.\r\nd\r\n\r\n");
        assert_eq!((&input[used..], end, defect), ("QUIT\r\n", true, None));

        let (text, used, end, defect) = dotted(LineFeeds::Everywhere, input);
        assert_eq!(text, "a\r\n.b\r\n");
        assert_eq!((&input[used..used + 2], end, defect), ("c\n", true, None));
        let (text, _, end, defect) = dotted(LineFeeds::Everywhere, "a\r\nb\n\n.x\n.\r\n");
        assert_eq!(
            (text.as_str(), end, defect),
            ("a\r\nb\r\n\r\nx\r\n", true, None)
        );
        // A CR alone is never the end of a line.
        assert_eq!(
            dotted(LineFeeds::Everywhere, "a\rb\n.\n").3,
            Some(Defect::BareCarriageReturn)
        );
        assert_eq!(
            dotted(LineFeeds::Refused, "a\n.\n\r\n.\r\n").3,
            Some(Defect::BareLineFeed)
        );
    }

    #[test]
    fn a_chunk_with_line_feeds_gets_whole_line_ends() {
        let mut reader = ChunkReader::new(TextLimits {
            line_feeds: LineFeeds::InText,
            ..LIMITS
        });
        let mut out = Vec::new();
        for piece in ["a\nb\r", "\n\n", "c"] {
            reader.read(piece.as_bytes(), &mut out);
        }
        reader.end(&mut out);
        assert_eq!(
            (out.as_slice(), reader.defect()),
            (&b"a\r\nb\r\n\r\nc\r\n"[..], None)
        );
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(in_words(35_000_000), "35 MB");
        assert_eq!(in_words(104_857_600), "104.9 MB");
        assert_eq!(in_words(500_000), "500 KB");
        assert_eq!(in_words(1), "1 KB");
    }
}
