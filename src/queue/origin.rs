//! Where the bytes of a file came from, kept beside them in an extended attribute: what an administrator needs who takes a
//! file back in whose row is lost. Best effort: where a file system has no such attributes or a copy has lost them, it is
//! not known.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};
use serde::{Deserialize, Serialize};

use super::{Blobs, Millis};

/// The attribute: JSON.
const ORIGIN: &str = "user.postfax.origin";

/// Bytes of JSON at most. ext4 keeps all attributes of a file in one block of 4 KB.
const MAX_BYTES: usize = 3000;

/// Where the bytes of a file came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A mail.
    Mail(Envelope),
    /// A page of a fax that came in.
    Page(ReceivedPage),
}

/// The envelope of a mail. Hold times, deadlines and priorities of MAIL are not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Envelope {
    /// When it was accepted, milliseconds since 1970.
    pub accepted_at: i64,
    /// Address of the SMTP client.
    pub client: String,
    /// What opened the door to it, in words.
    pub via: String,
    /// Envelope sender.
    pub sender: String,
    /// ENVID (RFC 3461 4.4), decoded.
    pub envelope_id: Option<String>,
    /// RET (RFC 3461 4.3): "full" or "hdrs".
    pub ret: Option<String>,
    /// Its recipients.
    pub recipients: Vec<Addressee>,
    /// Recipients for which there was no room.
    pub omitted: usize,
}

/// One recipient of an [`Envelope`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Addressee {
    /// As the client wrote it.
    pub address: String,
    /// ORCPT (RFC 3461 4.2), decoded.
    pub orcpt: Option<String>,
    /// NOTIFY (RFC 3461 4.1), as the queue keeps it.
    pub notify: Option<u8>,
}

/// A page and the call that it came in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReceivedPage {
    /// Identifier of the received fax.
    pub received: String,
    /// Its number, from 1.
    pub page: u32,
    /// Whether no page follows it (EOP).
    pub last: bool,
    /// Packets of it that never came.
    pub lost: u32,
    /// Pels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Dots per inch across.
    pub x_dpi: u32,
    /// Dots per inch down.
    pub y_dpi: u32,
    /// When the call was answered, milliseconds since 1970.
    pub started_at: i64,
    /// The number of ours that was dialled.
    pub called: String,
    /// The caller as the trunk says it.
    pub caller: String,
    /// The caller's name as the trunk says it.
    pub caller_name: Option<String>,
    /// The trunk that it came over.
    pub trunk: String,
    /// Who was to get it, by the route in force then.
    pub recipients: Vec<String>,
}

impl Origin {
    /// As it is written down: what is too long leaves recipients out, and says so.
    fn encoded(&self) -> Option<Vec<u8>> {
        let mut origin = self.clone();
        loop {
            let json = serde_json::to_vec(&origin).ok()?;
            if json.len() <= MAX_BYTES {
                return Some(json);
            }
            match &mut origin {
                Origin::Mail(envelope) => {
                    envelope.recipients.pop()?;
                    envelope.omitted += 1;
                }
                Origin::Page(page) => {
                    page.recipients.pop()?;
                }
            }
        }
    }

    /// Writes it beside the bytes of a file that is not synced yet, if there is a place for it.
    pub fn write(&self, file: &File) {
        if let Some(json) = self.encoded() {
            let _ = fsetxattr(file, ORIGIN, &json, XattrFlags::empty());
        }
    }

    /// What is known of a file.
    pub fn read(path: &Path) -> Option<Origin> {
        let file = File::open(path).ok()?;
        let mut json = vec![0; MAX_BYTES];
        let size = fgetxattr(&file, ORIGIN, &mut json).ok()?;
        serde_json::from_slice(&json[..size]).ok()
    }
}

impl Blobs {
    /// As [`Blobs::keep`], with where the bytes came from.
    ///
    /// # Errors
    /// As [`Blobs::keep`].
    pub fn keep_with_origin(&self, key: &str, bytes: &[u8], origin: &Origin) -> io::Result<()> {
        self.keep_written(key, |file| {
            file.write_all(bytes)?;
            origin.write(file);
            Ok(())
        })
    }
}

impl Envelope {
    /// When it was accepted.
    pub fn accepted_at(&self) -> Millis {
        Millis(self.accepted_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_of_many_recipients_keeps_those_for_which_there_is_room_and_counts_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m-1");
        let addressee = |n: u32| Addressee {
            address: format!("+1202555{n:04}@fax.local"),
            ..Addressee::default()
        };
        let envelope = Envelope {
            sender: "clerk@example.com".into(),
            recipients: (0..500).map(addressee).collect(),
            ..Envelope::default()
        };
        let file = File::create(&path).unwrap();
        Origin::Mail(envelope.clone()).write(&file);
        let Some(Origin::Mail(found)) = Origin::read(&path) else {
            // This file system has no attributes.
            return;
        };
        assert_eq!(found.sender, envelope.sender);
        assert!(found.recipients.len() > 20, "{}", found.recipients.len());
        assert_eq!(found.recipients.len() + found.omitted, 500);
        assert_eq!(
            found.recipients[..],
            envelope.recipients[..found.recipients.len()]
        );
    }
}
