//! Session timers (RFC 4028): who refreshes a session, and when.

use std::time::{Duration, Instant};

/// `Session-Expires` where we ask for one (RFC 4028 4 recommends it).
pub const DEFAULT_SESSION: Duration = Duration::from_secs(1800);
/// The shortest that anybody may ask for (RFC 4028 5).
pub const MIN_SE: Duration = Duration::from_secs(90);
/// Before a refresh that failed, or had to wait for another request, is tried again.
const AGAIN: Duration = Duration::from_secs(4);

/// Who refreshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    /// We do.
    Us,
    /// The far end does.
    Them,
}

/// `Session-Expires` (RFC 4028 4): seconds and perhaps `refresher`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionExpires {
    /// The interval.
    pub interval: Duration,
    /// `refresher=uac` is `Some(true)`.
    pub uac_refreshes: Option<bool>,
}

impl SessionExpires {
    /// Reads a value; `None` where it is not one.
    pub fn parse(value: &str) -> Option<SessionExpires> {
        let mut parts = value.split(';').map(str::trim);
        let seconds: u32 = parts.next()?.parse().ok()?;
        let refresher = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("refresher")
                .then(|| value.trim().to_ascii_lowercase())
        });
        let uac_refreshes = match refresher.as_deref() {
            Some("uac") => Some(true),
            Some("uas") => Some(false),
            _ => None,
        };
        Some(SessionExpires {
            interval: Duration::from_secs(seconds.into()),
            uac_refreshes,
        })
    }

    /// As it stands in the header.
    pub fn text(&self) -> String {
        let seconds = self.interval.as_secs();
        match self.uac_refreshes {
            Some(true) => format!("{seconds};refresher=uac"),
            Some(false) => format!("{seconds};refresher=uas"),
            None => seconds.to_string(),
        }
    }
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It is ours to refresh the session.
    Refresh,
    /// Nobody refreshed it: to be ended with BYE.
    Expired,
}

/// The timer of one session; stopped until a 2xx starts it.
#[derive(Debug, Clone, Default)]
pub struct SessionTimer {
    running: Option<Running>,
}

#[derive(Debug, Clone)]
struct Running {
    interval: Duration,
    refresher: Refresher,
    refresh_at: Option<Instant>,
    expires_at: Instant,
}

impl SessionTimer {
    /// A 2xx to an INVITE or UPDATE went or came: what it says counts from now (RFC 4028 7.2, 9). `None`: the session
    /// has no timer any longer.
    pub fn start(&mut self, agreed: Option<(Duration, Refresher)>, now: Instant) {
        self.running = agreed.map(|(interval, refresher)| Running {
            interval,
            refresher,
            // RFC 4028 7.2: once half of it has passed.
            refresh_at: (refresher == Refresher::Us).then(|| now + interval / 2),
            expires_at: now + expiry(interval, refresher),
        });
    }

    /// Interval and refresher, where it runs.
    pub fn agreed(&self) -> Option<(Duration, Refresher)> {
        let running = self.running.as_ref()?;
        Some((running.interval, running.refresher))
    }

    /// The refresh has to wait, or failed for now.
    pub fn postpone(&mut self, now: Instant) {
        if let Some(running) = &mut self.running {
            running.refresh_at = Some(now + AGAIN);
        }
    }

    /// The far end answers, but will not be refreshed. It is alive, so the call goes on; we try again half an interval
    /// later.
    pub fn refused(&mut self, now: Instant) {
        let agreed = self.agreed();
        self.start(agreed, now);
    }

    /// Time went by.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Due> {
        let running = self.running.as_mut()?;
        if running.expires_at <= now {
            self.running = None;
            return Some(Due::Expired);
        }
        running.refresh_at.take_if(|at| *at <= now)?;
        Some(Due::Refresh)
    }

    /// When that is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        let running = self.running.as_ref()?;
        Some(
            running
                .refresh_at
                .unwrap_or(running.expires_at)
                .min(running.expires_at),
        )
    }
}

/// RFC 4028 10: whoever waits for a refresh hangs up the smaller of 32 seconds and a third of the interval before the
/// end; whoever refreshes, at its end.
fn expiry(interval: Duration, refresher: Refresher) -> Duration {
    match refresher {
        Refresher::Us => interval,
        Refresher::Them => interval - (interval / 3).min(Duration::from_secs(32)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn values_of_the_field() {
        let read =
            |value| SessionExpires::parse(value).map(|s| (s.interval.as_secs(), s.uac_refreshes));
        assert_eq!(read("1800"), Some((1800, None)));
        assert_eq!(read("90 ; Refresher = UAS;x=y"), Some((90, Some(false))));
        assert_eq!(read("4000;refresher=uac"), Some((4000, Some(true))));
        assert_eq!(read("90;refresher=me"), Some((90, None)));
        for odd in ["", ";refresher=uac", "-1", "99999999999", "half an hour"] {
            assert_eq!(read(odd), None, "{odd}");
        }
        let text = SessionExpires::parse("90;refresher=uas").map(|s| s.text());
        assert_eq!(text.as_deref(), Some("90;refresher=uas"));
    }

    #[test]
    fn we_refresh_at_half_time() {
        let (now, mut timer) = (Instant::now(), SessionTimer::default());
        assert_eq!(timer.next_timeout(), None);
        timer.start(Some((S(1800), Refresher::Us)), now);
        assert_eq!(timer.next_timeout(), Some(now + S(900)));
        assert_eq!(timer.handle_timeout(now + S(899)), None);
        assert_eq!(timer.handle_timeout(now + S(900)), Some(Due::Refresh));
        assert_eq!(timer.handle_timeout(now + S(900)), None, "once");
        timer.postpone(now + S(900));
        assert_eq!(timer.handle_timeout(now + S(904)), Some(Due::Refresh));
        assert_eq!(timer.next_timeout(), Some(now + S(1800)));
        assert_eq!(timer.handle_timeout(now + S(1800)), Some(Due::Expired));
        assert_eq!(timer.next_timeout(), None);
    }

    #[test]
    fn a_refresher_that_is_gone_is_noticed_before_the_end() {
        let (now, mut timer) = (Instant::now(), SessionTimer::default());
        timer.start(Some((S(1800), Refresher::Them)), now);
        assert_eq!(timer.next_timeout(), Some(now + S(1768)));
        timer.start(Some((S(90), Refresher::Them)), now);
        assert_eq!(timer.handle_timeout(now + S(59)), None);
        assert_eq!(timer.handle_timeout(now + S(60)), Some(Due::Expired));
    }
}
