//! An account at a registrar or proxy, with what it was last asked.

use super::challenge::described;
use super::{Asked, Challenge, Credentials, DigestError, answer, challenges, strongest};
use crate::proto::sip::Message;

/// Times in a row that a far end may call our nonce stale.
const MAX_STALE: u32 = 3;

/// Answers challenges, and adds the answer to later requests unasked while the nonce lives.
#[derive(Debug, Clone)]
pub struct Login {
    credentials: Credentials,
    /// One for each realm of registrar and proxies.
    open: Vec<Answering>,
}

#[derive(Debug, Clone)]
struct Answering {
    challenge: Challenge,
    /// Requests that had this nonce.
    used: u32,
    /// How often in a row a new nonce came because the one before was stale.
    stale: u32,
}

impl Login {
    /// Not asked for anything yet.
    pub fn new(credentials: Credentials) -> Login {
        let open = Vec::new();
        Login { credentials, open }
    }

    /// Takes the challenge of a 401 or 407; the request may then go again, with [`Login::authorize`].
    ///
    /// # Errors
    /// Nothing in it can be answered, or it is the answer to our answer: the password is wrong.
    pub fn handle_challenge(&mut self, response: &Message) -> Result<(), DigestError> {
        let found = challenges(response);
        let Ok(challenge) = strongest(&found) else {
            return Err(DigestError::Unknown(described(response)));
        };
        let same = |open: &Answering| {
            open.challenge.proxy == challenge.proxy && open.challenge.realm == challenge.realm
        };
        let before = self
            .open
            .iter()
            .position(same)
            .map(|at| self.open.remove(at));
        let stale = match before {
            // A nonce that has served before may have died without a word about it.
            Some(before) if before.used == 1 && !(challenge.stale && before.stale < MAX_STALE) => {
                return Err(DigestError::Refused {
                    username: self.credentials.username.clone(),
                    realm: challenge.realm.clone(),
                });
            }
            Some(before) if before.used <= 1 => before.stale + 1,
            _ => 0,
        };
        let challenge = challenge.clone();
        self.open.push(Answering {
            challenge,
            used: 0,
            stale,
        });
        Ok(())
    }

    /// Adds to a request what is known to be asked for. `cnonce` is fresh and cannot be guessed.
    pub fn authorize(&mut self, request: &mut Message, cnonce: &str) {
        for open in &mut self.open {
            open.used = open.used.saturating_add(1);
            let Some(asked) = Asked::of(request) else {
                return;
            };
            let one = std::slice::from_ref(&open.challenge);
            if let Ok((name, value)) = answer(one, &self.credentials, asked, cnonce, open.used) {
                request.headers.push(name, value);
            }
        }
    }
}
