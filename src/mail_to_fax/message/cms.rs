//! What is inside of a signed S/MIME message that is not clear text (RFC 8551 3.5.2): signed is not encrypted. The
//! signature is not looked at; nothing here vouches for who wrote it.

/// What a CMS object (RFC 5652) is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cms {
    /// Signed; its content.
    Signed(Vec<u8>),
    /// Certificates, or a signature of what lies elsewhere.
    NoContent,
    /// For whoever has the key.
    Encrypted,
    /// Compressed (RFC 3274).
    Compressed,
}

const SIGNED: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02";
const ENVELOPED: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x01\x07\x03";
const SIGNED_AND_ENVELOPED: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x01\x07\x04";
const ENCRYPTED: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x01\x07\x06";
const COMPRESSED: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x01\x09\x10\x01\x09";
const AUTH_ENVELOPED: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x01\x09\x10\x01\x17";

const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xA0;
const CONSTRUCTED: u8 = 0x20;

/// Constructed strings inside each other at most.
const MAX_DEPTH: usize = 8;
/// Elements that are looked at in one object.
const MAX_ELEMENTS: usize = 1 << 20;

/// Reads a CMS object; none where it is none.
pub(super) fn read(octets: &[u8]) -> Option<Cms> {
    let mut reader = Reader {
        rest: octets,
        elements: 0,
    };
    let info = reader.constructed(SEQUENCE)?;
    let mut info = reader.inside(info);
    let kind = info.primitive(OBJECT_IDENTIFIER)?;
    match kind {
        SIGNED => {}
        ENVELOPED | SIGNED_AND_ENVELOPED | ENCRYPTED | AUTH_ENVELOPED => {
            return Some(Cms::Encrypted);
        }
        COMPRESSED => return Some(Cms::Compressed),
        _ => return None,
    }
    let wrapped = info.constructed(CONTEXT_0)?;
    let mut wrapped = info.inside(wrapped);
    let signed = wrapped.constructed(SEQUENCE)?;
    let mut signed = wrapped.inside(signed);
    // Version and digest algorithms.
    signed.element()?;
    signed.element()?;
    let encapsulated = signed.constructed(SEQUENCE)?;
    let mut encapsulated = signed.inside(encapsulated);
    encapsulated.primitive(OBJECT_IDENTIFIER)?;
    let Some(content) = encapsulated.constructed(CONTEXT_0) else {
        return Some(Cms::NoContent);
    };
    let mut content = encapsulated.inside(content);
    let mut out = Vec::new();
    content.octet_string(&mut out, 0)?;
    Some(Cms::Signed(out))
}

/// A piece of BER (X.690): openssl and Outlook write lengths that are known only at their end.
struct Reader<'o> {
    rest: &'o [u8],
    elements: usize,
}

/// What an element has in it.
struct Element<'o> {
    tag: u8,
    content: &'o [u8],
}

impl<'o> Reader<'o> {
    fn inside(&self, content: &'o [u8]) -> Reader<'o> {
        Reader {
            rest: content,
            elements: self.elements,
        }
    }

    fn element(&mut self) -> Option<Element<'o>> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return None;
        }
        let (tag, content, length) = header(self.rest)?;
        let (content, whole) = match length {
            Some(length) => (
                content.get(..length)?,
                self.rest.len() - content.len() + length,
            ),
            None => {
                let length = indefinite(content, &mut self.elements)?;
                let head = self.rest.len() - content.len();
                (content.get(..length)?, head + length + 2)
            }
        };
        self.rest = self.rest.get(whole..)?;
        Some(Element { tag, content })
    }

    fn constructed(&mut self, tag: u8) -> Option<&'o [u8]> {
        if self.rest.first() != Some(&tag) {
            return None;
        }
        self.element().map(|element| element.content)
    }

    fn primitive(&mut self, tag: u8) -> Option<&'o [u8]> {
        self.constructed(tag)
    }

    /// A string in one piece, or in several.
    fn octet_string(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        let element = self.element()?;
        if element.tag == OCTET_STRING {
            out.extend_from_slice(element.content);
            return Some(());
        }
        if element.tag != OCTET_STRING | CONSTRUCTED || depth >= MAX_DEPTH {
            return None;
        }
        let mut pieces = self.inside(element.content);
        while !pieces.rest.is_empty() {
            pieces.octet_string(out, depth + 1)?;
        }
        self.elements = pieces.elements;
        Some(())
    }
}

/// Tag, what follows, and its length where that is said.
fn header(octets: &[u8]) -> Option<(u8, &[u8], Option<usize>)> {
    let (&tag, rest) = octets.split_first()?;
    // Tags of several octets are in no CMS.
    if tag & 0x1F == 0x1F {
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    match first {
        0x80 if tag & CONSTRUCTED != 0 => Some((tag, rest, None)),
        0..=0x7F => Some((tag, rest, Some(usize::from(first)))),
        _ => {
            let count = usize::from(first & 0x7F);
            if count == 0 || count > 4 {
                return None;
            }
            let (length, rest) = rest.split_at_checked(count)?;
            let length = length
                .iter()
                .fold(0usize, |length, octet| length << 8 | usize::from(*octet));
            Some((tag, rest, Some(length)))
        }
    }
}

/// The length of a content that ends with two zeros, without them. Not recursive: what is open is counted.
fn indefinite(content: &[u8], elements: &mut usize) -> Option<usize> {
    let (mut at, mut open) = (0, 0usize);
    loop {
        *elements += 1;
        if *elements > MAX_ELEMENTS {
            return None;
        }
        if content.get(at..at + 2)? == b"\0\0" {
            if open == 0 {
                return Some(at);
            }
            open -= 1;
            at += 2;
            continue;
        }
        let (_, rest, length) = header(&content[at..])?;
        let head = content.len() - at - rest.len();
        at += head;
        match length {
            Some(length) => at = at.checked_add(length)?,
            None => open += 1,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8], indefinite: bool) -> Vec<u8> {
        if indefinite && tag & CONSTRUCTED != 0 {
            return [&[tag, 0x80], content, b"\0\0"].concat();
        }
        let length = content.len() as u32;
        [&[tag, 0x84], &length.to_be_bytes()[..], content].concat()
    }

    /// A signed object around `content`, in pieces of `chunk` octets; without signers.
    pub(in super::super) fn signed(content: &[u8], chunk: usize, indefinite: bool) -> Vec<u8> {
        let make = |tag, content: &[u8]| element(tag, content, indefinite);
        let pieces: Vec<u8> = content
            .chunks(chunk)
            .flat_map(|piece| element(OCTET_STRING, piece, false))
            .collect();
        let string = match chunk >= content.len() {
            true => element(OCTET_STRING, content, false),
            false => make(OCTET_STRING | CONSTRUCTED, &pieces),
        };
        let data = element(
            OBJECT_IDENTIFIER,
            b"\x2A\x86\x48\x86\xF7\x0D\x01\x07\x01",
            false,
        );
        let encapsulated = make(SEQUENCE, &[data, make(CONTEXT_0, &string)].concat());
        let body = [
            element(0x02, &[1], false),
            make(0x31, b""),
            encapsulated,
            make(0x31, b""),
        ]
        .concat();
        let wrapped = make(CONTEXT_0, &make(SEQUENCE, &body));
        make(
            SEQUENCE,
            &[element(OBJECT_IDENTIFIER, SIGNED, false), wrapped].concat(),
        )
    }

    /// An encrypted object.
    pub(in super::super) fn enveloped() -> Vec<u8> {
        let wrapped = element(CONTEXT_0, &element(SEQUENCE, b"\x02\x01\x00", false), false);
        let kind = element(OBJECT_IDENTIFIER, ENVELOPED, false);
        element(SEQUENCE, &[kind, wrapped].concat(), false)
    }

    #[test]
    fn the_content_of_a_signed_object_comes_out_whole() {
        let content: Vec<u8> = (0..5000u32).map(|n| (n * n) as u8).collect();
        for chunk in [1, 100, 1024, 5000] {
            for indefinite in [false, true] {
                let read = read(&signed(&content, chunk, indefinite));
                assert_eq!(read, Some(Cms::Signed(content.clone())), "{chunk}");
            }
        }
        assert_eq!(read(&enveloped()), Some(Cms::Encrypted));
        assert_eq!(read(b"\x30\x03\x02\x01\x00"), None);
    }

    #[test]
    fn mutants_never_panic() {
        let mut rng = fastrand::Rng::with_seed(5652);
        for n in 0..20_000 {
            let mut octets = signed(b"Content-Type: text/plain\r\n\r\nhello", 7, n % 2 == 0);
            for _ in 0..rng.usize(1..5) {
                let at = rng.usize(..octets.len());
                octets[at] = [0, 0x80, 0x84, 0xFF, 0x24, rng.u8(..)][rng.usize(..6)];
            }
            octets.truncate(rng.usize(..=octets.len()));
            let _ = read(&octets);
        }
    }
}
