//! Takes a message apart into its parts (RFC 2046), within bounds.
//!
//! A mail inside the mail (message/rfc822) is taken apart too, in its place, and so is what wraps parts in a way of its own:
//! a signed S/MIME object, files in the text (uuencode), pictures in HTML (`data:`), winmail.dat once a child has read it.
//! `mail-parser` reads the headers. It would take the whole message apart as well, but knows no limit on parts or nesting,
//! and decodes all of them at once.

use std::borrow::Cow;
use std::cell::OnceCell;

use mail_parser::parsers::MessageStream;
use mail_parser::{MessageParser, MessagePart, MimeHeaders};

use super::boundary::{self, Belief, Split, attributes, media_type, raw_field};
use super::cms::{self, Cms};
use super::encoding::{self, Encoding};
use super::inline;
use super::parts::{MAGIC_WITHIN, has_extension};
use super::uuencode::{self, Piece};
use super::wrapped::{Unwrapped, digest};
use super::{BadMessage, MAX_DEPTH, MAX_HEADER, MAX_PARTS, one_line};
use crate::pages::kind::Kind;

/// A header and what follows it.
#[derive(Debug)]
pub(super) struct Entity<'m> {
    /// Only its headers are filled in.
    pub(super) header: MessagePart<'m>,
    block: &'m [u8],
    body: &'m [u8],
}

/// A part that contains no parts.
#[derive(Debug)]
pub(super) struct Leaf<'m> {
    pub(super) header: MessagePart<'m>,
    pub(super) encoded: &'m [u8],
    pub(super) encoding: Encoding,
    /// Lower-case, as declared, or as RFC 2045 5.2 fills in: `text/plain`.
    pub(super) content_type: String,
    /// The name that people know it by, without folders.
    pub(super) name: Option<String>,
    /// The forms of a `multipart/alternative` that it is in, from the outside.
    pub(super) forms: Vec<Form>,
    /// The mail it belongs to, by its place in [`Leaves::mails`].
    pub(super) mail: usize,
    pub(super) role: Role,
}

/// One of the forms of a `multipart/alternative`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Form {
    /// The `multipart/alternative`, by number.
    pub(super) group: usize,
    /// Its place in it.
    pub(super) form: usize,
}

/// What a leaf is to what is around it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Role {
    #[default]
    Part,
    /// It belongs to the text beside it (RFC 2387).
    Related,
    /// A picture that stands in the HTML itself.
    InText,
    /// A text that says once more what the mail says: that of a winmail.dat.
    Repeats,
}

/// A message taken apart.
#[derive(Debug, Default)]
pub(super) struct Leaves<'m> {
    /// In order.
    pub(super) all: Vec<Leaf<'m>>,
    /// The mail itself, then those inside of it.
    pub(super) mails: Vec<MessagePart<'m>>,
    /// Every winmail.dat that no child has read yet.
    pub(super) wrapped: Vec<Vec<u8>>,
}

/// Room for what is inside of a mail and had to be decoded; it has to outlive what is read.
#[derive(Debug, Default)]
pub struct Unpacked {
    unwrapped: Unwrapped,
    octets: OnceCell<Vec<u8>>,
    next: OnceCell<Box<Unpacked>>,
}

impl Unpacked {
    /// With what children have read of a mail.
    pub fn with(unwrapped: Unwrapped) -> Unpacked {
        Unpacked {
            unwrapped,
            ..Unpacked::default()
        }
    }

    /// What children have read so far.
    pub fn into_unwrapped(self) -> Unwrapped {
        self.unwrapped
    }

    fn keep(&self, octets: Vec<u8>) -> &[u8] {
        let mut place = self;
        while place.octets.get().is_some() {
            place = place.next.get_or_init(Box::default);
        }
        place.octets.get_or_init(|| octets)
    }

    fn keep_all<'m>(&'m self, octets: Cow<'m, [u8]>) -> &'m [u8] {
        match octets {
            Cow::Borrowed(octets) => octets,
            Cow::Owned(octets) => self.keep(octets),
        }
    }
}

impl<'m> Entity<'m> {
    /// Splits an entity at its first empty line.
    pub(super) fn read(raw: &'m [u8]) -> Result<Entity<'m>, BadMessage> {
        let end = end_of_header(raw);
        if end > MAX_HEADER {
            return Err(BadMessage::HeaderTooLarge);
        }
        let (block, body) = raw.split_at(end);
        let mut header = MessagePart::default();
        MessageStream::new(block).parse_headers(&MessageParser::new(), &mut header.headers);
        Ok(Entity {
            header,
            block,
            body,
        })
    }

    fn field(&self, name: &str) -> Option<String> {
        raw_field(self.block, name)
    }

    fn content_type(&self, context: &Context) -> String {
        let declared = self.field("content-type");
        // RFC 2046 5.1.5
        let default = match context.in_digest {
            true => "message/rfc822",
            false => "text/plain",
        };
        let declared = declared.and_then(|value| media_type(&value));
        declared.unwrap_or_else(|| default.to_owned())
    }

    /// The name that people know the part by, without folders.
    fn name(&self) -> Option<String> {
        let well_spelled = self.header.attachment_name().map(str::to_owned);
        let badly_spelled = || {
            let of = |field: &str, name: &str| {
                let value = self.field(field)?;
                attributes(&value, name).into_iter().next()
            };
            of("content-disposition", "filename").or_else(|| of("content-type", "name"))
        };
        let name = one_line(&well_spelled.or_else(badly_spelled)?);
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn declared_encoding(&self) -> Encoding {
        let declared = self.field("content-transfer-encoding");
        Encoding::declared(&declared.unwrap_or_default())
    }

    /// The encoding of a leaf: what is declared, unless the body is plainly written in another one.
    fn encoding(&self, content_type: &str) -> Encoding {
        let is_text = content_type.starts_with("text/");
        match self.declared_encoding() {
            Encoding::Base64 if is_text && encoding::is_clear_text(self.body) => Encoding::Identity,
            Encoding::Identity if encoding::is_all_base64(self.body) => {
                let decoded = encoding::decode_base64(self.body).unwrap_or_default();
                match Kind::of(&decoded) != Kind::Unknown || is_text && is_prose(&decoded) {
                    true => Encoding::Base64,
                    false => Encoding::Identity,
                }
            }
            declared => declared,
        }
    }

    fn is_attachment(&self) -> bool {
        let disposition = self.header.content_disposition();
        disposition.is_some_and(mail_parser::ContentType::is_attachment)
    }
}

/// Words with spaces between them.
fn is_prose(octets: &[u8]) -> bool {
    std::str::from_utf8(octets).is_ok_and(|text| {
        text.contains(char::is_whitespace)
            && !text.chars().any(|c| c.is_control() && !c.is_whitespace())
    })
}

/// The length of the header with the empty line behind it.
fn end_of_header(raw: &[u8]) -> usize {
    let mut at = 0;
    for line in raw.split_inclusive(|octet| *octet == b'\n') {
        // A delimiter line, where somebody forgot the empty one.
        if line.starts_with(b"--") && !boundary::is_field(line) {
            break;
        }
        at += line.len();
        if line == b"\r\n" || line == b"\n" || at > MAX_HEADER {
            break;
        }
    }
    at
}

/// Every leaf of the message, in order.
pub(super) fn leaves<'m>(
    message: Entity<'m>,
    unpacked: &'m Unpacked,
) -> Result<Leaves<'m>, BadMessage> {
    let mut walk = Walk {
        seen: 0,
        alternatives: 0,
        unpacked,
        found: Leaves::default(),
    };
    walk.found.mails.push(message.header.clone());
    walk.entity(message, &Context::default())?;
    Ok(walk.found)
}

/// What is around an entity.
#[derive(Debug, Clone, Default)]
struct Context {
    depth: usize,
    forms: Vec<Form>,
    in_digest: bool,
    mail: usize,
    role: Role,
}

struct Walk<'m> {
    seen: usize,
    alternatives: usize,
    unpacked: &'m Unpacked,
    found: Leaves<'m>,
}

impl<'m> Walk<'m> {
    fn count(&mut self) -> Result<(), BadMessage> {
        self.seen += 1;
        match self.seen > MAX_PARTS {
            true => Err(BadMessage::TooManyParts),
            false => Ok(()),
        }
    }

    fn entity(&mut self, entity: Entity<'m>, context: &Context) -> Result<(), BadMessage> {
        self.count()?;
        let content_type = entity.content_type(context);
        match content_type.as_str() {
            "multipart/encrypted" => return Err(BadMessage::Encrypted),
            "message/rfc822" | "message/global" => return self.mail(&entity, context),
            multipart if multipart.starts_with("multipart/") => {
                return self.multipart(&entity, &content_type, context);
            }
            _ => {}
        }
        if let Some(split) = self.undeclared_parts(&entity, &content_type) {
            return self.undeclared(&entity, split, context);
        }
        let leaf = Leaf {
            encoding: entity.encoding(&content_type),
            name: entity.name(),
            header: entity.header.clone(),
            encoded: entity.body,
            content_type,
            forms: context.forms.clone(),
            mail: context.mail,
            role: context.role,
        };
        self.leaf(leaf, &entity, context)
    }

    /// A part that is declared as a leaf: some wrap others all the same.
    fn leaf(
        &mut self,
        mut leaf: Leaf<'m>,
        entity: &Entity<'m>,
        context: &Context,
    ) -> Result<(), BadMessage> {
        // The beginning of such a file is none: it is decoded whole.
        if leaf.encoding == Encoding::Uuencode
            && let Some(octets) = leaf.encoding.decode(leaf.encoded)
        {
            leaf.encoded = self.unpacked.keep_all(octets);
            leaf.encoding = Encoding::Identity;
        }
        if is_signed_object(&leaf) {
            return self.signed_object(leaf, context);
        }
        if is_tnef(&leaf) {
            return self.tnef(leaf, context);
        }
        if may_be_mail(&leaf) {
            let octets = leaf.encoding.decode(leaf.encoded);
            // One that says so by its type or its name needs fewer fields.
            let enough = match is_mail_type(&leaf.content_type) || is_mail_name(&leaf) {
                true => 1,
                false => 3,
            };
            if let Some(octets) = octets
                && let Some(begin) = begin_of_mail(&octets, enough)
            {
                let octets = self.unpacked.keep_all(octets);
                return self.inner_mail(&octets[begin..], context);
            }
        }
        let is_read_as_text = !entity.is_attachment() || is_from_exchange(leaf.name.as_deref());
        match leaf.content_type.as_str() {
            "text/plain" if is_read_as_text => self.text(leaf),
            "text/html" => self.html(leaf, is_read_as_text),
            _ => {
                self.found.all.push(leaf);
                Ok(())
            }
        }
    }

    /// RFC 2046 5.2.1. It is not to be encoded, and some mailers do so all the same.
    fn mail(&mut self, entity: &Entity<'m>, context: &Context) -> Result<(), BadMessage> {
        let encoding = entity.declared_encoding();
        let Some(octets) = encoding.decode(entity.body) else {
            let name = entity.name().unwrap_or_else(|| "attached mail".to_owned());
            return Err(BadMessage::Damaged(name, encoding.name().to_owned()));
        };
        let octets = self.unpacked.keep_all(octets);
        let octets = match encoding::is_all_base64(octets).then(|| encoding::decode_base64(octets))
        {
            Some(Some(decoded)) => self.unpacked.keep(decoded),
            _ => octets,
        };
        let begin = begin_of_mail(octets, 1).unwrap_or(0);
        self.inner_mail(&octets[begin..], context)
    }

    fn inner_mail(&mut self, octets: &'m [u8], context: &Context) -> Result<(), BadMessage> {
        let inside = deeper(context)?;
        let mail = Entity::read(octets)?;
        self.found.mails.push(mail.header.clone());
        let context = Context {
            depth: inside,
            mail: self.found.mails.len() - 1,
            ..Context::default()
        };
        self.entity(mail, &context)
    }

    fn multipart(
        &mut self,
        entity: &Entity<'m>,
        content_type: &str,
        context: &Context,
    ) -> Result<(), BadMessage> {
        let mut inside = Context {
            depth: deeper(context)?,
            in_digest: content_type == "multipart/digest",
            ..context.clone()
        };
        let is_alternative = content_type == "multipart/alternative";
        if is_alternative {
            self.alternatives += 1;
        }
        if content_type == "multipart/related" {
            inside.role = Role::Related;
        }
        let group = self.alternatives;
        let split = self.parts_of(entity)?;
        for (form, part) in split.parts.into_iter().enumerate() {
            let mut inside = inside.clone();
            if is_alternative {
                inside.forms.push(Form { group, form });
            }
            self.entity(Entity::read(part)?, &inside)?;
        }
        Ok(())
    }

    /// The parts of a multipart, by its boundary or by what looks like it; as they are, or encoded as a whole.
    fn parts_of(&self, entity: &Entity<'m>) -> Result<Split<'m>, BadMessage> {
        let split = split(entity, entity.body, Belief::Multipart);
        let (Err(BadMessage::Broken), encoding) = (&split, entity.declared_encoding()) else {
            return split;
        };
        if encoding == Encoding::Identity {
            return split;
        }
        let decoded = encoding.decode(entity.body).ok_or(BadMessage::Broken)?;
        let decoded = self.unpacked.keep_all(decoded);
        self::split(entity, decoded, Belief::Multipart)
    }

    /// The parts of what is declared as none: with a boundary in its header, or with delimiter lines in its text.
    fn undeclared_parts(&self, entity: &Entity<'m>, content_type: &str) -> Option<Split<'m>> {
        let declared = entity.field("content-type").unwrap_or_default();
        let belief = match attributes(&declared, "boundary").is_empty() {
            false => Belief::Boundary,
            true if matches!(content_type, "text/plain" | "text/html")
                && !entity.is_attachment() =>
            {
                Belief::Text
            }
            true => return None,
        };
        // What is called a boundary has to be one here, too.
        boundary::first_boundary(entity.body, belief)?;
        split(entity, entity.body, belief).ok()
    }

    /// Who did not say that there are parts may have meant what stands around them to be read.
    fn undeclared(
        &mut self,
        entity: &Entity<'m>,
        split: Split<'m>,
        context: &Context,
    ) -> Result<(), BadMessage> {
        let inside = Context {
            depth: deeper(context)?,
            ..context.clone()
        };
        let around = |text: &'m [u8]| {
            let is_read = !text.trim_ascii().is_empty() && !boundary::is_boilerplate(text);
            is_read.then(|| plain_leaf(text, &entity.header, context))
        };
        self.found.all.extend(around(split.preamble));
        for part in split.parts {
            self.entity(Entity::read(part)?, &inside)?;
        }
        self.found.all.extend(around(split.epilogue));
        Ok(())
    }

    /// S/MIME (RFC 8551 3.5.2): what is signed is read, what is encrypted is not.
    fn signed_object(&mut self, mut leaf: Leaf<'m>, context: &Context) -> Result<(), BadMessage> {
        let octets = leaf.encoding.decode(leaf.encoded).unwrap_or_default();
        let content = match cms::read(&octets) {
            Some(Cms::Signed(content)) => content,
            Some(Cms::NoContent) => {
                leaf.content_type = "application/pkcs7-signature".to_owned();
                self.found.all.push(leaf);
                return Ok(());
            }
            Some(Cms::Encrypted) => return Err(BadMessage::Encrypted),
            Some(Cms::Compressed) => return Err(BadMessage::Compressed),
            None => {
                let name = leaf.name.unwrap_or_else(|| "smime.p7m".to_owned());
                return Err(BadMessage::SignedDamaged(name));
            }
        };
        let content = self.unpacked.keep(content);
        let inside = Context {
            depth: deeper(context)?,
            ..context.clone()
        };
        // A file that was signed by itself keeps its name: "invoice.pdf.p7m".
        let name = leaf.name.as_deref().unwrap_or_default();
        let file_name = without_extension(name, ".p7m");
        let is_file = Kind::of(content) != Kind::Unknown || !begins_with_fields(content);
        if is_file {
            leaf.name = file_name.contains('.').then(|| file_name.to_owned());
            leaf.content_type = "application/octet-stream".to_owned();
            leaf.encoded = content;
            leaf.encoding = Encoding::Identity;
            let entity = Entity::read(b"")?;
            return self.leaf(leaf, &entity, &inside);
        }
        self.entity(Entity::read(content)?, &inside)
    }

    /// winmail.dat: a child makes a multipart of it.
    fn tnef(&mut self, leaf: Leaf<'m>, context: &Context) -> Result<(), BadMessage> {
        let name = || {
            leaf.name
                .clone()
                .unwrap_or_else(|| "winmail.dat".to_owned())
        };
        let Some(octets) = leaf.encoding.decode(leaf.encoded) else {
            return Err(BadMessage::Damaged(name(), leaf.encoding.name().to_owned()));
        };
        match self.unpacked.unwrapped.get(&digest(&octets)) {
            Some(Ok(content)) => {
                let inside = Context {
                    depth: deeper(context)?,
                    role: Role::Repeats,
                    ..context.clone()
                };
                self.entity(Entity::read(content)?, &inside)
            }
            Some(Err(why)) => Err(BadMessage::Outlook(name(), why.clone())),
            None => {
                self.found.wrapped.push(octets.into_owned());
                self.found.all.push(leaf);
                Ok(())
            }
        }
    }

    /// A text, and the files that somebody encoded into it.
    fn text(&mut self, leaf: Leaf<'m>) -> Result<(), BadMessage> {
        let Some(octets) = leaf.encoding.decode(leaf.encoded) else {
            self.found.all.push(leaf);
            return Ok(());
        };
        refuse_encoded(&octets)?;
        let has_files =
            |text: &[u8]| uuencode::pieces(text).is_some() || uuencode::base64_run(text).is_some();
        if !has_files(&octets) {
            self.found.all.push(leaf);
            return Ok(());
        }
        let octets = self.unpacked.keep_all(octets);
        match uuencode::pieces(octets) {
            None => self.text_with_base64(octets, &leaf),
            Some(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => self.text_with_base64(text, &leaf)?,
                        Piece::File { name, octets } => self.file(Some(name), octets, &leaf)?,
                        Piece::Damaged(name) => {
                            let name = one_line(&name);
                            return Err(BadMessage::Damaged(name, "uuencode".to_owned()));
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn text_with_base64(&mut self, text: &'m [u8], leaf: &Leaf<'m>) -> Result<(), BadMessage> {
        let mut rest = text;
        let mut at = 0;
        while let Some(run) = uuencode::base64_run(&rest[at..]) {
            let run = at + run.start..at + run.end;
            let decoded = encoding::decode_base64(&rest[run.clone()]).unwrap_or_default();
            if Kind::of(&decoded) == Kind::Unknown {
                if uuencode::is_long(&rest[run.clone()]) {
                    return Err(BadMessage::EncodedText);
                }
                // A key, or a signature.
                at = run.end;
                continue;
            }
            let above = &rest[..run.start];
            self.piece_of_text(above, leaf)?;
            self.file(name_above(above), decoded, leaf)?;
            rest = &rest[run.end..];
            at = 0;
        }
        self.piece_of_text(rest, leaf)
    }

    fn piece_of_text(&mut self, text: &'m [u8], leaf: &Leaf<'m>) -> Result<(), BadMessage> {
        // Beside a file there may be nothing, or the header that somebody lost the place of.
        if text.trim_ascii().is_empty() || is_header_only(text) {
            return Ok(());
        }
        self.count()?;
        self.found.all.push(Leaf {
            header: leaf.header.clone(),
            encoded: text,
            encoding: Encoding::Identity,
            content_type: leaf.content_type.clone(),
            name: None,
            forms: leaf.forms.clone(),
            mail: leaf.mail,
            role: leaf.role,
        });
        Ok(())
    }

    /// A file that stood in a text: what it is its content says.
    fn file(
        &mut self,
        name: Option<String>,
        octets: Vec<u8>,
        leaf: &Leaf<'m>,
    ) -> Result<(), BadMessage> {
        self.count()?;
        let name = name.map(|name| one_line(&name));
        let entity = Entity::read(b"")?;
        let file = Leaf {
            header: MessagePart::default(),
            encoded: self.unpacked.keep(octets),
            encoding: Encoding::Identity,
            content_type: "application/octet-stream".to_owned(),
            name: name.filter(|name| !name.is_empty()),
            forms: leaf.forms.clone(),
            mail: leaf.mail,
            role: Role::Part,
        };
        // A mail or a winmail.dat in there is a mail.
        let depth = leaf.forms.len();
        let context = Context {
            depth: depth.min(MAX_DEPTH),
            forms: leaf.forms.clone(),
            mail: leaf.mail,
            ..Context::default()
        };
        self.leaf(file, &entity, &context)
    }

    /// HTML, and the pictures that stand in it.
    fn html(&mut self, mut leaf: Leaf<'m>, is_read_as_text: bool) -> Result<(), BadMessage> {
        let octets = leaf.encoding.decode(leaf.encoded).unwrap_or_default();
        if is_read_as_text && inline::has_long_base64(&octets) {
            return Err(BadMessage::EncodedText);
        }
        let Some((html, pictures)) = inline::pictures(&octets) else {
            self.found.all.push(leaf);
            return Ok(());
        };
        leaf.encoded = self.unpacked.keep(html);
        leaf.encoding = Encoding::Identity;
        let (forms, mail) = (leaf.forms.clone(), leaf.mail);
        self.found.all.push(leaf);
        for (number, picture) in pictures.into_iter().enumerate() {
            self.count()?;
            self.found.all.push(Leaf {
                header: MessagePart::default(),
                encoded: self.unpacked.keep(picture.octets),
                encoding: Encoding::Identity,
                content_type: picture.media_type,
                name: Some(format!("picture {} in the text", number + 1)),
                forms: forms.clone(),
                mail,
                role: Role::InText,
            });
        }
        Ok(())
    }
}

fn deeper(context: &Context) -> Result<usize, BadMessage> {
    match context.depth {
        MAX_DEPTH => Err(BadMessage::TooDeep),
        depth => Ok(depth + 1),
    }
}

/// A body by the boundaries that its header may mean, or by its first delimiter line.
fn split<'m>(entity: &Entity<'m>, body: &'m [u8], belief: Belief) -> Result<Split<'m>, BadMessage> {
    let well_spelled = entity.header.content_type();
    let well_spelled = well_spelled.and_then(|declared| declared.attribute("boundary"));
    let declared = entity.field("content-type").unwrap_or_default();
    let badly_spelled = attributes(&declared, "boundary");
    let well_spelled = well_spelled.into_iter().map(str::to_owned);
    for boundary in well_spelled.chain(badly_spelled) {
        match boundary::split(body, boundary.as_bytes()) {
            Err(BadMessage::Broken) => {}
            split => return split,
        }
    }
    let found = boundary::first_boundary(body, belief).ok_or(BadMessage::Broken)?;
    boundary::split(body, found)
}

fn plain_leaf<'m>(text: &'m [u8], header: &MessagePart<'m>, context: &Context) -> Leaf<'m> {
    Leaf {
        header: header.clone(),
        encoded: text,
        encoding: Encoding::Identity,
        content_type: "text/plain".to_owned(),
        name: None,
        forms: context.forms.clone(),
        mail: context.mail,
        role: context.role,
    }
}

// ---- what a leaf may be ----

fn beginning<'m>(leaf: &Leaf<'m>, octets: usize) -> Cow<'m, [u8]> {
    let encoded = &leaf.encoded[..leaf.encoded.len().min(4 * octets)];
    leaf.encoding.decode(encoded).unwrap_or_default()
}

fn is_named(leaf: &Leaf<'_>, extensions: &[&str]) -> bool {
    let name = leaf.name.as_deref().unwrap_or_default();
    has_extension(name, extensions)
}

fn without_extension<'n>(name: &'n str, extension: &str) -> &'n str {
    let at = name.len().saturating_sub(extension.len());
    match name.get(at..) {
        Some(end) if end.eq_ignore_ascii_case(extension) => &name[..at],
        _ => name,
    }
}

fn is_signed_object(leaf: &Leaf<'_>) -> bool {
    const TYPES: [&str; 3] = [
        "application/pkcs7-mime",
        "application/x-pkcs7-mime",
        "application/cms",
    ];
    TYPES.contains(&leaf.content_type.as_str()) || is_named(leaf, &["p7m", "p7z"])
}

fn is_tnef(leaf: &Leaf<'_>) -> bool {
    const TYPES: [&str; 3] = [
        "application/ms-tnef",
        "application/vnd.ms-tnef",
        "application/x-ms-tnef",
    ];
    TYPES.contains(&leaf.content_type.as_str())
        || beginning(leaf, 4).starts_with(b"\x78\x9F\x3E\x22")
}

/// Exchange makes such attachments of text that follows an attachment.
pub(super) fn is_from_exchange(name: Option<&str>) -> bool {
    name.is_some_and(|name| {
        name.starts_with("ATT0") && has_extension(name, &["txt", "htm", "html"])
    })
}

/// Whether its type or its name says that it is a mail, or nothing else.
fn may_be_mail(leaf: &Leaf<'_>) -> bool {
    const VAGUE: [&str; 4] = [
        "application/octet-stream",
        "application/binary",
        "application/x-unknown",
        "application/unknown",
    ];
    is_mail_type(&leaf.content_type)
        || is_mail_name(leaf)
        || VAGUE.contains(&leaf.content_type.as_str())
}

fn is_mail_type(content_type: &str) -> bool {
    matches!(
        content_type.split_once('/'),
        Some((
            "application" | "message" | "text",
            "x-eml" | "eml" | "rfc822" | "x-rfc822" | "rfc-822" | "x-mimearchive" | "x-message"
        ))
    )
}

fn is_mail_name(leaf: &Leaf<'_>) -> bool {
    is_named(leaf, &["eml", "emlx", "mht", "mhtml"])
}

/// Where the header of a mail begins, if the octets are one with so many fields that mails have: behind a byte order mark, the
/// length that Apple Mail puts above it, or the line of an mbox.
fn begin_of_mail(octets: &[u8], enough: usize) -> Option<usize> {
    const KNOWN: [&str; 16] = [
        "from",
        "to",
        "cc",
        "subject",
        "date",
        "received",
        "message-id",
        "mime-version",
        "return-path",
        "content-type",
        "delivered-to",
        "reply-to",
        "sender",
        "x-mailer",
        "dkim-signature",
        "user-agent",
    ];
    let mut at = if octets.starts_with(b"\xEF\xBB\xBF") {
        3
    } else {
        0
    };
    let (mut begin, mut known) = (None, 0);
    for line in octets[at..]
        .split_inclusive(|octet| *octet == b'\n')
        .take(200)
    {
        let line_begin = at;
        at += line.len();
        let line = line.trim_ascii_end();
        let is_above = begin.is_none()
            && (line.is_empty()
                || line.starts_with(b"From ")
                || line.iter().all(u8::is_ascii_digit));
        if is_above {
            continue;
        }
        if line.is_empty() {
            break;
        }
        if begin.is_some() && (line.starts_with(b" ") || line.starts_with(b"\t")) {
            continue;
        }
        if !boundary::is_field(line) {
            return None;
        }
        begin = begin.or(Some(line_begin));
        let name = line
            .split(|octet| *octet == b':')
            .next()
            .unwrap_or_default();
        let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
        known += usize::from(KNOWN.contains(&name.as_str()));
    }
    begin.filter(|_| known >= enough)
}

/// Whether a MIME entity may begin here: with a field, or with an empty line.
fn begins_with_fields(octets: &[u8]) -> bool {
    let line = octets
        .split(|octet| *octet == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.is_empty() && !octets.is_empty() || boundary::is_field(line)
}

/// What is encrypted in the text, and files in encodings that are not read.
fn refuse_encoded(text: &[u8]) -> Result<(), BadMessage> {
    let begins = |what: &[u8]| {
        text.starts_with(what)
            || text
                .windows(what.len() + 1)
                .any(|window| window[0] == b'\n' && &window[1..] == what)
    };
    if begins(b"-----BEGIN PGP MESSAGE-----") {
        return Err(BadMessage::Encrypted);
    }
    match begins(b"=ybegin ") || begins(b"(This file must be converted with BinHex") {
        true => Err(BadMessage::EncodedText),
        false => Ok(()),
    }
}

/// Whether a text is nothing but the header of a part.
fn is_header_only(text: &[u8]) -> bool {
    let mut lines = text
        .split(|octet| *octet == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .filter(|line| !line.is_empty());
    let is_mime = text.to_ascii_lowercase();
    let is_mime = is_mime.windows(8).any(|window| window == b"content-");
    is_mime
        && lines.all(|line| {
            line.starts_with(b" ") || line.starts_with(b"\t") || boundary::is_field(line)
        })
}

/// The name of a file in the header that stands above its base64, where somebody lost the header's place.
fn name_above(text: &[u8]) -> Option<String> {
    let end = &text[text.len().saturating_sub(MAGIC_WITHIN)..];
    let end = String::from_utf8_lossy(end);
    let names = attributes(&end, "filename").into_iter();
    names.chain(attributes(&end, "name")).next_back()
}
