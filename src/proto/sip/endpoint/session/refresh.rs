//! Session timers in a session, in both roles (RFC 4028).

use std::time::{Duration, Instant};

use super::change::{Ours, What};
use super::{Core, Session, Stage};
use crate::proto::sip::session_timer::{Due, MIN_SE, Refresher, SessionExpires};
use crate::proto::sip::{Message, Name};

impl Session {
    /// A 2xx came to an INVITE or UPDATE of ours (RFC 4028 7.2).
    pub fn start_timer_as_uac(&mut self, response: &Message, min_se: Duration, now: Instant) {
        self.min_se = self.min_se.max(min_se);
        let agreed = expires_of(response).map(|agreed| {
            let refresher = match agreed.uac_refreshes {
                Some(false) => Refresher::Them,
                // Without a word it is us: a refresh too many harms nobody.
                Some(true) | None => Refresher::Us,
            };
            // RFC 4028 5: nobody may agree to less; a 0 would end the call on the spot.
            (agreed.interval.max(MIN_SE), refresher)
        });
        self.timer.start(agreed, now);
    }

    /// We answer their INVITE or UPDATE with a 2xx: what that says of the timer (RFC 4028 9).
    pub(super) fn start_timer_as_uas(
        &mut self,
        request: &Message,
        now: Instant,
    ) -> Vec<(Name, String)> {
        let knows_timer = request.headers.lists(Name::Supported, "timer");
        let before = self.timer.agreed();
        let agreed = match (expires_of(request), before) {
            (Some(asked), _) => {
                let theirs = knows_timer && asked.uac_refreshes == Some(true);
                let refresher = if theirs {
                    Refresher::Them
                } else {
                    Refresher::Us
                };
                let interval = asked.interval.max(self.min_se);
                Some((interval, refresher))
            }
            // They do not ask, but we refreshed so far: we go on.
            (None, Some((interval, Refresher::Us))) if knows_timer => {
                Some((interval, Refresher::Us))
            }
            (None, _) => None,
        };
        self.timer.start(agreed, now);
        let Some((interval, refresher)) = agreed else {
            return Vec::new();
        };
        let says = SessionExpires {
            interval,
            uac_refreshes: Some(refresher == Refresher::Them),
        };
        let mut headers = vec![(Name::SessionExpires, says.text())];
        if refresher == Refresher::Them {
            // RFC 4028 9: so that the caller knows what is expected of it.
            headers.push((Name::Require, "timer".to_owned()));
        }
        headers
    }

    pub(super) fn on_session_timeout(&mut self, core: &mut Core, now: Instant) -> Option<Stage> {
        match self.timer.handle_timeout(now)? {
            Due::Expired => Some(self.break_off(core, "the session timer expired", now)),
            Due::Refresh if !self.is_quiet() => {
                // Whatever is under way refreshes the session as well.
                self.timer.postpone(now);
                None
            }
            Due::Refresh => {
                self.refresh(core, now);
                None
            }
        }
    }

    /// RFC 4028 10: UPDATE without offer where the far end knows it, else a re-INVITE with the same description.
    fn refresh(&mut self, core: &mut Core, now: Instant) {
        if self.far.takes_update {
            self.send_update(core, now);
        } else {
            let same = self.agreed.ours.clone();
            self.send_invite(core, What::Refresh, same, now);
        }
    }

    pub(super) fn on_refresh_refused(
        &mut self,
        core: &mut Core,
        ours: &Ours,
        code: u16,
        now: Instant,
    ) {
        match code {
            // It said that it knows UPDATE; it does not.
            405 | 501 if !ours.is_invite() => {
                self.far.takes_update = false;
                self.refresh(core, now);
            }
            408 | 491 | 500..600 => self.timer.postpone(now),
            _ => self.timer.refused(now),
        }
    }
}

fn expires_of(message: &Message) -> Option<SessionExpires> {
    SessionExpires::parse(message.headers.get(Name::SessionExpires)?)
}
