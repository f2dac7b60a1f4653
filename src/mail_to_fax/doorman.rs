//! Lets in who knows a password (AUTH), and makes guessing pointless.
//!
//! argon2 takes a tenth of a second and tens of megabytes on purpose, so it runs off the async threads, and one at a time for
//! all who are not of the house. An attempt counts before its hash runs, in memory and in the store, so that neither many at
//! once nor a restart make more of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordVerifier};
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, Semaphore};

use crate::config::{Config, User};
use crate::net::client_network;
use crate::proto::smtp::{Login, Refusal};
use crate::queue::{Millis, Store};

/// Logins that may fail within [`WINDOW_MILLIS`], from one IPv4 address or one /64 of IPv6.
const MAX_FAILURES: usize = 20;
const WINDOW_MILLIS: i64 = 15 * 60_000;

/// Passwords of the house that are tried at a time, and of others; and how long one may wait for its turn.
const TRIES_AT_A_TIME: usize = 2;
const TRIES_OF_STRANGERS: usize = 1;
const PATIENCE: Duration = Duration::from_secs(10);

/// Networks that are remembered; then the oldest is forgotten.
const MEMORY: usize = 10_000;

/// Octets of a name and of a password at most.
const MAX_WORD: usize = 255;

/// A hash that no password has, so that a name that nobody has takes as long as one that somebody has.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGlzIGhlcmU$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Who stands at the door.
pub(super) struct Doorman {
    failures: Mutex<Failures>,
    /// Whether those of before the last start are in it.
    loaded: OnceCell<()>,
    house: Semaphore,
    strangers: Semaphore,
    /// Keeps digests of passwords from being of use to anybody else.
    salt: [u8; 16],
}

/// Name, password, and the hash that this is held against.
type Secret = [u8; 32];

/// The logins that failed, and those that are being tried.
#[derive(Debug, Default)]
struct Failures {
    by_network: HashMap<IpNet, Vec<Failure>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failure {
    at: Millis,
    /// `None`: it was before the last start.
    secret: Option<Secret>,
    /// False while it is being tried.
    failed: bool,
}

/// What becomes of an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    /// It is counted, and may be tried.
    Counted,
    /// Another connection is trying the very same, which counts for both.
    Shared,
    /// It failed before: a client that says the same by PLAIN and then by LOGIN guesses once.
    Known,
    /// There were too many.
    TooMany,
}

impl Doorman {
    pub(super) fn new() -> Doorman {
        Doorman {
            failures: Mutex::default(),
            loaded: OnceCell::new(),
            house: Semaphore::new(TRIES_AT_A_TIME),
            strangers: Semaphore::new(TRIES_OF_STRANGERS),
            salt: salt(),
        }
    }

    /// Whether the password is that of the user.
    ///
    /// # Errors
    /// The refusal to say; it does not tell a wrong name from a wrong password.
    pub(super) async fn login(
        &self,
        config: &Config,
        store: &Store,
        client: IpAddr,
        login: Login,
        now: Millis,
    ) -> Result<(), Refusal> {
        if login.user.len() > MAX_WORD || login.password.len() > MAX_WORD {
            return Err(wrong());
        }
        self.loaded.get_or_init(|| self.load(store, now)).await;
        let user = config.users.iter().find(|user| user.name == login.user);
        let hash = user.map_or(NOBODY, |user: &User| &user.password).to_owned();
        let (network, secret) = (client_network(client), self.secret(&login, &hash));
        let attempt = self.failures().count(network, secret, now);
        match attempt {
            Attempt::Counted | Attempt::Shared => {}
            Attempt::Known => return Err(wrong()),
            Attempt::TooMany => {
                let text = "too many logins failed; try again in a quarter of an hour";
                return Err(Refusal::new(454, "4.7.0", text));
            }
        }
        let noted = attempt == Attempt::Counted && note(store, network, now).await;
        let tries = match config.is_of_the_house(client) {
            true => &self.house,
            false => &self.strangers,
        };
        let tried = self.is_right(tries, hash, login.password).await;
        if matches!(tried, Ok(false)) || tried.is_ok() && user.is_none() {
            self.failures().failed(network, secret);
            return Err(wrong());
        }
        // It was right, or was not tried.
        self.failures().forget(network, secret);
        if noted && let Err(e) = store.forget_login(&network.to_string(), now).await {
            tracing::error!("a login that did not fail stays counted as one that did: {e}");
        }
        tried.map(drop)
    }

    /// Those of before the last start.
    async fn load(&self, store: &Store, now: Millis) {
        let since = Millis(now.0 - WINDOW_MILLIS);
        match store.failed_logins(since).await {
            Ok(failed) => self.failures().load(failed),
            Err(e) => tracing::error!("the logins that failed before the start are not known: {e}"),
        }
    }

    fn secret(&self, login: &Login, hash: &str) -> Secret {
        let mut digest = Sha256::new_with_prefix(self.salt);
        for word in [&login.user, &login.password, hash] {
            digest.update((word.len() as u64).to_be_bytes());
            digest.update(word);
        }
        digest.finalize().into()
    }

    async fn is_right(
        &self,
        tries: &Semaphore,
        hash: String,
        password: String,
    ) -> Result<bool, Refusal> {
        let busy = || Refusal::new(454, "4.7.0", "too many log in at once; try again");
        let turn = tokio::time::timeout(PATIENCE, tries.acquire()).await;
        let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let tried = tokio::task::spawn_blocking(move || {
            let hash = PasswordHash::new(&hash).ok()?;
            let verdict = Argon2::default().verify_password(password.as_bytes(), &hash);
            Some(verdict.is_ok())
        });
        Ok(tried.await.ok().flatten().unwrap_or(false))
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failures {
    /// Counts an attempt before it is made.
    fn count(&mut self, network: IpNet, secret: Secret, now: Millis) -> Attempt {
        let failures = self.by_network.entry(network).or_default();
        failures.retain(|failure| failure.counts(now));
        match failures.iter().find(|it| it.secret == Some(secret)) {
            Some(Failure { failed: true, .. }) => return Attempt::Known,
            Some(_) => return Attempt::Shared,
            None => {}
        }
        if failures.len() >= MAX_FAILURES {
            return Attempt::TooMany;
        }
        failures.push(Failure {
            at: now,
            secret: Some(secret),
            failed: false,
        });
        self.evict();
        Attempt::Counted
    }

    /// An attempt has failed.
    fn failed(&mut self, network: IpNet, secret: Secret) {
        let failures = self.by_network.get_mut(&network);
        let mut failures = failures.into_iter().flatten();
        if let Some(failure) = failures.find(|it| it.secret == Some(secret)) {
            failure.failed = true;
        }
    }

    /// An attempt has not failed.
    fn forget(&mut self, network: IpNet, secret: Secret) {
        if let Some(failures) = self.by_network.get_mut(&network) {
            failures.retain(|it| it.secret != Some(secret));
            if failures.is_empty() {
                self.by_network.remove(&network);
            }
        }
    }

    fn load(&mut self, failed: Vec<(String, Millis)>) {
        for (network, at) in failed {
            if let Ok(network) = network.parse() {
                let (secret, failed) = (None, true);
                let failure = Failure { at, secret, failed };
                self.by_network.entry(network).or_default().push(failure);
                self.evict();
            }
        }
    }

    /// Of too many networks the one that was heard of longest ago is forgotten.
    fn evict(&mut self) {
        if self.by_network.len() <= MEMORY {
            return;
        }
        let last = |failures: &Vec<Failure>| failures.iter().map(|it| it.at).max();
        let oldest = self
            .by_network
            .iter()
            .min_by_key(|(_, failures)| last(failures));
        if let Some(network) = oldest.map(|(network, _)| *network) {
            self.by_network.remove(&network);
        }
    }
}

impl Failure {
    fn counts(&self, now: Millis) -> bool {
        // A clock that was set back shuts nobody out for longer.
        (0..WINDOW_MILLIS).contains(&(now.0 - self.at.0))
    }
}

/// Counts an attempt in the store; says whether it is there.
async fn note(store: &Store, network: IpNet, now: Millis) -> bool {
    let since = Millis(now.0 - WINDOW_MILLIS);
    let noted = store.note_login(&network.to_string(), now, since).await;
    if let Err(e) = &noted {
        tracing::error!("a login is only counted until the next start: {e}");
    }
    noted.is_ok()
}

fn salt() -> [u8; 16] {
    let mut salt = [0; 16];
    if rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty()).is_err() {
        salt = fastrand::u128(..).to_be_bytes();
    }
    salt
}

fn wrong() -> Refusal {
    Refusal::new(535, "5.7.8", "name or password is wrong")
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const NOW: Millis = Millis(1_795_000_000_000);

    fn secret(n: usize) -> Secret {
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&(n as u64).to_be_bytes());
        secret
    }

    fn v4(last: u8) -> IpNet {
        client_network(Ipv4Addr::new(192, 0, 2, last).into())
    }

    #[test]
    fn twenty_failures_shut_the_door_for_one_network_until_they_are_old() {
        let mut failures = Failures::default();
        let minutes = |n: u64| NOW.plus_seconds(60 * n);
        for n in 0..MAX_FAILURES {
            let counted = failures.count(v4(1), secret(n), minutes(n as u64 / 10));
            assert_eq!(counted, Attempt::Counted);
        }
        assert_eq!(
            failures.count(v4(1), secret(99), minutes(14)),
            Attempt::TooMany
        );
        assert_eq!(
            failures.count(v4(2), secret(99), minutes(14)),
            Attempt::Counted
        );
        // The first ten are old.
        for n in 0..10 {
            let counted = failures.count(v4(1), secret(100 + n), minutes(15));
            assert_eq!(counted, Attempt::Counted, "{n}");
        }
        assert_eq!(
            failures.count(v4(1), secret(110), minutes(15)),
            Attempt::TooMany
        );
    }

    #[test]
    fn the_same_secret_counts_once_and_one_that_was_right_not_at_all() {
        let mut failures = Failures::default();
        assert_eq!(failures.count(v4(1), secret(1), NOW), Attempt::Counted);
        assert_eq!(failures.count(v4(1), secret(1), NOW), Attempt::Shared);
        failures.failed(v4(1), secret(1));
        for _ in 0..100 {
            assert_eq!(failures.count(v4(1), secret(1), NOW), Attempt::Known);
            assert_eq!(failures.count(v4(1), secret(2), NOW), Attempt::Counted);
            failures.forget(v4(1), secret(2));
        }
    }

    #[test]
    fn the_addresses_of_one_host_are_one() {
        let host = |low: u16, net: u16| {
            let ip = Ipv6Addr::new(0x2001, 0xdb8, 0, net, 1, 2, 3, low);
            client_network(ip.into())
        };
        assert_eq!(host(1, 1), host(2, 1));
        assert_ne!(host(1, 1), host(1, 2));
        let mapped = Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped();
        assert_eq!(client_network(mapped.into()), v4(7));
    }

    #[test]
    fn invented_names_push_nobody_out_and_of_many_networks_the_oldest_goes() {
        let mut failures = Failures::default();
        for n in 0..MAX_FAILURES {
            failures.count(v4(1), secret(n), NOW);
        }
        for n in 0..3 * MEMORY {
            failures.count(v4(2), secret(n), NOW.plus_seconds(1));
        }
        assert_eq!(failures.count(v4(1), secret(99), NOW), Attempt::TooMany);
        for n in 0..MEMORY as u32 + 5 {
            let ip = Ipv4Addr::from(0x0a00_0000 + n);
            failures.count(client_network(ip.into()), secret(1), NOW.plus_seconds(2));
        }
        assert_eq!(failures.by_network.len(), MEMORY);
        assert!(!failures.by_network.contains_key(&v4(1)), "the oldest");
    }

    #[test]
    fn a_hash_that_nobody_has_is_one() {
        assert!(PasswordHash::new(NOBODY).is_ok(), "it takes as long as any");
    }
}
