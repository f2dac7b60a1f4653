//! The documents of a mail, as intake and rendering both see them.

use std::borrow::Cow;

use super::message::{self, BadMessage, Reading, Unpacked};
use super::receipt;
use crate::config::{Body, Config, Converter};
use crate::context::Context;
use crate::pages::document::Source;
use crate::worker::host::{Bounds, Conversion, RenderFailure};

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

/// Takes a mail apart and decodes its documents.
pub(super) fn open(text: &[u8], body: Body, config: &Config) -> Result<Opened, BadMessage> {
    let unpacked = Unpacked::default();
    let converts = |media_type: &str| converter(config, media_type).is_some();
    let reading = Reading {
        body,
        converts: &converts,
    };
    let found = message::read(text, &unpacked, &reading)?;
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
    Ok(Opened {
        documents: documents.collect::<Result<_, BadMessage>>()?,
        parts: found.manifest.into_iter().map(part).collect(),
        subject: found.subject,
        message_id: found.message_id,
        references: found.references,
        fields: found.fields,
    })
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
