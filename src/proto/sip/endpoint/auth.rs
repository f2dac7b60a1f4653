//! Answers to 401 and 407 (RFC 3261 22).

use super::Credentials;
use crate::proto::sip::digest::Login;
use crate::proto::sip::random::SecureRandom;
use crate::proto::sip::{Message, Name};

/// How often in one request: a nonce may be stale, and a proxy may stand before the server (RFC 3261 22.3).
const MOST_TRIES: u8 = 4;

/// What one call or request has to say to challenges.
#[derive(Debug, Clone)]
pub(super) struct Auth {
    login: Option<Login>,
    tries: u8,
}

impl Auth {
    pub fn new(credentials: Option<Credentials>) -> Auth {
        Auth {
            login: credentials.map(Login::new),
            tries: 0,
        }
    }

    /// The request got through: the next one may be challenged anew.
    pub fn settled(&mut self) {
        self.tries = 0;
    }

    /// Adds what we know to be asked for.
    pub fn authorize(&mut self, request: &mut Message, random: &mut SecureRandom) {
        if let Some(login) = &mut self.login {
            let cnonce = format!("{:016x}", random.u64());
            login.authorize(request, &cnonce);
        }
    }

    /// Puts the answer to a challenge into the request that is to be sent again. `false`: there is none.
    pub fn answer(
        &mut self,
        request: &mut Message,
        response: &Message,
        random: &mut SecureRandom,
    ) -> bool {
        let challenged = matches!(response.code(), Some(401 | 407));
        let Some(login) = self.login.as_mut().filter(|_| challenged) else {
            return false;
        };
        self.tries += 1;
        if self.tries > MOST_TRIES || login.handle_challenge(response).is_err() {
            return false;
        }
        request.headers.remove(Name::Authorization);
        request.headers.remove(Name::ProxyAuthorization);
        self.authorize(request, random);
        true
    }
}
