//! Lets in who knows a password (AUTH), and makes guessing pointless.
//!
//! argon2 takes a tenth of a second and tens of megabytes on purpose, so it runs off the async threads, two at a time,
//! and few wait for it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::config::User;
use crate::proto::smtp::{Login, Refusal};
use crate::queue::Millis;

/// Logins that may fail in a row, from one address to one account, and how long it then stays shut.
const MAX_FAILURES: u32 = 5;
const SHUT_MILLIS: i64 = 15 * 60_000;

/// Passwords that are tried at a time, and how long one may wait for its turn.
const TRIES_AT_A_TIME: usize = 2;
const PATIENCE: Duration = Duration::from_secs(10);

/// Pairs of address and account that are remembered.
const MEMORY: usize = 10_000;

/// Octets of a name and of a password at most.
const MAX_WORD: usize = 255;

/// A hash that no password has, so that a name that nobody has takes as long as one that somebody has.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGlzIGhlcmU$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Who stands at the door.
pub(super) struct Doorman {
    failures: Mutex<Failures>,
    tries: Semaphore,
}

/// The logins that failed.
#[derive(Debug, Default)]
struct Failures {
    by_pair: HashMap<(IpAddr, String), Failed>,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    times: u32,
    last: Millis,
}

impl Doorman {
    pub(super) fn new() -> Doorman {
        Doorman {
            failures: Mutex::default(),
            tries: Semaphore::new(TRIES_AT_A_TIME),
        }
    }

    /// Whether the password is that of the user.
    ///
    /// # Errors
    /// The refusal to say; it does not tell a wrong name from a wrong password.
    pub(super) async fn login(
        &self,
        users: &[User],
        client: IpAddr,
        login: Login,
        now: Millis,
    ) -> Result<(), Refusal> {
        if login.user.len() > MAX_WORD || login.password.len() > MAX_WORD {
            return Err(wrong());
        }
        let pair = (client, login.user.clone());
        if self.failures().is_shut(&pair, now) {
            let text = "too many logins failed; try again in a quarter of an hour";
            return Err(Refusal::new(454, "4.7.0", text));
        }
        let user = users.iter().find(|user| user.name == login.user);
        let hash = user.map_or(NOBODY, |user| &user.password).to_owned();
        match self.is_right(hash, login.password).await? && user.is_some() {
            true => {
                self.failures().by_pair.remove(&pair);
                Ok(())
            }
            false => {
                self.failures().note(pair, now);
                Err(wrong())
            }
        }
    }

    async fn is_right(&self, hash: String, password: String) -> Result<bool, Refusal> {
        let busy = || Refusal::new(454, "4.7.0", "too many log in at once; try again");
        let turn = tokio::time::timeout(PATIENCE, self.tries.acquire()).await;
        let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let tried = tokio::task::spawn_blocking(move || {
            let hash = PasswordHash::new(&hash).ok()?;
            let verdict = Argon2::default().verify_password(password.as_bytes(), &hash);
            Some(verdict.is_ok())
        });
        Ok(tried.await.ok().flatten().unwrap_or(false))
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failures {
    fn is_shut(&self, pair: &(IpAddr, String), now: Millis) -> bool {
        let failed = self.by_pair.get(pair);
        failed.is_some_and(|failed| failed.times >= MAX_FAILURES && failed.counts(now))
    }

    fn note(&mut self, pair: (IpAddr, String), now: Millis) {
        if self.by_pair.len() >= MEMORY {
            self.by_pair.retain(|_, failed| failed.counts(now));
        }
        // Whoever can fill this has that many addresses or guesses names: nothing is lost with the oldest.
        if self.by_pair.len() >= MEMORY {
            self.by_pair.clear();
        }
        let fresh = Failed {
            times: 0,
            last: now,
        };
        let failed = self.by_pair.entry(pair).or_insert(fresh);
        let before = if failed.counts(now) { failed.times } else { 0 };
        (failed.times, failed.last) = (before + 1, now);
    }
}

impl Failed {
    fn counts(&self, now: Millis) -> bool {
        // A clock that was set back shuts nobody out for longer.
        (0..SHUT_MILLIS).contains(&(now.0 - self.last.0))
    }
}

fn wrong() -> Refusal {
    Refusal::new(535, "5.7.8", "name or password is wrong")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use argon2::{Params, PasswordHasher};

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const NOW: Millis = Millis(1_795_000_000_000);

    /// A user whose hash is quickly tried.
    fn users() -> Vec<User> {
        let params = Params::new(64, 1, 1, None).unwrap();
        let argon2 = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        let hash = argon2.hash_password(b"right").unwrap().to_string();
        vec![User {
            name: "clerk".into(),
            password: hash,
            senders: vec!["*@example.com".into()],
        }]
    }

    async fn code(
        doorman: &Doorman,
        client: IpAddr,
        user: &str,
        password: &str,
        at: Millis,
    ) -> u16 {
        let login = Login {
            user: user.into(),
            password: password.into(),
        };
        let verdict = doorman.login(&users(), client, login, at).await;
        verdict.map_or_else(|refusal| refusal.code, |()| 235)
    }

    #[tokio::test]
    async fn only_name_and_password_together_open() {
        let doorman = Doorman::new();
        for (user, password, expected) in [
            ("clerk", "right", 235),
            ("clerk", "wrong", 535),
            ("clerk", "", 535),
            ("nobody", "right", 535),
            ("Clerk", "right", 535),
        ] {
            let said = code(&doorman, HERE, user, password, NOW).await;
            assert_eq!(said, expected, "{user} {password}");
        }
        assert!(PasswordHash::new(NOBODY).is_ok(), "it takes as long as any");
    }

    #[tokio::test]
    async fn five_failures_shut_the_door_for_a_quarter_of_an_hour() {
        let doorman = Doorman::new();
        for _ in 0..5 {
            assert_eq!(code(&doorman, HERE, "clerk", "wrong", NOW).await, 535);
        }
        let minutes = |n: u64| NOW.plus_seconds(60 * n);
        assert_eq!(code(&doorman, HERE, "clerk", "right", NOW).await, 454);
        assert_eq!(
            code(&doorman, HERE, "clerk", "right", minutes(14)).await,
            454
        );
        assert_eq!(
            code(&doorman, THERE, "clerk", "right", NOW).await,
            235,
            "from elsewhere"
        );
        assert_eq!(
            code(&doorman, HERE, "other", "right", NOW).await,
            535,
            "another account"
        );
        assert_eq!(
            code(&doorman, HERE, "clerk", "right", minutes(15)).await,
            235
        );
        // What succeeded wipes the slate.
        for _ in 0..4 {
            assert_eq!(
                code(&doorman, HERE, "clerk", "wrong", minutes(16)).await,
                535
            );
        }
        assert_eq!(
            code(&doorman, HERE, "clerk", "right", minutes(16)).await,
            235
        );
        assert_eq!(
            code(&doorman, HERE, "clerk", "wrong", minutes(16)).await,
            535
        );
        assert_eq!(
            code(&doorman, HERE, "clerk", "right", minutes(16)).await,
            235
        );
    }

    #[test]
    fn an_attack_from_everywhere_costs_little_memory() {
        let mut failures = Failures::default();
        for n in 0..3 * MEMORY {
            failures.note((HERE, n.to_string()), NOW);
        }
        assert!(failures.by_pair.len() <= MEMORY);
    }
}
