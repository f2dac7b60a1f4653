//! What happens to a store: the daemon dies, the clock is set, files are altered, taken away, put back.

use std::fs;
use std::path::Path;

use super::promises::{Mail, Promise};
use super::world::World;
use crate::queue::{Blobs, Store};

/// What a database consists of.
const DATABASE: [&str; 3] = ["queue.db", "queue.db-wal", "queue.db-shm"];

impl World {
    /// Time goes by.
    pub fn time_passes(&mut self) {
        const SPANS: [i64; 9] = [1, 10, 30, 120, 300, 900, 1800, 3600, 9000];
        let seconds = SPANS[self.rng.usize(0..SPANS.len())];
        self.promises.passes(seconds * 1000);
        self.note(format!("{seconds} s pass"));
        self.count("time passes");
    }

    /// The clock jumps, forward or back.
    pub async fn clock_is_set(&mut self) {
        // A shorter one is slewed, and not told from a slow clock.
        const STEPS: [i64; 6] = [5, 60, 3000, 7300, 90_000, 300_000];
        let seconds = STEPS[self.rng.usize(0..STEPS.len())];
        let (step, kind) = match self.one_in(2) {
            true => (seconds, "clock set forward"),
            false => (-seconds, "clock set back"),
        };
        self.promises.is_set(step * 1000);
        self.note(format!("the clock jumps by {step} s"));
        // The daemon looks before it counts anything by that clock.
        let followed = self.store.follow_clock(self.since_boot(), self.now()).await;
        self.works("follow_clock", followed);
        self.count(kind);
    }

    /// In which states something is cut off.
    fn count_what_is_cut_off(&mut self) {
        let mut states = Vec::new();
        if !self.rendering.is_empty() {
            states.push("dies while rendering");
        }
        if !self.sending.is_empty() {
            states.push("dies with a mail on its way");
        }
        for received in self.received.iter().filter(|it| it.is_open) {
            states.push(match received.pages.len() {
                0 => "dies in a call that comes in",
                _ => "dies behind a page that came in",
            });
        }
        for call in &self.calls {
            if call.parts.len() > 1 {
                states.push("dies in a shared call");
            }
            if call.ending.is_some() {
                states.push("dies while a call is settled");
            }
            for part in call.parts.iter().filter(|part| !part.settled) {
                let fax = self.promises.fax(&part.fax.id);
                states.push(match (fax.confirmed >= fax.pages, fax.leaving) {
                    (true, _) => "dies behind the last confirmation",
                    (false, true) => "dies with the last page on its way",
                    (false, false) if fax.confirmed_now > 0 => "dies between pages",
                    (false, false) => "dies before the first page",
                });
            }
        }
        if states.is_empty() {
            states.push("dies idle");
        }
        for state in states {
            self.count(state);
        }
    }

    /// The daemon is killed: its files are left as they are at this moment.
    pub async fn killed(&mut self) {
        let from = self.state();
        let to = self.next_state();
        copy(&from, &to).expect("a folder can be copied");
        self.note("killed".into());
        self.count("killed");
        self.begins_anew(&to).await;
        fs::remove_dir_all(&from).expect("a folder can be removed");
    }

    /// The daemon goes without settling anything, and closes the database.
    pub async fn stopped(&mut self) {
        let state = self.state();
        let nowhere = self.state().with_extension("none");
        let (store, beside) = (
            Store::open(&nowhere).expect("a new store opens"),
            Store::open_beside(&nowhere).expect("a new store opens"),
        );
        (self.store, self.beside) = (store, beside);
        self.note("stopped".into());
        self.count("stopped");
        self.begins_anew(&state).await;
        fs::remove_dir_all(&nowhere).expect("a folder can be removed");
    }

    /// The next daemon opens the store, and gives every claim its end.
    async fn begins_anew(&mut self, state: &Path) {
        self.count_what_is_cut_off();
        let opened = match Store::open(state) {
            Err(e) => {
                self.promises.breaks(
                    Promise::Works,
                    format!("the next daemon does not start: {e}"),
                );
                let _ = fs::remove_file(state.join("blobs/README"));
                Store::open(state)
            }
            opened => opened,
        };
        let _ = fs::remove_file(state.join("blobs/README"));
        self.store = opened.expect("it opens once nothing is in the way");
        self.seed_writer().await;
        self.beside = Store::open_beside(state).expect("a command opens it, too");
        self.promises.forgets();
        let begun = self
            .store
            .begin(&self.policy, self.since_boot(), self.now());
        let begun = begun.await;
        self.works("begin", begun);
        for document in std::mem::take(&mut self.rendering) {
            let document = self.documents.get_mut(&document.id);
            document.expect("it was claimed").unsettled += 1;
        }
        for call in std::mem::take(&mut self.calls) {
            self.cut_off(&call).await;
        }
        self.sending.clear();
        let mails = self.promises.mails.values_mut();
        for mail in mails.filter(|mail| **mail == Mail::Sending) {
            *mail = Mail::Waiting;
        }
        for which in 0..self.received.len() {
            if self.received[which].is_open {
                self.has_come_in(which);
            }
        }
        self.compare().await;
    }

    /// Somebody leaves a file in the folder of blobs.
    pub fn stray_file(&mut self) {
        let stray = self.state().join("blobs/README");
        fs::write(stray, b"these are mails and pages").expect("a file can be written");
        self.note("a stray file lies in blobs".into());
        self.count("stray file");
    }

    /// A folder of blobs goes, and is needed again.
    pub fn folder_goes(&mut self) {
        let (name, blobs) = (self.name(), self.store.blobs().clone());
        // No identifier has this letter, so nothing else lies there.
        let key = format!("{name}-uu");
        let keep = |blobs: &Blobs| {
            blobs
                .keep(&key, b"octets")
                .and_then(|()| blobs.remove(&key))
        };
        let kept = keep(&blobs);
        fs::remove_dir_all(self.state().join("blobs/uu")).expect("a folder can be removed");
        let again = keep(&blobs);
        for kept in [kept, again] {
            self.works("keep", kept.map_err(Into::into));
        }
        self.note("a folder of blobs went, and was needed again".into());
        self.count("folder goes");
    }

    /// The picture of a fax that is over is altered, and somebody looks at it.
    pub async fn preview_altered(&mut self) {
        let over = self.documents.values().filter(|it| it.is_over(self));
        let over: Vec<(String, String)> = over
            .filter_map(|it| Some((it.faxes.first()?.clone(), it.preview.clone()?)))
            .collect();
        let Some(which) = self.pick(over.len()) else {
            return;
        };
        let (fax, key) = &over[which];
        let path = self.store.blobs().path(key);
        let sound = fs::read(&path).expect("it is there");
        let mut altered = sound.clone();
        altered[0] ^= 1;
        fs::write(&path, &altered).expect("a file can be written");
        // Where the file system has no seals, nothing is known.
        let _ = self.store.preview(fax).await;
        self.note(format!("the picture of {fax} is altered"));
        self.is_open_for_business();
        fs::write(&path, &sound).expect("a file can be written");
        self.examine().await;
        self.count("preview altered");
    }

    pub async fn examine(&mut self) {
        let examined = self.store.examine().await;
        self.works("examine", examined);
        self.is_open_for_business();
        self.count("examine");
    }

    /// Nothing that is done here is damage.
    fn is_open_for_business(&mut self) {
        if let Some(damage) = self.store.damage() {
            self.promises.breaks(Promise::Shut, damage);
        }
    }

    /// At the very end: the database of an earlier day is put back beside the blobs of today. Nothing is deleted.
    pub async fn older_database(&mut self, older: &Path) {
        let from = self.state();
        let to = self.next_state();
        copy(&from, &to).expect("a folder can be copied");
        for file in DATABASE {
            let _ = fs::remove_file(to.join(file));
            let _ = fs::copy(older.join(file), to.join(file));
        }
        let before = files(&to.join("blobs"));
        match Store::open(&to) {
            Ok(store) => {
                let begun = store.begin(&self.policy, self.since_boot(), self.now());
                let begun = begun.await;
                self.works("begin", begun);
                // Each of them is looked for where it is sought last.
                drop(store);
            }
            Err(e) => self
                .promises
                .breaks(Promise::Works, format!("an older database: {e}")),
        }
        let after = files(&to);
        let gone: Vec<&String> = before.iter().filter(|file| !after.contains(file)).collect();
        if !gone.is_empty() {
            let how = format!("with an older database, these are deleted: {gone:?}");
            self.promises.breaks(Promise::Swept, how);
        }
        self.note("an older database is put back".into());
        self.count("older database");
    }

    /// Puts the database aside, as it is now.
    pub fn database_copied(&self) -> tempfile::TempDir {
        let aside = tempfile::tempdir().expect("a folder");
        for file in DATABASE {
            let _ = fs::copy(self.state().join(file), aside.path().join(file));
        }
        aside
    }
}

/// Copies a state folder. Blobs are linked: they do not change, and keep their seals.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?;
        } else if from.ancestors().any(|folder| folder.ends_with("blobs")) {
            fs::hard_link(entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), &place)?;
        }
    }
    Ok(())
}

/// The names of all files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => names.extend(files(&entry.path())),
            false => names.push(entry.file_name().to_string_lossy().into_owned()),
        }
    }
    names
}
