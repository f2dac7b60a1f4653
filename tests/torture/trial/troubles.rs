//! What else goes wrong while the daemon lives: its blobs are away for a while, previews are altered, faxes are cancelled,
//! processes stand still.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use crate::harness::Site;

/// The state folder of a site.
pub struct State(pub PathBuf);

/// What a database consists of.
const DATABASE: [&str; 3] = ["queue.db", "queue.db-wal", "queue.db-shm"];

impl State {
    /// Takes the folder of blobs away.
    pub fn take_blobs_away(&self) {
        let _ = fs::rename(self.0.join("blobs"), self.away());
    }

    /// Brings it back, and with it what was kept meanwhile.
    pub fn bring_blobs_back(&self) {
        let away = self.away();
        if !away.exists() {
            return;
        }
        for folder in entries(&away) {
            let place = self
                .0
                .join("blobs")
                .join(folder.file_name().expect("a name"));
            fs::create_dir_all(&place).expect("a folder can be made");
            for file in entries(&folder) {
                let name = file.file_name().expect("a name");
                fs::rename(&file, place.join(name)).expect("a file can be moved");
            }
        }
        fs::remove_dir_all(&away).expect("a folder can be removed");
    }

    fn away(&self) -> PathBuf {
        self.0.with_extension("blobs-away")
    }

    /// Alters the picture of a fax that is over, in the database or beside it.
    pub fn alter_a_preview(&self) {
        let altered = self.alter_a_row().unwrap_or_default();
        let files = self.files("blobs").into_iter();
        let mut previews = files.filter(|file| name_of(file).starts_with("v-"));
        let over = altered.is_none().then(|| previews.next()).flatten();
        if let Some(file) = over {
            let mut octets = fs::read(&file).unwrap_or_default();
            if let Some(first) = octets.first_mut() {
                *first ^= 1;
                let _ = fs::write(&file, octets);
            }
        }
    }

    fn alter_a_row(&self) -> rusqlite::Result<Option<String>> {
        let db = Connection::open(self.0.join("queue.db"))?;
        db.busy_timeout(Duration::from_secs(5))?;
        db.query_row(
            "UPDATE small_blobs SET octets = x'00' || octets WHERE key =
                 (SELECT preview_key FROM documents d WHERE preview_key IS NOT NULL
                  AND NOT EXISTS (SELECT 1 FROM faxes f WHERE f.document = d.id AND f.ended_at IS NULL)
                  ORDER BY random() LIMIT 1)
             RETURNING key",
            [],
            |row| row.get(0),
        )
        .optional()
    }

    /// Copies the database, which nobody has open.
    pub fn copy_database(&self, to: &Path) {
        for file in DATABASE {
            let _ = fs::copy(self.0.join(file), to.join(file));
        }
    }

    /// Puts back a copy.
    pub fn put_database_back(&self, from: &Path) {
        for file in DATABASE {
            let _ = fs::remove_file(self.0.join(file));
            let _ = fs::copy(from.join(file), self.0.join(file));
        }
    }

    /// The names of the files below a folder of the state, `.` for all of it.
    pub fn names(&self, folder: &str) -> Vec<String> {
        self.files(folder)
            .iter()
            .map(|file| name_of(file))
            .collect()
    }

    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let (mut files, mut folders) = (Vec::new(), vec![self.0.join(folder)]);
        while let Some(folder) = folders.pop() {
            for entry in entries(&folder) {
                match entry.is_dir() {
                    true => folders.push(entry),
                    false => files.push(entry),
                }
            }
        }
        files
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A fax that has not ended: its identifier, its number, the subject of its mail.
pub fn open_faxes(site: &Site) -> Vec<(String, String, String)> {
    let listed = site.command(&["queue", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap_or_default();
    let faxes = listed["waiting"].as_array().cloned().unwrap_or_default();
    let text =
        |fax: &serde_json::Value, key: &str| fax[key].as_str().unwrap_or_default().to_owned();
    let open = faxes.iter();
    open.map(|fax| (text(fax, "id"), text(fax, "number"), text(fax, "subject")))
        .collect()
}

/// Which processes stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Still {
    /// The daemon.
    Daemon,
    /// Those of its calls.
    Calls,
    /// All of them.
    Both,
}

/// Lets them stand still for so long.
pub fn freeze(site: &Site, which: Still, pause: Duration) {
    let (daemon, calls) = (vec![site.daemon().id()], site.daemon().calls());
    let stopped = match which {
        Still::Daemon => daemon,
        Still::Calls => calls,
        Still::Both => [daemon, calls].concat(),
    };
    for id in &stopped {
        try_signal(*id, "STOP");
    }
    std::thread::sleep(pause);
    for id in stopped {
        try_signal(id, "CONT");
    }
}

/// One may have ended, or been ended, meanwhile.
fn try_signal(id: u32, name: &str) {
    let _ = Command::new("kill")
        .args(["-s", name, &id.to_string()])
        .output();
}
