//! A registration (RFC 3261 10) as a machine: when to send REGISTER, and what its answers mean.
//!
//! It is refreshed between half and nine tenths of what was granted, at random, so that a thousand gateways that were
//! restarted together do not come together again. What fails is tried again, ever more rarely and at random, too;
//! meanwhile the binding stands for as long as it was granted.

use std::time::{Duration, Instant};

use super::{Message, Name, NameAddr, Uri};

/// The first pause after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A registrar that does not know our password is not asked more often than this: it may lock the account.
const AFTER_A_NO: Duration = Duration::from_secs(120);
/// No registrar is believed that wants a longer interval than a day, or grants one shorter than this.
const LONGEST_INTERVAL: u32 = 86_400;
const SHORTEST_INTERVAL: u32 = 10;

/// What is registered where.
#[derive(Debug, Clone)]
pub struct Binding {
    /// The registrar: `sip:sip.example.com`.
    pub registrar: String,
    /// Our address of record: `sip:7001@sip.example.com`.
    pub address: String,
    /// Where we are to be reached: `sip:7001@192.0.2.9:5060`.
    pub contact: String,
    /// Seconds to ask for.
    pub seconds: u32,
    /// One Call-ID for all of it (RFC 3261 10.2).
    pub call_id: String,
    /// What pauses are drawn from.
    pub seed: u64,
}

/// A REGISTER to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// `Contact`, whole.
    pub contact: String,
    /// `Expires`, seconds; 0 ends it.
    pub expires: u32,
    /// Its number in the series.
    pub cseq: u32,
    /// How many have failed in a row: with several servers, which one is asked.
    pub failures: u32,
}

/// How a registration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The first answer is still awaited.
    Trying,
    /// Calls reach us until then.
    Registered {
        /// When the binding ends if it is not refreshed.
        until: Instant,
    },
    /// They do not.
    Failed,
    /// We ended it.
    Ended,
}

/// The machine.
#[derive(Debug)]
pub struct Registration {
    binding: Binding,
    state: State,
    /// Since when it is in this state, as far as people care: registered or not.
    since: Instant,
    error: Option<String>,
    /// Seconds to ask for; more than the binding's where the registrar said so (423).
    asked: u32,
    cseq: u32,
    failures: u32,
    /// A REGISTER is out, with these seconds.
    out: Option<u32>,
    due: Option<Instant>,
    to_send: Option<Register>,
    ending: bool,
    /// The contact that the next REGISTER drops.
    left: Option<String>,
    /// It moved since the last regular refresh.
    moved: bool,
    rng: fastrand::Rng,
}

impl Registration {
    /// One that begins at once.
    pub fn new(binding: Binding, now: Instant) -> Registration {
        Registration {
            state: State::Trying,
            since: now,
            error: None,
            asked: binding.seconds,
            cseq: 0,
            failures: 0,
            out: None,
            due: Some(now),
            to_send: None,
            ending: false,
            left: None,
            moved: false,
            rng: fastrand::Rng::with_seed(binding.seed),
            binding,
        }
    }

    /// What it is about.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// How it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether calls reach us.
    pub fn is_registered(&self) -> bool {
        matches!(self.state, State::Registered { .. })
    }

    /// Since when it is registered, or is not.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// What went wrong last; `None` once something went well.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Time went by.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let State::Registered { until } = self.state
            && now >= until
        {
            self.enter(State::Failed, now);
        }
        if self.due.is_some_and(|due| now >= due) {
            self.due = None;
            self.moved = false;
            self.register(self.asked);
        }
    }

    /// Where the registrar sees us: behind NAT another place than the one that is bound. That one is bound at once, and
    /// the other dropped; again at the next refresh at the earliest, for a NAT that never says the same helps nobody.
    pub fn handle_place(&mut self, contact: String) {
        let bound = self.is_registered() && !self.ending && self.out.is_none();
        if !bound || self.moved || contact == self.binding.contact {
            return;
        }
        self.moved = true;
        self.left = Some(std::mem::replace(&mut self.binding.contact, contact));
        self.register(self.asked);
    }

    /// The final response to the REGISTER that was out.
    pub fn handle_response(&mut self, response: &Message, now: Instant) {
        let Some(sent) = self.out.take() else {
            return;
        };
        // The digest inside the transaction took numbers of its own.
        self.cseq = self.cseq.max(response.cseq().map_or(0, |cseq| cseq.number));
        if sent == 0 {
            return self.ended(now);
        }
        match response.code().unwrap_or(0) {
            200..=299 => self.granted(response, now),
            // RFC 3261 10.2.8
            423 => self.too_brief(response, now),
            401 | 407 => self.failed("wrong username or password".into(), AFTER_A_NO, now),
            code @ (403 | 404) => {
                let why = format!("refused with {code} {}", reason(response));
                self.failed(why, AFTER_A_NO, now);
            }
            code => {
                let rest = response.seconds(Name::RetryAfter).unwrap_or(0);
                let rest = Duration::from_secs(rest.into()).min(LONGEST_PAUSE);
                let why = format!("answered with {code} {}", reason(response));
                self.failed(why, rest, now);
            }
        }
    }

    /// No response came to the REGISTER that was out, or it could not be sent.
    pub fn handle_no_response(&mut self, why: &str, now: Instant) {
        match self.out.take() {
            Some(0) => self.ended(now),
            Some(_) => self.failed(why.to_owned(), Duration::ZERO, now),
            None => {}
        }
    }

    /// Ends it: one last REGISTER, if it is registered. `State::Ended` follows its answer.
    pub fn handle_stop(&mut self, now: Instant) {
        self.due = None;
        self.ending = true;
        match self.is_registered() {
            true if self.out.is_none() => self.register(0),
            // What is out is answered first.
            true => {}
            false => self.enter(State::Ended, now),
        }
    }

    /// What to send.
    pub fn poll(&mut self) -> Option<Register> {
        self.to_send.take()
    }

    /// When [`Registration::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        let expiry = match self.state {
            State::Registered { until } => Some(until),
            _ => None,
        };
        self.due.into_iter().chain(expiry).min()
    }

    fn register(&mut self, expires: u32) {
        self.cseq += 1;
        self.out = Some(expires);
        let mut contact = format!("<{}>;expires={expires}", self.binding.contact);
        if let Some(left) = self.left.take() {
            contact.push_str(&format!(", <{left}>;expires=0"));
        }
        self.to_send = Some(Register {
            contact,
            expires,
            cseq: self.cseq,
            failures: self.failures,
        });
    }

    fn granted(&mut self, response: &Message, now: Instant) {
        let granted = self.granted_seconds(response);
        let granted = granted.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        (self.failures, self.error) = (0, None);
        let until = now + Duration::from_secs(granted.into());
        self.enter(State::Registered { until }, now);
        if self.ending {
            return self.register(0);
        }
        let share = 0.5 + 0.4 * self.rng.f64();
        self.due = Some(now + Duration::from_secs(granted.into()).mul_f64(share));
    }

    /// RFC 3261 10.2.4: the `expires` of our own contact among those that are bound; else `Expires`; else what we
    /// asked for.
    fn granted_seconds(&self, response: &Message) -> u32 {
        let ours = Uri::parse(&self.binding.contact).ok();
        let contacts = response.headers.all(Name::Contact);
        let bound = contacts
            .filter_map(|contact| NameAddr::parse(contact).ok())
            .find(|contact| is_same_place(&contact.uri, ours.as_ref()))
            .and_then(|contact| contact.params.get("expires")?.parse().ok());
        bound
            .or(response.seconds(Name::Expires))
            .unwrap_or(self.asked)
    }

    fn too_brief(&mut self, response: &Message, now: Instant) {
        let least = response.seconds(Name::MinExpires).unwrap_or(0);
        if least <= self.asked || least > LONGEST_INTERVAL {
            let why = format!("answered with 423, Min-Expires {least}");
            return self.failed(why, Duration::ZERO, now);
        }
        self.asked = least;
        self.register(least);
    }

    fn failed(&mut self, why: String, at_least: Duration, now: Instant) {
        self.error = Some(why);
        self.failures += 1;
        if !self.is_registered() {
            self.enter(State::Failed, now);
        }
        if self.ending {
            return self.ended(now);
        }
        let doubled = FIRST_PAUSE * 2u32.saturating_pow(self.failures.min(10) - 1);
        let pause = doubled.min(LONGEST_PAUSE).max(at_least);
        self.due = Some(now + pause.mul_f64(1.0 + 0.25 * self.rng.f64()));
    }

    fn ended(&mut self, now: Instant) {
        self.due = None;
        self.enter(State::Ended, now);
    }

    fn enter(&mut self, state: State, now: Instant) {
        let same = std::mem::discriminant(&state) == std::mem::discriminant(&self.state);
        if !same {
            self.since = now;
        }
        self.state = state;
    }
}

/// Whether two URIs lead to one place; registrars add parameters of their own.
fn is_same_place(one: &Uri, other: Option<&Uri>) -> bool {
    let place = |uri: &Uri| {
        uri.sip()
            .map(|uri| (uri.user_text(), uri.host.to_lowercase(), uri.port))
    };
    place(one).is_some() && place(one) == other.and_then(place)
}

fn reason(response: &Message) -> &str {
    match &response.start {
        super::Start::Response { reason, .. } => reason,
        super::Start::Request { .. } => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(now: Instant) -> Registration {
        let binding = Binding {
            registrar: "sip:sip.example.com".into(),
            address: "sip:7001@sip.example.com".into(),
            contact: "sip:7001@192.0.2.9:5060".into(),
            seconds: 3600,
            call_id: "one@192.0.2.9".into(),
            seed: 10,
        };
        Registration::new(binding, now)
    }

    /// A response as a registrar writes it.
    fn response(status: &str, headers: &str) -> Message {
        let text = format!(
            "SIP/2.0 {status}\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:7001@a>;tag=1\r\n\
             To: <sip:7001@a>;tag=2\r\nCall-ID: one\r\nCSeq: 2 REGISTER\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.as_bytes()).unwrap()
    }

    /// Runs it until it sends something; when that was, in seconds from the start.
    fn next(registration: &mut Registration, start: Instant) -> (u64, Register) {
        for _ in 0..10 {
            if let Some(register) = registration.poll() {
                return (0, register);
            }
            let at = registration.next_timeout().expect("it sleeps for ever");
            registration.handle_timeout(at);
            if let Some(register) = registration.poll() {
                return (at.duration_since(start).as_secs(), register);
            }
        }
        panic!("it never sends");
    }

    #[test]
    fn it_comes_back_between_half_and_nine_tenths_of_what_was_granted() {
        let start = Instant::now();
        let mut registration = registration(start);
        let (at, first) = next(&mut registration, start);
        assert_eq!((at, first.expires, first.cseq), (0, 3600, 1));
        assert_eq!(first.contact, "<sip:7001@192.0.2.9:5060>;expires=3600");
        let ok = response(
            "200 OK",
            "Contact: <sip:old@192.0.2.1>;expires=9, \"me\" <sip:7001@192.0.2.9:5060;ob>;expires=600\r\nExpires: 3600\r\n",
        );
        registration.handle_response(&ok, start);
        assert!(registration.is_registered());
        let (at, second) = next(&mut registration, start);
        assert!((300..=540).contains(&at), "{at}");
        assert_eq!(second.cseq, 3, "the digest took 2");
    }

    /// The registrar sees us at another address than we do: it is told so at once, once until the next refresh.
    #[test]
    fn behind_nat_the_place_that_the_registrar_sees_is_bound() {
        let start = Instant::now();
        let mut registration = registration(start);
        next(&mut registration, start);
        registration.handle_place("sip:7001@198.51.100.7:40000".into());
        assert_eq!(registration.poll(), None, "it has not answered yet");
        registration.handle_response(&response("200 OK", ""), start);
        registration.handle_place("sip:7001@198.51.100.7:40000".into());
        let moved = registration.poll().expect("a REGISTER");
        let (new, old) = ("<sip:7001@198.51.100.7:40000>", "<sip:7001@192.0.2.9:5060>");
        assert_eq!(
            moved.contact,
            format!("{new};expires=3600, {old};expires=0")
        );
        let bound = format!("Contact: {new};expires=60\r\n");
        registration.handle_response(&response("200 OK", &bound), start);
        // A NAT that says something else each time.
        registration.handle_place("sip:7001@198.51.100.7:40001".into());
        assert_eq!(registration.poll(), None);
        let (at, refresh) = next(&mut registration, start);
        assert!((30..=54).contains(&at), "of the new binding's 60: {at}");
        assert_eq!(refresh.contact, format!("{new};expires=3600"));
    }

    #[test]
    fn a_registrar_that_lists_no_contact_means_its_expires_or_ours() {
        for (headers, granted) in [
            ("Expires: 120\r\n", 120),
            ("", 3600),
            ("Expires: 0\r\n", SHORTEST_INTERVAL),
        ] {
            let start = Instant::now();
            let mut registration = registration(start);
            next(&mut registration, start);
            registration.handle_response(&response("200 OK", headers), start);
            let until = start + Duration::from_secs(granted.into());
            assert_eq!(
                registration.state(),
                State::Registered { until },
                "{headers}"
            );
        }
    }

    #[test]
    fn too_brief_is_asked_again_at_once_with_what_it_takes() {
        let start = Instant::now();
        let mut registration = registration(start);
        next(&mut registration, start);
        registration.handle_response(
            &response("423 Interval Too Brief", "Min-Expires: 7200\r\n"),
            start,
        );
        assert_eq!(registration.poll().unwrap().expires, 7200);
        // Saying so again is no answer.
        registration.handle_response(
            &response("423 Interval Too Brief", "Min-Expires: 7200\r\n"),
            start,
        );
        assert_eq!(
            (registration.poll(), registration.state()),
            (None, State::Failed)
        );
        let (at, _) = next(&mut registration, start);
        assert!((5..=7).contains(&at), "{at}");
    }

    #[test]
    fn a_dead_registrar_is_asked_ever_more_rarely_and_the_next_server_in_turn() {
        let start = Instant::now();
        let mut registration = registration(start);
        let (mut now, mut pauses, mut asked) = (start, Vec::new(), Vec::new());
        for _ in 0..9 {
            let (_, register) = next(&mut registration, start);
            asked.push(register.failures);
            registration.handle_no_response("no response", now);
            let due = registration.next_timeout().unwrap();
            pauses.push(due.duration_since(now).as_secs());
            now = due;
        }
        assert_eq!(asked, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        for (pause, least) in pauses.iter().zip([5, 10, 20, 40, 80, 160, 300, 300, 300]) {
            assert!((least..=least * 5 / 4 + 1).contains(pause), "{pauses:?}");
        }
        assert_eq!(registration.error(), Some("no response"));
    }

    #[test]
    fn a_wrong_password_does_not_lock_the_account() {
        for status in [
            "401 Unauthorized",
            "407 Proxy Authentication Required",
            "403 Forbidden",
        ] {
            let start = Instant::now();
            let mut registration = registration(start);
            next(&mut registration, start);
            registration.handle_response(&response(status, ""), start);
            let due = registration.next_timeout().unwrap();
            assert!(due >= start + AFTER_A_NO, "{status}");
            assert_eq!(registration.state(), State::Failed);
        }
    }

    #[test]
    fn a_failed_refresh_leaves_the_binding_until_it_is_over() {
        let start = Instant::now();
        let mut registration = registration(start);
        next(&mut registration, start);
        registration.handle_response(&response("200 OK", "Expires: 60\r\n"), start);
        let (at, _) = next(&mut registration, start);
        let now = start + Duration::from_secs(at);
        registration.handle_response(&response("500 Server Error", ""), now);
        assert!(registration.is_registered() && registration.error().is_some());
        registration.handle_timeout(start + Duration::from_secs(60));
        assert_eq!(registration.state(), State::Failed);
        assert_eq!(registration.since(), start + Duration::from_secs(60));
    }

    #[test]
    fn an_overloaded_registrar_gets_the_rest_it_asked_for() {
        let start = Instant::now();
        let mut registration = registration(start);
        next(&mut registration, start);
        registration.handle_response(
            &response("503 Service Unavailable", "Retry-After: 90\r\n"),
            start,
        );
        assert!(registration.next_timeout().unwrap() >= start + Duration::from_secs(90));
    }

    #[test]
    fn told_to_stop_it_takes_its_contact_back() {
        let start = Instant::now();
        let mut registration = registration(start);
        next(&mut registration, start);
        registration.handle_response(&response("200 OK", ""), start);
        registration.handle_stop(start);
        let last = registration.poll().unwrap();
        assert_eq!(
            (last.expires, &*last.contact),
            (0, "<sip:7001@192.0.2.9:5060>;expires=0")
        );
        registration.handle_no_response("no response", start);
        assert_eq!(
            (registration.state(), registration.next_timeout()),
            (State::Ended, None)
        );
    }

    #[test]
    fn told_to_stop_while_it_asks_it_waits_for_that_answer() {
        let start = Instant::now();
        let mut asking = registration(start);
        next(&mut asking, start);
        asking.handle_stop(start);
        assert_eq!(asking.state(), State::Ended, "nothing was granted yet");
        let mut refreshing = registration(start);
        next(&mut refreshing, start);
        refreshing.handle_response(&response("200 OK", "Expires: 60\r\n"), start);
        next(&mut refreshing, start);
        refreshing.handle_stop(start);
        assert_eq!(refreshing.poll(), None);
        refreshing.handle_response(&response("200 OK", "Expires: 60\r\n"), start);
        assert_eq!(refreshing.poll().unwrap().expires, 0);
    }

    #[test]
    fn odd_answers_never_panic_and_it_always_goes_on() {
        let mut rng = fastrand::Rng::with_seed(423);
        let start = Instant::now();
        for _ in 0..5_000 {
            let mut registration = registration(start);
            let mut now = start;
            for _ in 0..6 {
                let (_, _) = next(&mut registration, start);
                let status = format!("{} X", rng.u16(200..700));
                let headers = format!(
                    "Contact: <sip:7001@192.0.2.9:5060>;expires={}\r\nMin-Expires: {}\r\nRetry-After: {}\r\n",
                    rng.u64(..),
                    rng.u32(..),
                    rng.u32(..)
                );
                registration.handle_response(&response(&status, &headers), now);
                now += Duration::from_secs(rng.u64(0..100_000));
            }
        }
    }
}
