//! winmail.dat (MS-OXTNEF): what Outlook wraps text and attachments in where rich text is switched on for a domain.
//!
//! It is made into a MIME entity, which is read like any other. Everything is bounded by the length of the file: each octet
//! of an attachment is copied once, and compressed text has a limit of its own.

mod mime;
mod properties;
mod rtf;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::DocumentRefusal;
use properties::{Properties, Value};

/// An entity has at most so many times the octets of its file, and so many more.
pub const MOST_TIMES: usize = 16;
/// See [`MOST_TIMES`].
pub const MOST_AND: usize = 1 << 20;

const SIGNATURE: u32 = 0x223E_9F78;
/// Attributes of one message, and messages inside each other, at most.
const MAX_ATTRIBUTES: usize = 20_000;
const MAX_DEPTH: usize = 5;

const MESSAGE_LEVEL: u8 = 1;
const ATTACHMENT_LEVEL: u8 = 2;

// Attributes (MS-OXTNEF 2.1.3.2): type and identifier.
const SUBJECT: u32 = 0x0001_8004;
const BODY: u32 = 0x0002_800C;
const OEM_CODE_PAGE: u32 = 0x0006_9007;
const MESSAGE_PROPERTIES: u32 = 0x0006_9003;
const ATTACHMENT_BEGINS: u32 = 0x0006_9002;
const ATTACHMENT_TITLE: u32 = 0x0001_8010;
const ATTACHMENT_DATA: u32 = 0x0006_800F;
const ATTACHMENT_PROPERTIES: u32 = 0x0006_9005;

// Properties (MS-OXPROPS).
const P_SUBJECT: u16 = 0x0037;
const P_SENDER_NAME: u16 = 0x0C1A;
const P_BODY: u16 = 0x1000;
const P_RTF: u16 = 0x1009;
const P_HTML: u16 = 0x1013;
const P_CODE_PAGE: u16 = 0x3FDE;
const P_DISPLAY_NAME: u16 = 0x3001;
const P_DATA: u16 = 0x3701;
const P_FILE_NAME: u16 = 0x3704;
const P_METHOD: u16 = 0x3705;
const P_LONG_FILE_NAME: u16 = 0x3707;
const P_MEDIA_TYPE: u16 = 0x370E;
const P_CONTENT_ID: u16 = 0x3712;

/// PidTagAttachMethod: a message, and an object of OLE.
const EMBEDDED_MESSAGE: u32 = 5;
const OLE_OBJECT: u32 = 6;
/// Octets of the interface's identifier before an object.
const INTERFACE: usize = 16;

/// A message taken apart.
#[derive(Debug, Default)]
struct Message {
    subject: Option<String>,
    sender: Option<String>,
    body: Option<Body>,
    attachments: Vec<Attachment>,
}

/// The text of a message.
#[derive(Debug)]
struct Body {
    octets: Vec<u8>,
    charset: Option<&'static str>,
    html: bool,
}

#[derive(Debug, Default)]
struct Attachment {
    title: Option<String>,
    name: Option<String>,
    media_type: Option<String>,
    content_id: Option<String>,
    content: Content,
}

#[derive(Debug, Default)]
enum Content {
    #[default]
    Missing,
    File(Vec<u8>),
    Message(Box<Message>),
}

/// A MIME entity of what is in a winmail.dat.
///
/// # Errors
/// [`DocumentRefusal::Damaged`] for what does not end as it begins.
pub fn entity(octets: &[u8]) -> Result<Vec<u8>, DocumentRefusal> {
    let message = Message::read(octets, 0).ok_or_else(|| DocumentRefusal::damaged("TNEF"))?;
    Ok(mime::entity(&message))
}

impl Message {
    fn read(octets: &[u8], depth: usize) -> Option<Message> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut rest = Octets(octets);
        if rest.u32()? != SIGNATURE {
            return None;
        }
        rest.u16()?;
        let mut message = Message::default();
        let mut reading = Reading::default();
        for _ in 0..MAX_ATTRIBUTES {
            if rest.0.len() < 9 {
                // Some end with a few octets of nothing.
                reading.finish(&mut message);
                return Some(message);
            }
            let (level, id) = (rest.u8()?, rest.u32()?);
            let length = rest.u32()? as usize;
            let data = rest.take(length)?;
            let sum = data
                .iter()
                .fold(0u16, |sum, octet| sum.wrapping_add(u16::from(*octet)));
            let declared = rest.u16()?;
            if declared != 0 && declared != sum {
                return None;
            }
            match level {
                MESSAGE_LEVEL => reading.of_message(&mut message, id, data)?,
                ATTACHMENT_LEVEL => of_attachment(&mut message, id, data, &reading, depth)?,
                _ => return None,
            }
        }
        None
    }
}

/// What is known of a message while it is read.
#[derive(Debug, Default)]
struct Reading {
    code_page: u32,
    plain: Option<String>,
    rtf: Option<(String, bool)>,
    html: Option<Body>,
}

impl Reading {
    fn of_message(&mut self, message: &mut Message, id: u32, data: &[u8]) -> Option<()> {
        match id {
            OEM_CODE_PAGE => self.code_page = Octets(data).u32()?,
            SUBJECT => message.subject = Some(self.text(data)),
            BODY => self.plain = Some(self.text(data)),
            MESSAGE_PROPERTIES => {
                let properties = Properties::read(data)?;
                self.of_properties(message, &properties)?;
            }
            _ => {}
        }
        Some(())
    }

    fn of_properties(&mut self, message: &mut Message, properties: &Properties<'_>) -> Option<()> {
        let text = |id| properties.get(id).and_then(|value| self.written(value));
        message.subject = text(P_SUBJECT).or_else(|| message.subject.take());
        message.sender = text(P_SENDER_NAME);
        let plain = text(P_BODY);
        let code_page = properties.number(P_CODE_PAGE);
        self.plain = plain.or_else(|| self.plain.take());
        match properties.get(P_HTML) {
            Some(Value::Octets(html)) => {
                self.html = Some(Body {
                    octets: html.to_vec(),
                    charset: code_page.and_then(charset).map(Encoding::name),
                    html: true,
                });
            }
            Some(Value::Wide(html)) => self.html = Some(Body::of(&wide(html), true)),
            _ => {}
        }
        if let Some(Value::Octets(packed)) = properties.get(P_RTF) {
            self.rtf = Some(rtf::text(&rtf::decompressed(packed)?));
        }
        Some(())
    }

    /// The richest text that says anything.
    fn finish(self, message: &mut Message) {
        let has_words = |text: &str| text.chars().any(char::is_alphanumeric);
        let rtf = self.rtf.filter(|(text, _)| has_words(text));
        let plain = self.plain.filter(|text| has_words(text));
        message.body = self
            .html
            .or_else(|| rtf.map(|(text, html)| Body::of(&text, html)))
            .or_else(|| plain.map(|text| Body::of(&text, false)));
    }

    fn text(&self, octets: &[u8]) -> String {
        let end = octets.iter().position(|octet| *octet == 0);
        let octets = &octets[..end.unwrap_or(octets.len())];
        let encoding = charset(self.code_page).unwrap_or(WINDOWS_1252);
        encoding.decode_without_bom_handling(octets).0.into_owned()
    }

    fn written(&self, value: Value<'_>) -> Option<String> {
        match value {
            Value::Narrow(octets) => Some(self.text(octets)),
            Value::Wide(octets) => Some(wide(octets)),
            _ => None,
        }
    }
}

impl Body {
    fn of(text: &str, html: bool) -> Body {
        Body {
            octets: text.as_bytes().to_vec(),
            charset: Some("utf-8"),
            html,
        }
    }
}

fn of_attachment(
    message: &mut Message,
    id: u32,
    data: &[u8],
    reading: &Reading,
    depth: usize,
) -> Option<()> {
    if id == ATTACHMENT_BEGINS {
        message.attachments.push(Attachment::default());
        return Some(());
    }
    let attachment = message.attachments.last_mut()?;
    match id {
        ATTACHMENT_TITLE => attachment.title = Some(reading.text(data)),
        ATTACHMENT_DATA => attachment.content = Content::File(data.to_vec()),
        ATTACHMENT_PROPERTIES => {
            let properties = Properties::read(data)?;
            let text = |id| {
                let value = properties.get(id).and_then(|value| reading.written(value));
                value.filter(|value| !value.trim().is_empty())
            };
            attachment.name = text(P_LONG_FILE_NAME)
                .or_else(|| text(P_FILE_NAME))
                .or_else(|| text(P_DISPLAY_NAME));
            attachment.media_type = text(P_MEDIA_TYPE);
            attachment.content_id = text(P_CONTENT_ID);
            let method = properties.number(P_METHOD).unwrap_or_default();
            if let Some(Value::Octets(object)) = properties.get(P_DATA) {
                let inside = object.get(INTERFACE..).unwrap_or_default();
                attachment.content = match method {
                    EMBEDDED_MESSAGE => {
                        Content::Message(Box::new(Message::read(inside, depth + 1)?))
                    }
                    OLE_OBJECT => Content::File(inside.to_vec()),
                    _ => Content::File(object.to_vec()),
                };
            }
        }
        _ => {}
    }
    Some(())
}

/// UTF-16 up to its first zero.
fn wide(octets: &[u8]) -> String {
    let units = octets.chunks_exact(2);
    let units = units.map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}

/// The character set of a code page of Windows.
fn charset(code_page: u32) -> Option<&'static Encoding> {
    let label = match code_page {
        65001 => return Some(UTF_8),
        932 => "shift_jis",
        936 => "gbk",
        949 => "euc-kr",
        950 => "big5",
        874 => "windows-874",
        866 => "ibm866",
        20866 => "koi8-r",
        28592 => "iso-8859-2",
        28595 => "iso-8859-5",
        28597 => "iso-8859-7",
        28605 => "iso-8859-15",
        50220..=50222 => "iso-2022-jp",
        51932 => "euc-jp",
        54936 => "gb18030",
        1250..=1258 => return Encoding::for_label(format!("windows-{code_page}").as_bytes()),
        20127 | 28591 => "windows-1252",
        _ => return None,
    };
    Encoding::for_label(label.as_bytes())
}

/// What is still to be read; lengths are a stranger's.
#[derive(Debug, Clone, Copy)]
struct Octets<'o>(&'o [u8]);

impl<'o> Octets<'o> {
    fn take(&mut self, length: usize) -> Option<&'o [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|octets| octets[0])
    }

    fn u16(&mut self) -> Option<u16> {
        let octets = self.take(2)?;
        Some(u16::from_le_bytes([octets[0], octets[1]]))
    }

    fn u32(&mut self) -> Option<u32> {
        let octets = self.take(4)?;
        octets.try_into().ok().map(u32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests;
