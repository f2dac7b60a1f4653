//! Text of Outlook: compressed (MS-OXRTFCP), and RTF that may have HTML or plain text inside (MS-OXRTFEX).

use encoding_rs::{Encoding, WINDOWS_1252};

use super::charset;

/// Octets of a text at most.
const MAX_TEXT: usize = 16 << 20;
/// Groups inside each other at most; deeper ones are read as if they were not.
const MAX_GROUPS: usize = 500;

const COMPRESSED: &[u8] = b"LZFu";
const STORED: &[u8] = b"MELA";
/// What the dictionary begins with (MS-OXRTFCP 2.1.3.1.1).
const DICTIONARY: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
const WINDOW: usize = 4096;

/// The RTF of a property.
pub(super) fn decompressed(packed: &[u8]) -> Option<Vec<u8>> {
    let header = packed.get(..16)?;
    let number = |at: usize| {
        let octets = header[at..at + 4].try_into().unwrap_or_default();
        u32::from_le_bytes(octets) as usize
    };
    let raw_size = number(4);
    let data = &packed[16..];
    if raw_size > MAX_TEXT {
        return None;
    }
    match &header[8..12] {
        STORED => data.get(..raw_size).map(<[u8]>::to_vec),
        COMPRESSED => unpack(data, raw_size),
        _ => None,
    }
}

fn unpack(data: &[u8], raw_size: usize) -> Option<Vec<u8>> {
    let mut window = [b' '; WINDOW];
    window[..DICTIONARY.len()].copy_from_slice(DICTIONARY);
    let mut at = DICTIONARY.len();
    let mut out = Vec::new();
    let mut data = data.iter().copied();
    loop {
        let Some(control) = data.next() else {
            return (out.len() == raw_size).then_some(out);
        };
        for bit in 0..8 {
            if out.len() > raw_size {
                return None;
            }
            if control & 1 << bit == 0 {
                match data.next() {
                    Some(octet) => {
                        out.push(octet);
                        window[at] = octet;
                        at = (at + 1) % WINDOW;
                    }
                    None => return (out.len() == raw_size).then_some(out),
                }
                continue;
            }
            let token = usize::from(data.next()?) << 8 | usize::from(data.next()?);
            let (offset, length) = (token >> 4, (token & 0xF) + 2);
            // MS-OXRTFCP 2.2.3: where the reference is to what comes next, that is the end.
            if offset == at {
                out.truncate(raw_size);
                return Some(out);
            }
            for n in 0..length {
                let octet = window[(offset + n) % WINDOW];
                out.push(octet);
                window[at] = octet;
                at = (at + 1) % WINDOW;
            }
        }
    }
}

/// What a group says of what is in it.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// Nothing of it is read.
    skipped: bool,
    /// It is a tag of the HTML inside.
    tag: bool,
    /// It is the RTF that stands for that HTML.
    instead: bool,
    /// Characters that follow one in Unicode, for those who cannot read it.
    fallback: usize,
}

struct Reader<'r> {
    rest: &'r [u8],
    groups: Vec<Group>,
    /// Those beyond the limit.
    deeper: usize,
    now: Group,
    encoding: &'static Encoding,
    /// Octets of text in that encoding.
    pending: Vec<u8>,
    /// The first of two UTF-16 units.
    high: Option<u16>,
    skip: usize,
    html: bool,
    /// `\*` has just been read.
    optional: bool,
    out: String,
}

/// The text of an RTF, and whether it is HTML.
pub(super) fn text(rtf: &[u8]) -> (String, bool) {
    let mut reader = Reader {
        rest: rtf,
        groups: Vec::new(),
        deeper: 0,
        now: Group {
            skipped: false,
            tag: false,
            instead: false,
            fallback: 1,
        },
        encoding: WINDOWS_1252,
        pending: Vec::new(),
        high: None,
        skip: 0,
        html: false,
        optional: false,
        out: String::new(),
    };
    while let Some((&octet, rest)) = reader.rest.split_first() {
        reader.rest = rest;
        reader.read(octet);
    }
    reader.flush();
    (reader.out, reader.html)
}

impl Reader<'_> {
    fn read(&mut self, octet: u8) {
        match octet {
            b'{' => match self.groups.len() < MAX_GROUPS {
                true => self.groups.push(self.now),
                false => self.deeper += 1,
            },
            b'}' if self.deeper > 0 => self.deeper -= 1,
            b'}' => {
                self.flush();
                if let Some(before) = self.groups.pop() {
                    self.now = before;
                }
            }
            b'\\' => self.control(),
            b'\r' | b'\n' | 0 => {}
            octet => self.octet(octet),
        }
    }

    fn control(&mut self) {
        let letters = self
            .rest
            .iter()
            .take_while(|octet| octet.is_ascii_alphabetic())
            .count();
        let (word, rest) = self.rest.split_at(letters);
        if letters == 0 {
            let Some((&symbol, rest)) = rest.split_first() else {
                return;
            };
            self.rest = rest;
            return self.symbol(symbol);
        }
        let sign = usize::from(rest.starts_with(b"-"));
        let digits = rest[sign..]
            .iter()
            .take_while(|octet| octet.is_ascii_digit())
            .count();
        let number = std::str::from_utf8(&rest[..sign + digits.min(9)]).ok();
        let number: Option<i64> = number.and_then(|number| number.parse().ok());
        let rest = &rest[sign + digits..];
        self.rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let optional = std::mem::take(&mut self.optional);
        self.word(word, number, optional);
    }

    fn symbol(&mut self, symbol: u8) {
        match symbol {
            b'\'' => {
                let digits = self
                    .rest
                    .get(..2)
                    .and_then(|digits| std::str::from_utf8(digits).ok());
                let octet = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                self.rest = self.rest.get(2..).unwrap_or_default();
                if let Some(octet) = octet {
                    self.octet(octet);
                }
            }
            b'*' => self.optional = true,
            b'~' => self.say(" "),
            b'_' => self.say("-"),
            b'\r' | b'\n' => self.say("\n"),
            b'\\' | b'{' | b'}' => self.octet(symbol),
            _ => {}
        }
    }

    fn word(&mut self, word: &[u8], number: Option<i64>, optional: bool) {
        match word {
            b"fromhtml" => self.html = true,
            b"ansicpg" => {
                let page = number.and_then(|page| u32::try_from(page).ok());
                self.encoding = page.and_then(charset).unwrap_or(WINDOWS_1252);
            }
            b"htmlrtf" => self.now.instead = number != Some(0),
            b"htmltag" => self.now.tag = true,
            b"mhtmltag" | b"fonttbl" | b"colortbl" | b"stylesheet" | b"info" | b"pict"
            | b"fldinst" | b"header" | b"headerl" | b"headerr" | b"footer" | b"footerl"
            | b"footerr" | b"generator" | b"xmlopen" | b"listtable" | b"themedata" | b"objdata"
            | b"pntext" => {
                self.flush();
                self.now.skipped = true;
            }
            b"bin" => {
                let length = number.and_then(|length| usize::try_from(length).ok());
                self.rest = self.rest.get(length.unwrap_or(0)..).unwrap_or_default();
            }
            b"uc" => {
                self.now.fallback = number
                    .and_then(|n| usize::try_from(n).ok())
                    .unwrap_or(1)
                    .min(8)
            }
            b"u" => self.unicode(number.unwrap_or(0) as u16),
            b"par" | b"line" | b"row" | b"sect" | b"page" => self.say("\n"),
            b"tab" => self.say("\t"),
            b"cell" => self.say("\t"),
            b"lquote" | b"rquote" => self.say("'"),
            b"ldblquote" | b"rdblquote" => self.say("\""),
            b"bullet" => self.say("*"),
            b"endash" => self.say("\u{2013}"),
            b"emdash" => self.say("\u{2014}"),
            _ if optional => {
                self.flush();
                self.now.skipped = true;
            }
            _ => {}
        }
    }

    fn is_read(&self) -> bool {
        // In HTML, what stands for it in RTF is for those who cannot read it.
        !self.now.skipped && (self.now.tag || !(self.html && self.now.instead))
    }

    fn octet(&mut self, octet: u8) {
        self.optional = false;
        if self.skip > 0 {
            self.skip -= 1;
        } else if self.is_read() && self.out.len() < MAX_TEXT {
            self.high = None;
            self.pending.push(octet);
        }
    }

    fn say(&mut self, text: &str) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        self.flush();
        if self.is_read() {
            self.out += text;
        }
    }

    fn unicode(&mut self, unit: u16) {
        self.flush();
        self.skip = self.now.fallback;
        if !self.is_read() {
            return;
        }
        match (self.high.take(), unit) {
            (_, 0xD800..=0xDBFF) => self.high = Some(unit),
            (Some(high), 0xDC00..=0xDFFF) => self.out += &String::from_utf16_lossy(&[high, unit]),
            _ => self.out += &String::from_utf16_lossy(&[unit]),
        }
    }

    fn flush(&mut self) {
        let octets = std::mem::take(&mut self.pending);
        self.out += &self.encoding.decode_without_bom_handling(&octets).0;
        self.skip = 0;
    }
}
