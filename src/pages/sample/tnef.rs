//! A winmail.dat, as Outlook makes one.

const MESSAGE: u8 = 1;
const ATTACHMENT: u8 = 2;

/// What is in one.
#[derive(Debug, Clone, Default)]
pub struct Winmail<'a> {
    /// PidTagBody, in UTF-16; empty: there is none.
    pub body: &'a str,
    /// PidTagRtfCompressed, stored as it is; empty: there is none.
    pub rtf: &'a str,
    /// Names and contents.
    pub files: &'a [(&'a str, &'a [u8])],
    /// A message that is attached, already written.
    pub message: Option<&'a [u8]>,
}

impl Winmail<'_> {
    /// The file.
    pub fn write(&self) -> Vec<u8> {
        let mut out = 0x223E_9F78u32.to_le_bytes().to_vec();
        out.extend_from_slice(&1u16.to_le_bytes());
        attribute(
            &mut out,
            MESSAGE,
            0x0008_9006,
            &0x0001_0000u32.to_le_bytes(),
        );
        attribute(
            &mut out,
            MESSAGE,
            0x0006_9007,
            &[1252u32.to_le_bytes(), [0; 4]].concat(),
        );
        attribute(&mut out, MESSAGE, 0x0007_8008, b"IPM.Microsoft Mail.Note\0");
        attribute(&mut out, MESSAGE, 0x0001_8004, b"Winmail\0");
        let mut properties = Vec::new();
        // PidTagSensitivity, PidTagClientSubmitTime, and a property with a name.
        properties.push([&[3, 0, 0x36, 0][..], &[0; 4]].concat());
        properties.push([&[0x40, 0, 0x39, 0][..], &[7; 8]].concat());
        let named = [
            &[0x1F, 0, 1, 0x80][..],
            &[9; 16],
            &1u32.to_le_bytes(),
            &variable(&wide("Keyword"), false),
            &variable(&wide("x"), true),
        ];
        properties.push(named.concat());
        if !self.body.is_empty() {
            properties.push(property(0x001F, 0x1000, &wide(self.body)));
        }
        if !self.rtf.is_empty() {
            let raw = self.rtf.as_bytes();
            let size = raw.len() as u32;
            let packed = [
                &(size + 12).to_le_bytes()[..],
                &size.to_le_bytes(),
                b"MELA",
                &[0; 4],
                raw,
            ];
            properties.push(property(0x0102, 0x1009, &packed.concat()));
        }
        attribute(&mut out, MESSAGE, 0x0006_9003, &counted(&properties));
        for (name, octets) in self.files {
            attribute(&mut out, ATTACHMENT, 0x0006_9002, &[1; 14]);
            attribute(
                &mut out,
                ATTACHMENT,
                0x0001_8010,
                format!("{name}\0").as_bytes(),
            );
            attribute(&mut out, ATTACHMENT, 0x0006_800F, octets);
            let method = [&[3, 0, 0x05, 0x37][..], &1u32.to_le_bytes()].concat();
            let long_name = property(0x001F, 0x3707, &wide(name));
            attribute(
                &mut out,
                ATTACHMENT,
                0x0006_9005,
                &counted(&[method, long_name]),
            );
        }
        if let Some(message) = self.message {
            attribute(&mut out, ATTACHMENT, 0x0006_9002, &[1; 14]);
            let method = [&[3, 0, 0x05, 0x37][..], &5u32.to_le_bytes()].concat();
            let object = [
                &[
                    0x07, 0x03, 0x02, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46,
                ][..],
                message,
            ]
            .concat();
            let object = property(0x000D, 0x3701, &object);
            attribute(
                &mut out,
                ATTACHMENT,
                0x0006_9005,
                &counted(&[method, object]),
            );
        }
        out
    }
}

fn attribute(out: &mut Vec<u8>, level: u8, id: u32, data: &[u8]) {
    out.push(level);
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&(data.len() as u32).to_le_bytes());
    out.extend_from_slice(data);
    let sum = data
        .iter()
        .fold(0u16, |sum, octet| sum.wrapping_add(u16::from(*octet)));
    out.extend_from_slice(&sum.to_le_bytes());
}

fn counted(properties: &[Vec<u8>]) -> Vec<u8> {
    let count = properties.len() as u32;
    [&count.to_le_bytes()[..], &properties.concat()].concat()
}

fn property(kind: u16, id: u16, value: &[u8]) -> Vec<u8> {
    [
        &kind.to_le_bytes()[..],
        &id.to_le_bytes(),
        &variable(value, true),
    ]
    .concat()
}

/// With its length, filled up to a multiple of four; the value of a property with a count before it.
fn variable(value: &[u8], counted: bool) -> Vec<u8> {
    let mut out = Vec::new();
    if counted {
        out.extend_from_slice(&1u32.to_le_bytes());
    }
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn wide(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().chain([0]);
    units.flat_map(u16::to_le_bytes).collect()
}
