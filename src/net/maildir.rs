//! Delivery into a Maildir: written in `tmp/`, synced, renamed into `new/`, the folder synced.
//!
//! The name is made from the mail's own id and time, which a crash does not change, unlike the mail's text: that is
//! composed again by templates and settings that may be others by then. So a delivery repeated after a crash finds the
//! mail in `new/` or `cur/` and leaves it at that. When the process dies on the way, what remains is a file in `tmp/`, which no
//! reader looks at and the next try removes.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use lettre::address::Envelope;

use super::delivery::{Delivered, Failure, with_line_ends};

/// The steps of a delivery, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The file is complete in `tmp/`, as far as the page cache knows.
    Written,
    /// The file is on the disk.
    FileSynced,
    /// The file is in `new/`, as far as the page cache knows.
    Renamed,
    /// The entry in `new/` is on the disk: the mail is delivered.
    FolderSynced,
}

/// Stores one mail, once, however often it is called with the same id and time (milliseconds since 1970), whatever its
/// bytes are.
///
/// # Errors
/// Always temporary, with path and cause: a folder that cannot be written today may be tomorrow.
pub(super) fn store(
    maildir: &Path,
    (id, queued_at): (&str, i64),
    envelope: &Envelope,
    bytes: &[u8],
) -> Result<Delivered, Failure> {
    store_with(maildir, (id, queued_at), envelope, bytes, &mut |_| Ok(()))
}

/// [`store`], telling `after` of every step; its error ends the delivery there, as a crash would.
fn store_with(
    maildir: &Path,
    (id, queued_at): (&str, i64),
    envelope: &Envelope,
    bytes: &[u8],
    after: &mut dyn FnMut(Step) -> io::Result<()>,
) -> Result<Delivered, Failure> {
    make_folders(maildir)?;
    let unique = unique_name(id, queued_at);
    let new = maildir.join("new");
    if let Some(path) = find(maildir, &unique)? {
        // The try that renamed it may have died before it synced the folder.
        sync_folder(&new)?;
        let reply = format!("already stored as {}", path.display());
        return Ok(Delivered { reply });
    }
    remove_leftovers(&maildir.join("tmp"), &unique)?;
    let tmp = maildir
        .join("tmp")
        .join(format!("{unique}.{:08x}", fastrand::u32(..)));
    let path = new.join(&unique);

    let mut step = |step| after(step).map_err(|e| failure(&tmp, "stopped", &e));
    let file = write_file(&tmp, &as_stored(envelope, bytes))?;
    step(Step::Written)?;
    file.sync_all()
        .map_err(|e| failure(&tmp, "cannot sync", &e))?;
    step(Step::FileSynced)?;
    std::fs::rename(&tmp, &path).map_err(|e| failure(&path, "cannot rename into", &e))?;
    step(Step::Renamed)?;
    sync_folder(&new)?;
    step(Step::FolderSynced)?;
    let reply = format!("stored as {}", path.display());
    Ok(Delivered { reply })
}

/// Makes the Maildir and its three folders where they are missing, for our own eyes only: faxes are private.
/// Its parent must exist: a share that is not mounted must not be written beneath.
fn make_folders(maildir: &Path) -> Result<(), Failure> {
    let wanted = [PathBuf::new(), "tmp".into(), "new".into(), "cur".into()];
    for folder in wanted.iter().map(|name| maildir.join(name)) {
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => sync_folder(folder.parent().unwrap_or(Path::new("/")))?,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            Err(e) => return Err(failure(&folder, "cannot make folder", &e)),
        }
    }
    Ok(())
}

/// The name of a mail in this Maildir: no `/`, no `:`, no leading dot, the same at every try.
///
/// A fingerprint of the id and the time stands behind what is left of the id, so that ids which differ only in other
/// characters, and a queue started anew that has the same id once more, are no reason to leave a mail out.
fn unique_name(id: &str, queued_at: i64) -> String {
    let safe: String = id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let fingerprint = fnv1a(id.bytes().chain([0]).chain(queued_at.to_be_bytes()));
    format!("{safe}-{fingerprint:016x}.postfax")
}

/// FNV-1a, 64 bits: stable over versions of us and of Rust, which a name on disk needs. It keeps our own mails
/// apart and is no protection against forgery.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Where the mail is, if an earlier try delivered it. Readers move mails to `cur/` and put flags behind the name
/// (`:2,S`), some also their size (`,S=1234`).
fn find(maildir: &Path, unique: &str) -> Result<Option<PathBuf>, Failure> {
    for folder in [maildir.join("new"), maildir.join("cur")] {
        let found = names_with(&folder, unique, |rest| {
            rest.is_empty() || rest.starts_with([':', ','])
        })?;
        if let Some(path) = found.into_iter().next() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Removes what a try that died left in `tmp/`: faxes are not left lying.
fn remove_leftovers(tmp: &Path, unique: &str) -> Result<(), Failure> {
    for path in names_with(tmp, unique, |rest| rest.starts_with('.'))? {
        std::fs::remove_file(&path).map_err(|e| failure(&path, "cannot remove", &e))?;
    }
    Ok(())
}

/// The files in `folder` named `unique` and something behind it that `rest` accepts.
fn names_with(
    folder: &Path,
    unique: &str,
    rest: impl Fn(&str) -> bool,
) -> Result<Vec<PathBuf>, Failure> {
    let cannot_read = |e: io::Error| failure(folder, "cannot read folder", &e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot_read)? {
        let entry = entry.map_err(cannot_read)?;
        let name = entry.file_name();
        if name
            .to_str()
            .and_then(|name| name.strip_prefix(unique))
            .is_some_and(&rest)
        {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The mail as final delivery leaves it: Return-Path on top (RFC 5321 4.4), who it was for, and the line ends of
/// a file on this system, as every Maildir has them.
fn as_stored(envelope: &Envelope, bytes: &[u8]) -> Vec<u8> {
    let from = envelope
        .from()
        .map_or(String::new(), |from| from.to_string());
    let mut out = format!("Return-Path: <{from}>\n");
    for to in envelope.to() {
        out.push_str(&format!("Delivered-To: {to}\n"));
    }
    let mut out = out.into_bytes();
    out.extend(with_line_ends(bytes, b"\n"));
    out
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<File, Failure> {
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(bytes)?;
        Ok(file)
    };
    write().map_err(|e| failure(path, "cannot write", &e))
}

fn sync_folder(folder: &Path) -> Result<(), Failure> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| failure(folder, "cannot sync folder", &e))
}

fn failure(path: &Path, what: &str, error: &io::Error) -> Failure {
    Failure::temporary(format!("{what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const MAIL: &[u8] = b"Subject: Fax\r\n\r\nTwo pages.\r\n";
    const NOW: i64 = 1_795_000_000_000;

    fn envelope() -> Envelope {
        Envelope::new(None, vec!["front.desk@law.example".parse().unwrap()]).unwrap()
    }

    fn files(maildir: &Path, folder: &str) -> Vec<PathBuf> {
        match std::fs::read_dir(maildir.join(folder)) {
            Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
            Err(_) => Vec::new(),
        }
    }

    #[test]
    fn a_mail_lands_in_new_with_its_return_path_and_is_private() {
        let home = tempfile::tempdir().unwrap();
        let maildir = home.path().join("fax");
        let delivered = store(&maildir, ("17", NOW), &envelope(), MAIL).unwrap();
        let new = files(&maildir, "new");
        assert_eq!(new.len(), 1);
        assert_eq!(delivered.reply, format!("stored as {}", new[0].display()));
        assert_eq!(
            std::fs::read(&new[0]).unwrap(),
            b"Return-Path: <>\nDelivered-To: front.desk@law.example\nSubject: Fax\n\nTwo pages.\n"
        );
        for (path, mode) in [(maildir.join("cur"), 0o700), (new[0].clone(), 0o600)] {
            let found = std::fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode);
        }
    }

    #[test]
    fn a_repeated_delivery_finds_the_mail_in_new_and_in_cur() {
        let home = tempfile::tempdir().unwrap();
        let maildir = home.path().join("fax");
        store(&maildir, ("17", NOW), &envelope(), MAIL).unwrap();
        let again = store(&maildir, ("17", NOW), &envelope(), MAIL).unwrap();
        assert!(
            again.reply.starts_with("already stored as"),
            "{}",
            again.reply
        );

        for suffix in [":2,S", ",S=60,W=63:2,RS", ""] {
            let read = maildir.join("cur").join(unique_name("17", NOW) + suffix);
            std::fs::rename(&files(&maildir, "new")[0], &read).unwrap();
            store(&maildir, ("17", NOW), &envelope(), MAIL).unwrap();
            assert!(
                files(&maildir, "new").is_empty(),
                "twice, beside {suffix:?}"
            );
            std::fs::rename(&read, maildir.join("new").join(unique_name("17", NOW))).unwrap();
        }
    }

    #[test]
    fn a_mail_that_is_composed_otherwise_after_a_crash_is_still_the_same() {
        let home = tempfile::tempdir().unwrap();
        let maildir = home.path().join("fax");
        store(&maildir, ("17", NOW), &envelope(), MAIL).unwrap();
        let other = b"Subject: Fax\r\n\r\nTwo pages, in the words of another template.\r\n";
        store(&maildir, ("17", NOW), &envelope(), other).unwrap();
        assert_eq!(files(&maildir, "new").len(), 1);
        // What a try that died left behind is removed, too.
        let left = maildir
            .join("tmp")
            .join(unique_name("18", NOW) + ".0000002a");
        std::fs::write(&left, "half a ma").unwrap();
        store(&maildir, ("18", NOW), &envelope(), other).unwrap();
        assert!(files(&maildir, "tmp").is_empty());
    }

    #[test]
    fn ids_that_begin_alike_and_a_queue_started_anew_do_not_hide_each_other() {
        let home = tempfile::tempdir().unwrap();
        let maildir = home.path().join("fax");
        for (id, queued_at) in [
            ("1", NOW),
            ("11", NOW),
            ("1", NOW + 1),
            ("../1", NOW),
            ("_._1", NOW),
        ] {
            store(&maildir, (id, queued_at), &envelope(), MAIL).unwrap();
        }
        assert_eq!(files(&maildir, "new").len(), 5);
        assert_eq!(files(home.path(), ".").len(), 1, "outside of the Maildir");
    }

    #[test]
    fn killed_after_any_step_the_mail_is_there_once_and_whole() {
        use Step::*;
        let order = [Written, FileSynced, Renamed, FolderSynced];
        for killed_after in order {
            let home = tempfile::tempdir().unwrap();
            let maildir = home.path().join("fax");
            let mut seen = Vec::new();
            let cut = store_with(&maildir, ("17", NOW), &envelope(), MAIL, &mut |step| {
                seen.push(step);
                let in_new = files(&maildir, "new").len();
                assert_eq!(in_new, usize::from(matches!(step, Renamed | FolderSynced)));
                match step == killed_after {
                    true => Err(io::Error::other("killed")),
                    false => Ok(()),
                }
            });
            assert!(!cut.unwrap_err().permanent);
            assert_eq!(seen, order[..seen.len()]);

            store(&maildir, ("17", NOW), &envelope(), MAIL).unwrap();
            let new = files(&maildir, "new");
            assert_eq!(new.len(), 1, "killed after {killed_after:?}");
            assert!(std::fs::read(&new[0]).unwrap().ends_with(b"Two pages.\n"));
            assert!(files(&maildir, "tmp").is_empty(), "left lying in tmp");
        }
    }

    #[test]
    fn a_missing_parent_and_a_file_in_the_way_are_named() {
        let home = tempfile::tempdir().unwrap();
        let unmounted = home.path().join("share/fax");
        let failure = store(&unmounted, ("1", NOW), &envelope(), MAIL).unwrap_err();
        assert!(!failure.permanent);
        assert!(failure.reply.contains("share/fax"), "{}", failure.reply);
        assert!(failure.reply.contains("No such file"), "{}", failure.reply);

        let maildir = home.path().join("fax");
        std::fs::create_dir(&maildir).unwrap();
        std::fs::write(maildir.join("new"), "not a folder").unwrap();
        let failure = store(&maildir, ("1", NOW), &envelope(), MAIL).unwrap_err();
        assert!(failure.reply.contains("fax/new"), "{}", failure.reply);
    }
}
