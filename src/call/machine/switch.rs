//! The switch from audio to T.38: re-INVITEs in both directions.

use std::time::{Duration, Instant};

use super::ending::Ending;
use super::{Action, CallMachine, ChildOrder, Phase, Timer};
use crate::call::media::{AudioMedia, MediaSources, T38Media};
use crate::call::outcome::Outcome;
use crate::call::policy::ReinvitePolicy;
use crate::proto::sdp::{self, Audio, Choice, Format, Offered, Session, T38};

/// How often a glare (491) is tried again before T.38 counts as refused.
const GLARES: u32 = 3;
/// What we send to a far end that names no `T38FaxMaxDatagram`, octets.
const DEFAULT_DATAGRAM: u16 = 400;
/// A far end that names less than this means something else by it (the field is disputed): no packet would fit.
const LEAST_DATAGRAM: u16 = 72;

/// How long a far end that left T.38 behind the negotiation gets for its BYE, and the child for its report.
const BACK_AT_THE_END: Duration = Duration::from_secs(5);
/// The same, before anything was negotiated.
const BACK_AT_THE_BEGINNING: Duration = Duration::from_millis(500);

/// Where the call stands between audio and T.38.
#[derive(Debug, Default)]
pub(super) struct Switch {
    state: State,
    glares: u32,
    /// Our offer of T.38 while it is out.
    offer: Vec<u8>,
    /// The audio the child was told of.
    audio: Option<AudioMedia>,
    /// We refused the far end's offer of T.38.
    has_refused: bool,
    /// The audio that the far end went back to, if any, while the child is still in T.38.
    back_to: Option<AudioMedia>,
}

#[derive(Debug, Default, PartialEq)]
enum State {
    #[default]
    Audio,
    /// Our re-INVITE is out.
    Offered,
    /// Refused; the fax runs in audio.
    Refused,
    T38(T38Media),
}

impl Switch {
    pub fn switched(media: T38Media) -> Switch {
        Switch {
            state: State::T38(media),
            ..Switch::default()
        }
    }

    pub fn is_t38(&self) -> bool {
        matches!(self.state, State::T38(_))
    }

    pub fn has_refused(&self) -> bool {
        self.has_refused
    }

    pub fn waits_for_first_try(&self) -> bool {
        self.state == State::Audio && self.glares == 0
    }
}

impl CallMachine {
    pub(super) fn t38_wanted(&self) -> bool {
        self.config.policy.reinvite != ReinvitePolicy::Never
    }

    /// The call is up: when is it our turn?
    pub(super) fn schedule_reinvite(&mut self, now: Instant) {
        if self.switch.is_t38() {
            return;
        }
        if let ReinvitePolicy::Us { after }
        | ReinvitePolicy::ThemThenUs { after }
        | ReinvitePolicy::T38First { after, .. } = self.config.policy.reinvite
        {
            self.arm(Timer::Reinvite, now + after);
        }
    }

    pub(super) fn send_reinvite(&mut self) {
        if !matches!(self.phase, Phase::Talking) || self.switch.state != State::Audio {
            return;
        }
        self.switch.state = State::Offered;
        let max_bit_rate = self.config.max_bit_rate;
        let offer = self.ours.offer(Offered::T38 { max_bit_rate }, &self.lines);
        self.switch.offer.clone_from(&offer);
        self.act(Action::Reinvite(offer));
    }

    pub(super) fn on_reinvite_answered(&mut self, answer: Result<Vec<u8>, u16>, now: Instant) {
        if !matches!(self.phase, Phase::Talking) || self.switch.state != State::Offered {
            return;
        }
        self.switch.state = State::Audio;
        match answer {
            Ok(body) => self.on_t38_answer(&body, now),
            Err(491) if self.switch.glares < GLARES => {
                self.switch.glares += 1;
                let wait = self.glare_wait();
                self.arm(Timer::Reinvite, now + wait);
            }
            // RFC 3261 12.2.1.2: these mean that the dialog is no more.
            Err(481) => {
                let detail = "481 to our re-INVITE: the far end lost the call";
                self.hang_up(Ending::new(Outcome::FarEndSilent, detail), now);
            }
            Err(408) => {
                let detail = "408 to our re-INVITE to T.38: no answer to it came";
                self.hang_up(Ending::new(Outcome::T38Failed, detail), now);
            }
            Err(code) => self.on_t38_refused(format!("{code} to our re-INVITE to T.38"), now),
        }
    }

    fn on_t38_answer(&mut self, body: &[u8], now: Instant) {
        match sdp::read(body) {
            Ok(answer) => match answer.t38() {
                Some(t38) => {
                    self.lines = answer.lines();
                    self.last_words = std::mem::take(&mut self.switch.offer);
                    let media = self.agreed(t38);
                    self.go_t38(media, now);
                }
                None => self.on_t38_refused("the answer to T.38 has no T.38".to_owned(), now),
            },
            Err(e) => self.on_t38_refused(format!("unusable answer to T.38: {e}"), now),
        }
    }

    fn on_t38_refused(&mut self, why: String, now: Instant) {
        self.switch.state = State::Refused;
        if !self.config.policy.audio_fax {
            self.hang_up(Ending::new(Outcome::T38Failed, why), now);
        }
    }

    /// RFC 3261 14.1: who made the Call-ID waits 2.1 to 4 s, the other 0 to 2 s, in steps of 10 ms.
    fn glare_wait(&mut self) -> Duration {
        let steps = if self.outgoing { 210..=400 } else { 0..=200 };
        Duration::from_millis(10 * self.rng.u64(steps))
    }

    /// The far end's re-INVITE.
    pub(super) fn on_reinvite(&mut self, body: &[u8], now: Instant) {
        let (code, sdp) = match self.answer_reinvite(body, now) {
            Ok(answer) => (200, Some(answer)),
            Err(code) => (code, None),
        };
        self.act(Action::AnswerReinvite { code, sdp });
    }

    fn answer_reinvite(&mut self, body: &[u8], now: Instant) -> Result<Vec<u8>, u16> {
        if !self.dialog_up {
            return Err(488);
        }
        // RFC 3261 14.2: both at once.
        if self.switch.state == State::Offered {
            return Err(491);
        }
        // RFC 3261 14.1: no offer, so ours again (a session refresh).
        if body.is_empty() {
            return Ok(self.last_words.clone());
        }
        let offer = sdp::read(body).map_err(|_| 488u16)?;
        let answer = match offer.t38().filter(|_| self.may_go_t38()) {
            Some(t38) => self.accept_t38(&offer, t38, now),
            // Asterisk puts its T.38 away at the end without an audio stream in its place.
            None if offer.is_off() => {
                self.on_back(None, now);
                self.ours.answer(&offer, Choice::Nothing)
            }
            None => {
                let audio = self.accept_audio(&offer, now);
                self.switch.has_refused |= audio.is_none() && offer.t38().is_some();
                audio.ok_or(488u16)?
            }
        };
        self.lines = offer.lines();
        self.last_words.clone_from(&answer);
        Ok(answer)
    }

    /// A fax that is under way in audio cannot be carried over: no page goes out twice.
    fn may_go_t38(&self) -> bool {
        let under_way = self.pages > 0 || self.left > 0;
        self.t38_wanted() && (self.switch.is_t38() || !under_way)
    }

    fn accept_t38(&mut self, offer: &Session, t38: &T38, now: Instant) -> Vec<u8> {
        let media = self.agreed(t38);
        let max_bit_rate = self.config.max_bit_rate;
        // T.38 on hold has nowhere to send to; what was agreed before goes on.
        if matches!(self.phase, Phase::Talking) && !t38.remote.ip().is_unspecified() {
            self.heard = true;
            self.go_t38(media, now);
            self.fax_heard();
        }
        self.ours.answer(offer, Choice::T38 { max_bit_rate })
    }

    /// Audio again: a new address, a hold, or the end of T.38.
    fn accept_audio(&mut self, offer: &Session, now: Instant) -> Option<Vec<u8>> {
        let audio = offer.audio()?;
        let format = self.common_format(audio)?;
        if self.switch.is_t38() {
            let media = (!audio.on_hold()).then(|| self.audio_media(audio, format));
            self.on_back(media, now);
        } else if matches!(self.phase, Phase::Talking)
            && let Some(order) = self.audio_order(audio, format)
        {
            self.tell(order);
        }
        Some(self.ours.answer(offer, Choice::Audio(format)))
    }

    /// The far end leaves T.38. Asterisk does once its fax part is over, with a BYE right behind: the child stays with
    /// T.38 a while and says what became of it. Gateways that give T.38 up do so before anything was negotiated.
    fn on_back(&mut self, audio: Option<AudioMedia>, now: Instant) {
        if matches!(self.phase, Phase::Talking) && self.switch.is_t38() {
            self.switch.back_to = audio;
            self.disarm(Timer::T38Silence);
            let courtesy = match self.negotiated {
                true => BACK_AT_THE_END,
                false => BACK_AT_THE_BEGINNING,
            };
            self.arm(Timer::Back, now + courtesy);
        }
    }

    /// No BYE came behind it, so the fax goes on in audio, if it can.
    pub(super) fn go_back(&mut self, now: Instant) {
        let begun = self.negotiated || self.pages > 0 || self.left > 0;
        match self.switch.back_to.take() {
            Some(audio) if !begun && self.config.policy.audio_fax => {
                self.switch.state = State::Refused;
                self.switch.audio = Some(audio.clone());
                self.tell(ChildOrder::Audio(audio));
                self.arm(Timer::T1, now + self.config.policy.no_fax);
            }
            _ => {
                let detail = "the far end left T.38 in the middle of the fax";
                self.hang_up(Ending::new(Outcome::T38Failed, detail), now);
            }
        }
    }

    pub(super) fn go_t38(&mut self, media: T38Media, now: Instant) {
        self.disarm(Timer::Reinvite);
        self.disarm(Timer::Back);
        let (was_t38, state) = (self.switch.is_t38(), State::T38(media.clone()));
        if self.switch.state != state {
            self.switch.state = state;
            self.tell(ChildOrder::T38(media));
        }
        if !was_t38 {
            self.expect_t38(now);
        }
    }

    /// In T.38 from now on: its first packet is due, and a far end that has not shown itself to be a fax by this has its
    /// T1 from here on.
    pub(super) fn expect_t38(&mut self, now: Instant) {
        if !self.switch.is_t38() {
            return;
        }
        self.arm(Timer::T38Silence, now + self.config.policy.t38_silence);
        match self.heard {
            true => self.disarm(Timer::T1),
            false => self.arm(Timer::T1, now + self.config.policy.no_fax),
        }
    }

    /// What the child needs to know of an audio stream; `None` while we are held or where nothing changed.
    pub(super) fn audio_order(&mut self, audio: &Audio, format: Format) -> Option<ChildOrder> {
        if audio.on_hold() {
            return None;
        }
        let media = self.audio_media(audio, format);
        if self.switch.audio.as_ref() == Some(&media) {
            return None;
        }
        self.switch.audio = Some(media.clone());
        Some(ChildOrder::Audio(media))
    }

    /// What both sides can do.
    pub(super) fn agreed(&self, theirs: &T38) -> T38Media {
        T38Media {
            remote: theirs.remote,
            version: 0,
            max_datagram: theirs
                .max_datagram
                .filter(|octets| *octets >= LEAST_DATAGRAM)
                .unwrap_or(DEFAULT_DATAGRAM),
            max_bit_rate: theirs.max_bit_rate.min(self.config.max_bit_rate),
            error_correction: theirs.error_correction,
            redundancy: self.config.policy.redundancy,
            sources: self.sources(),
        }
    }

    fn audio_media(&self, audio: &Audio, format: Format) -> AudioMedia {
        AudioMedia {
            remote: audio.remote,
            codec: format.codec,
            payload_type: format.payload_type,
            telephone_event: audio.telephone_event,
            ptime: audio.ptime,
            sources: self.sources(),
        }
    }

    fn sources(&self) -> MediaSources {
        MediaSources {
            sip_peer: self.config.sip_peer,
            media_peers: self.config.policy.media_peers.clone(),
            symmetric: self.config.policy.symmetric_media,
        }
    }
}
