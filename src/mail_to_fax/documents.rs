//! The documents of a mail, as intake and rendering both see them.

use std::borrow::Cow;

use std::io;

use super::message::wrapped::{Unwrapped, digest};
use super::message::{self, BadMessage, Reading, Unpacked};
use super::receipt;
use crate::config::{Body, Config, Converter};
use crate::context::Context;
use crate::pages::DocumentRefusal;
use crate::pages::document::Source;
use crate::queue::Kept;
use crate::worker::host::{Bounds, Conversion, RenderFailure};

/// Files that a child takes apart in one round: each takes a process.
const MAX_WRAPPED: usize = 20;
/// How often a mail is read at most because a winmail.dat was inside of another, or behind one.
const MAX_ROUNDS: usize = 8;

/// A document of a mail, decoded.
pub(super) struct MailDocument {
    /// Its file name, or what it is.
    pub(super) name: String,
    /// What it is to the renderer.
    pub(super) source: Source,
    /// Its place in the manifest.
    pub(super) part: usize,
    octets: Vec<u8>,
    convert: Option<String>,
}

impl MailDocument {
    /// What the renderer is handed: itself, or the PDF that a converter makes of it.
    pub(super) async fn readable(&self, context: &Context) -> Result<Cow<'_, [u8]>, RenderFailure> {
        let Some(media_type) = &self.convert else {
            return Ok(Cow::Borrowed(&self.octets));
        };
        let config = context.config();
        let Some(converter) = converter(&config, media_type) else {
            // A reload took it away.
            return Ok(Cow::Borrowed(&self.octets));
        };
        let conversion = conversion(converter, media_type);
        let pdf = context.children.convert(&conversion, &self.octets).await?;
        Ok(Cow::Owned(pdf))
    }
}

/// A mail taken apart.
pub(super) struct Opened {
    pub(super) subject: Option<String>,
    pub(super) message_id: Option<String>,
    pub(super) references: Option<String>,
    /// The fields of its header for us.
    pub(super) fields: Vec<(String, String)>,
    pub(super) documents: Vec<MailDocument>,
    pub(super) parts: Vec<receipt::Part>,
}

impl Opened {
    /// A mail of which nothing is faxed.
    pub(super) fn of_heading(heading: message::Heading) -> Opened {
        Opened {
            subject: heading.subject,
            message_id: heading.message_id,
            references: None,
            fields: heading.fields,
            documents: Vec::new(),
            parts: Vec::new(),
        }
    }
}

/// Why a mail is not open.
pub(super) enum NotOpened {
    /// It cannot be faxed.
    Bad(BadMessage),
    /// It cannot be read from its place.
    Unread(io::Error),
    /// A child that was to take a part of it apart could not be started, or was killed.
    Ours(RenderFailure),
}

/// Reads a mail and takes it apart, with what only a child takes apart.
pub(super) async fn open(context: &Context, mail: Kept, body: Body) -> Result<Opened, NotOpened> {
    let mut unwrapped = Unwrapped::default();
    for _ in 0..MAX_ROUNDS {
        let (config, known) = (context.config(), unwrapped);
        let read = context.reader.read(mail.clone(), move |text| {
            let unpacked = Unpacked::with(known);
            let found = found(text, body, &config, &unpacked);
            (found, unpacked.into_unwrapped())
        });
        let (found, known) = read.await.map_err(NotOpened::Unread)?;
        unwrapped = known;
        let wrapped = match found.map_err(NotOpened::Bad)? {
            Found::Whole(opened) => return Ok(*opened),
            Found::Wrapped(wrapped) => wrapped,
        };
        if wrapped.len() > MAX_WRAPPED {
            return Err(NotOpened::Bad(BadMessage::TooManyParts));
        }
        for octets in wrapped {
            let made = match context.children.unwrap_tnef(&octets).await {
                Ok(entity) => Ok(entity),
                Err(RenderFailure::Refused(why)) => Err(why),
                Err(ours) => return Err(NotOpened::Ours(ours)),
            };
            unwrapped.insert(digest(&octets), made);
        }
    }
    let why = DocumentRefusal::damaged("TNEF (too much of it is inside each other)");
    let name = "winmail.dat".to_owned();
    Err(NotOpened::Bad(BadMessage::Outlook(name, why)))
}

enum Found {
    Whole(Box<Opened>),
    /// Files that a child has to take apart first.
    Wrapped(Vec<Vec<u8>>),
}

/// Takes a mail apart and decodes its documents.
fn found(
    text: &[u8],
    body: Body,
    config: &Config,
    unpacked: &Unpacked,
) -> Result<Found, BadMessage> {
    let converts = |media_type: &str| converter(config, media_type).is_some();
    let reading = Reading {
        body,
        converts: &converts,
    };
    let found = message::read(text, unpacked, &reading)?;
    if !found.wrapped.is_empty() {
        return Ok(Found::Wrapped(found.wrapped));
    }
    let decoded = |document: message::Document<'_>| {
        Ok(MailDocument {
            octets: document.content()?.into_owned(),
            name: document.name,
            source: document.source,
            part: document.part,
            convert: document.convert,
        })
    };
    let documents = found.documents.into_iter().map(decoded);
    Ok(Found::Whole(Box::new(Opened {
        documents: documents.collect::<Result<_, BadMessage>>()?,
        parts: found.manifest.into_iter().map(part).collect(),
        subject: found.subject,
        message_id: found.message_id,
        references: found.references,
        fields: found.fields,
    })))
}

fn part(part: message::Part) -> receipt::Part {
    receipt::Part {
        name: part.name,
        fate: match part.fate {
            message::Fate::Faxed => receipt::Fate::Faxed { pages: 0 },
            message::Fate::Skipped(why) => receipt::Fate::Skipped {
                why: why.to_string(),
            },
        },
    }
}

fn converter<'a>(config: &'a Config, media_type: &str) -> Option<&'a Converter> {
    let takes = |converter: &&Converter| {
        let mut types = converter.types.iter();
        types.any(|taken| taken.eq_ignore_ascii_case(media_type))
    };
    config.converters.iter().find(takes)
}

fn conversion(converter: &Converter, media_type: &str) -> Conversion {
    Conversion {
        command: converter.command.clone(),
        extension: converter
            .extension
            .clone()
            .unwrap_or_else(|| usual_extension(media_type).to_owned()),
        seconds: converter.seconds,
        memory_mb: converter.memory_mb,
        bounds: Bounds {
            processes: converter.processes,
            folder_mb: converter.folder_mb,
        },
    }
}

/// By their names programs tell what files are.
fn usual_extension(media_type: &str) -> &'static str {
    match media_type {
        "application/msword" => "doc",
        "application/rtf" | "text/rtf" => "rtf",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.ms-powerpoint" => "ppt",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => "pptx",
        "application/vnd.oasis.opendocument.text" => "odt",
        "application/vnd.oasis.opendocument.spreadsheet" => "ods",
        "application/vnd.oasis.opendocument.presentation" => "odp",
        "application/postscript" => "ps",
        "image/avif" => "avif",
        _ => "bin",
    }
}
