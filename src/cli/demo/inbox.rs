//! The Maildirs at the end of the demo.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use mail_parser::{MessageParser, MimeHeaders};

/// Waits for the first mail in a Maildir.
pub async fn wait_for_mail(maildir: &Path, patience: Duration) -> anyhow::Result<PathBuf> {
    let until = Instant::now() + patience;
    while Instant::now() < until {
        if let Ok(mut entries) = std::fs::read_dir(maildir.join("new"))
            && let Some(entry) = entries.next()
        {
            return Ok(entry?.path());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("no mail came into {}", maildir.display())
}

/// The PDF attached to a mail.
pub fn pdf_of(mail: &Path) -> anyhow::Result<Vec<u8>> {
    let octets = std::fs::read(mail)?;
    let message = MessageParser::default()
        .parse(&octets)
        .context("the mail cannot be read")?;
    let pdf = message.attachments().find(|part| {
        part.attachment_name()
            .is_some_and(|name| name.ends_with(".pdf"))
    });
    Ok(pdf.context("the mail has no PDF")?.contents().to_vec())
}

/// The text of a mail.
pub fn text_of(mail: &Path) -> anyhow::Result<String> {
    let octets = std::fs::read(mail)?;
    let message = MessageParser::default()
        .parse(&octets)
        .context("the mail cannot be read")?;
    Ok(message
        .body_text(0)
        .context("the mail has no text")?
        .into_owned())
}
