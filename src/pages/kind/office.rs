//! What a container of Microsoft (MS-CFB) or a ZIP archive holds, and whether it wants a password.

use super::{Kind, find, other};

const OLE: Kind = other("Microsoft file", "application/x-ole-storage");
/// Its media type is nobody's, so that no converter is tried on it.
const LOCKED: Kind = other(
    "Office document with a password",
    "application/x-locked-office",
);
const LOCKED_ZIP: Kind = other("ZIP archive with a password", "application/x-locked-zip");

/// Names of streams, in the order in which they are looked for: a message holds documents, too.
const IN_OLE: [(&str, Kind); 11] = [
    (
        "__nameid_version1.0",
        other("Outlook message", "application/vnd.ms-outlook"),
    ),
    (
        "__properties_version1.0",
        other("Outlook message", "application/vnd.ms-outlook"),
    ),
    ("WordDocument", other("Word document", "application/msword")),
    (
        "Workbook",
        other("Excel workbook", "application/vnd.ms-excel"),
    ),
    (
        "PowerPoint Document",
        other("PowerPoint presentation", "application/vnd.ms-powerpoint"),
    ),
    (
        "VisioDocument",
        other("Visio drawing", "application/vnd.visio"),
    ),
    (
        "Quill",
        other("Publisher document", "application/x-mspublisher"),
    ),
    (
        "DRMContent",
        other(
            "document with restricted rights",
            "application/x-locked-office",
        ),
    ),
    (
        "\u{9}DRMContent",
        other(
            "document with restricted rights",
            "application/x-locked-office",
        ),
    ),
    (
        "SwDocContentMgr",
        other("SolidWorks drawing", "application/sldworks"),
    ),
    ("Book", other("Excel workbook", "application/vnd.ms-excel")),
];

/// What a file that begins as MS-CFB is.
pub(super) fn in_ole(octets: &[u8]) -> Kind {
    let has = |name: &str| find(octets, &wide(name));
    // MS-OFFCRYPTO 2.3.1: a document of the newer kind, all of it encrypted.
    if has("EncryptedPackage") {
        return match has("DRMEncryptedDataSpace") || has("DRMEncryptedTransform") {
            true => other(
                "document with restricted rights",
                "application/x-locked-office",
            ),
            false => LOCKED,
        };
    }
    let Some((name, kind)) = IN_OLE.iter().find(|(name, _)| has(name)) else {
        return OLE;
    };
    match is_locked(octets, name) {
        true => LOCKED,
        false => *kind,
    }
}

/// What a ZIP archive says of itself in the header of its first file.
pub(super) fn locked_zip(octets: &[u8]) -> Option<Kind> {
    // APPNOTE 4.4.3, the version that reads it, and 4.4.4, bit 0.
    let &[version, 0, flags] = octets.get(4..7)? else {
        return None;
    };
    (version <= 63 && flags & 1 != 0).then_some(LOCKED_ZIP)
}

fn wide(name: &str) -> Vec<u8> {
    name.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Whether a document of the old kind is encrypted, as the beginning of its stream says.
fn is_locked(octets: &[u8], stream: &str) -> bool {
    let number = |of: &[u8], at: usize| {
        let octets = of.get(at..at + 2)?;
        Some(u16::from_le_bytes([octets[0], octets[1]]))
    };
    match stream {
        // MS-DOC 2.5.2, fEncrypted.
        "WordDocument" => beginning(octets, stream)
            .and_then(|stream| number(stream, 0x0A))
            .is_some_and(|flags| flags & 0x0100 != 0),
        // MS-XLS 2.4.117: a FilePass among the first records.
        "Workbook" | "Book" => {
            let Some(stream) = beginning(octets, stream) else {
                return false;
            };
            let mut at = 0;
            for _ in 0..6 {
                let (Some(kind), Some(length)) = (number(stream, at), number(stream, at + 2))
                else {
                    return false;
                };
                if kind == 0x002F {
                    return true;
                }
                at += 4 + usize::from(length);
            }
            false
        }
        _ => false,
    }
}

/// The first sector of a stream that has sectors of its own (MS-CFB 2.6): it is one of more than 4 KB.
fn beginning<'o>(octets: &'o [u8], name: &str) -> Option<&'o [u8]> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(octets.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(octets.get(at..at + 4)?.try_into().ok()?));
    let shift = u16_at(30)?;
    if !(7..=16).contains(&shift) {
        return None;
    }
    let name = wide(name);
    let length = name.len() as u16 + 2;
    let entry = (512..octets.len().saturating_sub(127))
        .step_by(128)
        .find(|at| octets[*at..].starts_with(&name) && u16_at(at + 64) == Some(length))?;
    let (sector, size) = (u32_at(entry + 116)?, u32_at(entry + 120)?);
    if size < 4096 {
        return None;
    }
    let at = (sector as usize).checked_add(1)?.checked_mul(1 << shift)?;
    octets.get(at..octets.len().min(at.checked_add(1 << shift)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A container with one stream in its first sector.
    fn container(stream: &str, beginning: &[u8]) -> Vec<u8> {
        let mut octets = vec![0; 512 * 3];
        octets[..8].copy_from_slice(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1");
        octets[30] = 9;
        let name = wide(stream);
        octets[512..512 + name.len()].copy_from_slice(&name);
        octets[512 + 64] = name.len() as u8 + 2;
        octets[512 + 116] = 1;
        octets[512 + 121] = 0x20;
        octets[1024..1024 + beginning.len()].copy_from_slice(beginning);
        octets
    }

    #[test]
    fn containers_are_named_by_what_they_hold() {
        for (stream, beginning, name) in [
            ("WordDocument", &[0; 12][..], "Word document"),
            (
                "WordDocument",
                &[0xEC, 0xA5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                "Office document with a password",
            ),
            (
                "Workbook",
                &[9, 8, 2, 0, 0, 6, 0x42, 0, 2, 0, 0, 0],
                "Excel workbook",
            ),
            (
                "Workbook",
                &[9, 8, 2, 0, 0, 6, 0x2F, 0, 2, 0, 0, 0],
                "Office document with a password",
            ),
            ("EncryptedPackage", &[], "Office document with a password"),
            ("__nameid_version1.0", &[], "Outlook message"),
            ("VisioDocument", &[], "Visio drawing"),
            ("Something", &[], "Microsoft file"),
        ] {
            assert_eq!(Kind::of(&container(stream, beginning)).name(), name);
        }
        assert_eq!(
            Kind::of(b"PK\x03\x04\x14\0\x01\0xyz").name(),
            "ZIP archive with a password"
        );
    }
}
