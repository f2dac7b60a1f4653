//! A store with all that is under way on it, as the daemon would have it in its hands, and the promises beside it.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use fastrand::Rng;

use super::promises::{Promise, Promises};
use super::rules;
use crate::call::retry::Policy;
use crate::queue::tests::NOW;
use crate::queue::{ClaimedDocument, ClaimedFax, ClaimedMail, Millis, Result, SinceBoot, Store};

/// Operations of the log that are shown.
const SHOWN: usize = 100;

/// A mail as its sender has it, to be sent once more.
#[derive(Debug, Clone)]
pub struct Sent {
    pub text: u64,
    pub message_id: Option<String>,
    pub numbers: Vec<String>,
    /// Its text is a file beside the database.
    pub is_file: bool,
    pub one_report: bool,
    pub account: String,
    /// All the faxes that were made for it.
    pub faxes: Vec<String>,
}

/// A document that was claimed at least once.
#[derive(Debug, Clone, Default)]
pub struct Document {
    pub faxes: Vec<String>,
    /// Starts that nobody settled.
    pub unsettled: u32,
    pub pages: Vec<u8>,
    pub pages_key: String,
    /// Blob key of its first page as a picture.
    pub preview: Option<String>,
}

/// One fax in a call.
#[derive(Debug, Clone)]
pub struct Part {
    pub fax: ClaimedFax,
    /// Its modems have agreed.
    pub begun: bool,
    pub settled: bool,
}

/// A call that is up, or ends.
#[derive(Debug, Clone)]
pub struct Call {
    pub parts: Vec<Part>,
    pub current: usize,
    /// How it ended, once it has: it is settled part by part.
    pub ending: Option<&'static str>,
}

/// A fax that comes in.
#[derive(Debug, Clone)]
pub struct Received {
    pub id: String,
    pub recipients: Vec<String>,
    pub pages: Vec<Vec<u8>>,
    pub is_open: bool,
}

/// The store, the promises, and what is under way.
pub struct World {
    pub rng: Rng,
    folder: tempfile::TempDir,
    /// Of the state folder: a crash leaves it, and goes on in a copy.
    generation: u32,
    pub store: Store,
    pub beside: Store,
    pub policy: Policy,
    pub promises: Promises,
    /// What became of each operation, the last ones.
    pub log: VecDeque<String>,
    /// How often something was done, and had an effect.
    pub done: BTreeMap<&'static str, u64>,
    pub sent: Vec<Sent>,
    pub documents: BTreeMap<String, Document>,
    /// The faxes of a document, by the mail's text key and the resolution's name.
    pub planned: BTreeMap<(String, String), Vec<String>>,
    pub rendering: Vec<ClaimedDocument>,
    pub calls: Vec<Call>,
    pub sending: Vec<ClaimedMail>,
    pub received: Vec<Received>,
    pub texts: BTreeMap<String, Vec<u8>>,
    names: u64,
}

/// In memory where that can be had: what is tested is not the disk.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).unwrap_or_else(|_| tempfile::tempdir().expect("a folder"))
}

impl World {
    pub async fn new(seed: u64) -> World {
        let folder = folder();
        let state = folder.path().join("0");
        fastrand::seed(seed);
        let store = Store::open(&state).expect("a new store opens");
        let beside = Store::open_beside(&state).expect("a new store opens");
        let policy = Policy {
            rules: toml::from_str(&rules::as_configuration()).expect("the rules are rules"),
            give_up_seconds: rules::GIVE_UP_SECONDS as u64,
            ..crate::queue::tests::policy()
        };
        let promises = Promises::since(NOW.0);
        let mut world = World {
            rng: Rng::with_seed(seed),
            folder,
            generation: 0,
            store,
            beside,
            policy,
            promises,
            log: VecDeque::new(),
            done: BTreeMap::new(),
            sent: Vec::new(),
            documents: BTreeMap::new(),
            planned: BTreeMap::new(),
            rendering: Vec::new(),
            calls: Vec::new(),
            sending: Vec::new(),
            received: Vec::new(),
            texts: BTreeMap::new(),
            names: 0,
        };
        world.seed_writer().await;
        world
    }

    /// Identifiers that the store draws are the same in a replay: both its threads throw the same dice.
    pub async fn seed_writer(&mut self) {
        let seed = self.rng.u64(..);
        fastrand::seed(seed);
        let seeded = self.store.write(move |_| {
            fastrand::seed(seed ^ 1);
            Ok(())
        });
        seeded.await.expect("the writer runs");
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join(self.generation.to_string())
    }

    /// The folder in which the next life goes on.
    pub fn next_state(&mut self) -> PathBuf {
        self.generation += 1;
        self.state()
    }

    pub fn now(&self) -> Millis {
        Millis(self.promises.wall)
    }

    /// The time that passed, whatever the wall clock showed.
    pub fn since_boot(&self) -> SinceBoot {
        SinceBoot {
            boot: "the only one".into(),
            millis: self.promises.mono,
        }
    }

    pub fn day(&self) -> String {
        self.policy.day(self.promises.wall)
    }

    /// A name that nothing else has, of the length of an identifier, and later than those before it.
    pub fn name(&mut self) -> String {
        self.names += 1;
        format!("{:013}", self.names)
    }

    pub fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(0..n) == 0
    }

    /// Counts something that had an effect.
    pub fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    /// Writes down what was done.
    pub fn note(&mut self, what: String) {
        if self.log.len() == SHOWN {
            self.log.pop_front();
        }
        self.log.push_back(what);
    }

    /// What the store answered; it has no reason to fail.
    pub fn works<T>(&mut self, what: &str, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(e) => {
                self.promises.breaks(Promise::Works, format!("{what}: {e}"));
                None
            }
        }
    }

    /// One of so many, or none of none.
    pub fn pick(&mut self, of: usize) -> Option<usize> {
        (of > 0).then(|| self.rng.usize(0..of))
    }

    /// Any fax, of the last ones mostly.
    pub fn any_fax(&mut self) -> Option<String> {
        let all = self.promises.faxes.len();
        let back = self.pick(all)?.min(self.pick(all)?);
        self.promises.faxes.keys().nth_back(back).cloned()
    }
}
