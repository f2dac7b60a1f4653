//! What PDFium does not tell of a PDF: names in its catalogue that say that its pages are only a wrapper.

use std::io::Read;

use flate2::read::ZlibDecoder;

/// Octets that are looked at of an object stream: the catalogue is small, and stands among small ones.
const MOST: u64 = 1 << 20;
/// Object streams that are looked at.
const STREAMS: usize = 500;
/// Octets between the mark of an object stream and its data.
const DICTIONARY: usize = 512;

/// Whether the name, without its solidus, stands anywhere among the objects: in the file itself or in an object stream
/// (ISO 32000-1 7.5.7), unless that is encrypted.
pub(super) fn has_name(pdf: &[u8], name: &str) -> bool {
    let name = format!("/{name}");
    if has_word(pdf, name.as_bytes()) {
        return true;
    }
    object_streams(pdf)
        .take(STREAMS)
        .any(|objects| has_word(&objects, name.as_bytes()))
}

fn object_streams(pdf: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    places(pdf, b"/ObjStm").filter_map(|at| {
        let rest = &pdf[at..];
        let head = &rest[..rest.len().min(DICTIONARY)];
        let data = &rest[places(head, b"stream").next()? + b"stream".len()..];
        let data = data.strip_prefix(b"\r").unwrap_or(data);
        let data = data.strip_prefix(b"\n").unwrap_or(data);
        let mut objects = Vec::new();
        // What was read before it broke counts.
        let _ = ZlibDecoder::new(data).take(MOST).read_to_end(&mut objects);
        Some(objects)
    })
}

/// Whether the name is there, and no longer one that begins so.
fn has_word(octets: &[u8], name: &[u8]) -> bool {
    places(octets, name).any(|at| {
        let next = octets.get(at + name.len());
        next.is_none_or(|next| !next.is_ascii_alphanumeric() && !b"_-.#".contains(next))
    })
}

fn places<'a>(octets: &'a [u8], what: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let windows = octets.windows(what.len()).enumerate();
    windows.filter_map(move |(at, window)| (window == what).then_some(at))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    #[test]
    fn a_name_is_found_in_the_open_and_in_object_streams() {
        let open = b"1 0 obj <</Type/Catalog/Collection<</View/H>>>> endobj";
        assert!(has_name(open, "Collection"));
        let mut packed = b"1 0 obj <</Length 9/Type/ObjStm/N 1>> stream\r\n".to_vec();
        let mut encoder = ZlibEncoder::new(&mut packed, Compression::default());
        encoder.write_all(b"2 0 <</Collection 3 0 R>>").unwrap();
        encoder.finish().unwrap();
        packed.extend_from_slice(b"\nendstream endobj");
        assert!(has_name(&packed, "Collection"));
        // Cut short, it is what it is.
        for length in 0..packed.len() {
            has_name(&packed[..length], "Collection");
        }
        for other in [
            &b"<</Type/Catalog/CollectionItem 3 0 R>>"[..],
            b"<</Type/Catalog>> (Collection)",
            b"/ObjStm stream",
            b"",
        ] {
            assert!(!has_name(other, "Collection"));
        }
    }
}
