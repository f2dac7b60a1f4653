//! What makes a PDF an archive's PDF (ISO 19005-2, PDF/A-2b): metadata in XMP, a colour profile, an identifier.

use sha2::{Digest, Sha256};

use super::PdfInfo;

/// The XMP packet (ISO 16684-1; ISO 19005-2 6.6): what the file is, and what it says of itself.
pub(super) fn xmp(info: &PdfInfo, id: &str) -> String {
    let title = escaped(&info.title);
    let creator = info.sender.as_deref().map(escaped);
    let creator = creator.map_or(String::new(), |name| {
        format!("\n   <dc:creator><rdf:Seq><rdf:li>{name}</rdf:li></rdf:Seq></dc:creator>")
    });
    let date = info.created.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!(
        r#"<?xpacket begin="{bom}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
   <pdfaid:part>2</pdfaid:part>
   <pdfaid:conformance>B</pdfaid:conformance>
   <dc:format>application/pdf</dc:format>
   <dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>{creator}
   <xmp:CreateDate>{date}</xmp:CreateDate>
   <xmp:ModifyDate>{date}</xmp:ModifyDate>
   <xmp:MetadataDate>{date}</xmp:MetadataDate>
   <xmp:CreatorTool>Postfax</xmp:CreatorTool>
   <pdf:Producer>Postfax</pdf:Producer>
   <xmpMM:DocumentID>uuid:{id}</xmpMM:DocumentID>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"#,
        bom = '\u{feff}',
    )
}

/// XML 1.0 2.2 and 2.4.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The identifier of a file: of its pages and of what it says of itself, so that the same fax has the same.
pub(super) struct Identity(Sha256);

impl Identity {
    pub(super) fn of(info: &PdfInfo) -> Identity {
        let mut hash = Sha256::new();
        hash.update(info.title.as_bytes());
        hash.update([0]);
        hash.update(info.sender.as_deref().unwrap_or_default().as_bytes());
        hash.update(info.created.as_second().to_be_bytes());
        Identity(hash)
    }

    pub(super) fn page(&mut self, g4: &[u8]) {
        self.0.update(g4);
    }

    /// 16 octets (ISO 32000-1 14.4).
    pub(super) fn octets(self) -> [u8; 16] {
        let hash = self.0.finalize();
        std::array::from_fn(|n| hash[n])
    }
}

/// As the trailer has it.
pub(super) fn hexadecimal(id: [u8; 16]) -> String {
    id.iter().map(|octet| format!("{octet:02X}")).collect()
}

/// As RFC 9562 writes it.
pub(super) fn uuid(id: [u8; 16]) -> String {
    let hex = hexadecimal(id).to_lowercase();
    let [a, b, c, d, e] = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| &hex[range]);
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// What is meant by black and white (ISO 19005-2 6.2.3 asks for it where DeviceGray is used): an ICC profile
/// (ICC.1:2001-04) of a grey screen with gamma 2.2, in some 300 octets.
pub(super) fn grey_profile() -> Vec<u8> {
    const D50: [u32; 3] = [0x0000_F6D6, 0x0001_0000, 0x0000_D32D];
    let xyz = |parts: [u32; 3]| {
        parts
            .iter()
            .flat_map(|part| part.to_be_bytes())
            .collect::<Vec<u8>>()
    };
    let name = b"Grey, gamma 2.2\0";
    // 6.5.17: the name in ASCII, none in Unicode, none for the Macintosh.
    let description = [
        b"desc\0\0\0\0",
        &(name.len() as u32).to_be_bytes()[..],
        name,
        &[0; 78],
    ]
    .concat();
    let tags: [(&[u8; 4], Vec<u8>); 4] = [
        (b"desc", description),
        (b"cprt", b"text\0\0\0\0No copyright\0".to_vec()),
        (b"wtpt", [b"XYZ \0\0\0\0", &xyz(D50)[..]].concat()),
        // One value: a gamma of 2.2 in eighths and 256ths.
        (b"kTRC", b"curv\0\0\0\0\0\0\0\x01\x02\x33".to_vec()),
    ];
    let mut table = (tags.len() as u32).to_be_bytes().to_vec();
    let mut data = Vec::new();
    let first = 128 + 4 + 12 * tags.len();
    for (signature, value) in &tags {
        table.extend_from_slice(*signature);
        table.extend(((first + data.len()) as u32).to_be_bytes());
        table.extend((value.len() as u32).to_be_bytes());
        data.extend_from_slice(value);
        data.resize(data.len().next_multiple_of(4), 0);
    }
    let mut header = vec![0; 128];
    let mut put = |at: usize, octets: &[u8]| header[at..at + octets.len()].copy_from_slice(octets);
    put(0, &((first + data.len()) as u32).to_be_bytes());
    put(8, &[2, 0x10]);
    put(12, b"mntrGRAYXYZ ");
    // 21 November 2026.
    put(24, &[7, 0xEA, 0, 11, 0, 21]);
    put(36, b"acsp");
    put(68, &xyz(D50));
    [header, table, data].concat()
}
