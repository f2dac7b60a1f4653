//! What is known of one server: whether it answers, since when, how we know.

use std::time::{Duration, Instant};

/// A `Retry-After` is honoured for no longer than this, seconds: a mistyped one must not cost the day.
const LONGEST_REST: u32 = 600;

/// What is known of one server.
#[derive(Debug, Clone, Default)]
pub struct Health {
    up: Option<bool>,
    since: Option<Instant>,
    detail: String,
    rests_until: Option<Instant>,
}

/// What a server did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// A final response to OPTIONS.
    Options(u16),
    /// A response to an INVITE.
    Invite(u16),
    /// Nothing, or it cannot be reached; the words say of what and why.
    Nothing(String),
    /// 503 with `Retry-After`, seconds.
    Rest(u32),
}

impl Health {
    /// Takes in what it did. True: that changed whether it is up.
    pub fn heard(&mut self, sign: Sign, now: Instant) -> bool {
        let (up, detail) = match sign {
            // RFC 3263 4.3 and practice: whoever refuses OPTIONS is alive, but for these two.
            Sign::Options(code @ (408 | 503)) => (false, format!("answered OPTIONS with {code}")),
            Sign::Options(code) => (true, format!("answered OPTIONS with {code}")),
            Sign::Invite(code) => (true, format!("answered a call with {code}")),
            Sign::Nothing(why) => (false, why),
            Sign::Rest(seconds) => {
                let seconds = seconds.min(LONGEST_REST);
                self.rests_until = Some(now + Duration::from_secs(seconds.into()));
                (false, format!("overloaded, asked for {seconds} s of rest"))
            }
        };
        let changed = self.up != Some(up);
        if changed {
            self.since = Some(now);
        }
        if up {
            self.rests_until = None;
        }
        (self.up, self.detail) = (Some(up), detail);
        changed
    }

    /// Whether it answers; `None`: nothing was asked of it yet.
    pub fn is_up(&self) -> Option<bool> {
        self.up
    }

    /// Since when it is as it is.
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// How we know.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether it asked to be left alone (RFC 3261 21.5.4) and that time is not over.
    pub fn rests(&self, now: Instant) -> bool {
        self.rests_until(now).is_some()
    }

    /// Until when it is to be left alone, if it is.
    pub fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.rests_until.filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_answers_is_alive_but_408_and_503() {
        let now = Instant::now();
        for (code, up) in [
            (200, true),
            (404, true),
            (405, true),
            (501, true),
            (408, false),
            (503, false),
        ] {
            let mut health = Health::default();
            health.heard(Sign::Options(code), now);
            assert_eq!(health.is_up(), Some(up), "{code}");
        }
    }

    #[test]
    fn since_is_the_change_and_not_the_last_look() {
        let (mut health, start) = (Health::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(health.heard(Sign::Options(200), at(0)));
        assert!(!health.heard(Sign::Options(200), at(60)));
        assert_eq!(health.since(), Some(at(0)));
        assert!(health.heard(Sign::Nothing("no response".into()), at(120)));
        assert_eq!(
            (health.since(), health.detail()),
            (Some(at(120)), "no response")
        );
    }

    #[test]
    fn an_overloaded_server_is_left_alone_for_as_long_as_it_asked() {
        let (mut health, start) = (Health::default(), Instant::now());
        health.heard(Sign::Rest(30), start);
        assert!(health.rests(start + Duration::from_secs(29)));
        assert!(!health.rests(start + Duration::from_secs(30)));
        health.heard(Sign::Rest(u32::MAX), start);
        assert!(!health.rests(start + Duration::from_secs(u64::from(LONGEST_REST))));
        health.heard(Sign::Rest(30), start);
        health.heard(Sign::Options(200), start);
        assert!(!health.rests(start), "it came back early");
    }
}
