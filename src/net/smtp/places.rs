//! Who is connected, and who may be: limits on connections, and who loses its place to another.
//!
//! A connection that has not got on for [`STALLED_AFTER`] keeps its place only as long as nobody else needs it: half a text
//! that never ends, or a greeting that is never answered, must not shut others out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::settings::Settings;
use crate::net::client_network;
use crate::proto::smtp::{Output, Reply};

/// How long a session may do nothing while others wait for its place.
pub(super) const STALLED_AFTER: Duration = Duration::from_secs(10);

/// Octets of text that count as getting on: those of a slow line, not one a second.
const SOME_TEXT: usize = 1024;

/// Connections of one network of strangers that have not logged in.
pub(super) const MAX_UNAUTHENTICATED: usize = 3;

/// All connections at the moment.
#[derive(Default)]
pub(super) struct Places {
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    next: u64,
    by_id: HashMap<u64, Session>,
}

struct Session {
    client: IpAddr,
    known: bool,
    logged_in: bool,
    /// Since when it has not got on; `None` while we owe it something.
    waiting_since: Option<Instant>,
    /// Tells it that its place is taken.
    displaced: CancellationToken,
}

/// One counted connection; it is no longer counted when this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    displaced: CancellationToken,
    /// Octets of text since the session got on last.
    text: usize,
    got_on: Instant,
}

impl Places {
    /// Counts a connection in, or says why not.
    pub(super) fn admit(
        self: &Arc<Places>,
        client: IpAddr,
        settings: &Settings,
    ) -> Result<Place, Reply> {
        let known = settings.knows(client);
        if !known && !settings.strangers {
            let text = format!(
                "{client} may not send faxes through this gateway; ask the administrator to add its network to smtp.clients"
            );
            return Err(Reply::new(554, "5.7.1", text));
        }
        let network = client_network(client);
        let of_network = |it: &Session| !it.known && !it.logged_in && network.contains(&it.client);
        let of_client = |it: &Session| it.client == client;
        let of_strangers = |it: &Session| !it.known;
        let mut sessions = self.lock();
        let full = Reply::new(421, "4.3.2", "too many connections, try again later");
        let text = "too many connections from your address, try again later";
        let yours = Reply::new(421, "4.7.0", text);
        let (network_limit, limit) = (MAX_UNAUTHENTICATED, settings.max_strangers());
        if !known && !sessions.has_room(network_limit, of_network) {
            return Err(yours);
        }
        if !known && !sessions.has_room(limit, of_strangers) {
            return Err(full);
        }
        if !sessions.has_room(settings.max_connections_per_client, of_client) {
            return Err(yours);
        }
        // Strangers make room first, and take no place from the house.
        if sessions.by_id.len() >= settings.max_connections
            && !sessions.displace(of_strangers)
            && !(known && sessions.displace(|_| true))
        {
            return Err(full);
        }
        Ok(sessions.add(self, client, known))
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    /// Whether one more of these is within `limit`, perhaps in the place of one that is stalled.
    fn has_room(&mut self, limit: usize, these: impl Fn(&Session) -> bool) -> bool {
        self.by_id.values().filter(|it| these(it)).count() < limit || self.displace(these)
    }

    /// Ends that one of these which has been stalled longest, if one is.
    fn displace(&mut self, these: impl Fn(&Session) -> bool) -> bool {
        let stalled = |it: &Session| it.waiting_since.filter(|at| at.elapsed() >= STALLED_AFTER);
        let candidates = self.by_id.iter().filter(|(_, it)| these(it));
        let longest = candidates
            .filter_map(|(id, it)| Some((stalled(it)?, *id)))
            .min();
        let longest = longest.and_then(|(_, id)| self.by_id.remove(&id));
        if let Some(session) = &longest {
            session.displaced.cancel();
        }
        longest.is_some()
    }

    fn add(&mut self, places: &Arc<Places>, client: IpAddr, known: bool) -> Place {
        self.next += 1;
        let displaced = CancellationToken::new();
        let session = Session {
            client,
            known,
            logged_in: false,
            waiting_since: None,
            displaced: displaced.clone(),
        };
        self.by_id.insert(self.next, session);
        Place {
            places: places.clone(),
            id: self.next,
            displaced,
            text: 0,
            got_on: Instant::now(),
        }
    }
}

impl Place {
    /// The client has logged in: it is no longer one of those that anybody can be.
    pub(super) fn logged_in(&self) {
        if let Some(session) = self.places.lock().by_id.get_mut(&self.id) {
            session.logged_in = true;
        }
    }

    /// Takes note of what the session does. What only makes it reply (NOOP, RSET) does not get a mail on.
    pub(super) fn note<R>(&mut self, output: &Output<R>) {
        let gets_on = match output {
            Output::Reply(_) | Output::DropText | Output::Close => false,
            Output::Text(octets) => {
                self.text += octets.len();
                self.text >= SOME_TEXT
            }
            _ => true,
        };
        if gets_on {
            (self.text, self.got_on) = (0, Instant::now());
        }
    }

    /// The session waits for its client, or does so no longer.
    pub(super) fn waits(&self, waits: bool) {
        if let Some(session) = self.places.lock().by_id.get_mut(&self.id) {
            session.waiting_since = waits.then_some(self.got_on);
        }
    }

    /// Is cancelled when somebody else has the place.
    pub(super) fn displaced(&self) -> CancellationToken {
        self.displaced.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().by_id.remove(&self.id);
    }
}
