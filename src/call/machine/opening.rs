//! The INVITE and its answer: audio, T.38 or both at once.

use std::time::Instant;

use super::ending::Ending;
use super::switch::Switch;
use super::{Action, CallMachine, ChildOrder, Phase, Timer};
use crate::call::outcome::Outcome;
use crate::call::policy::ReinvitePolicy;
use crate::proto::sdp::{self, Choice, Offered, Session};

impl CallMachine {
    /// Sends our INVITE.
    pub(super) fn invite(&mut self, now: Instant) {
        self.phase = Phase::Calling;
        self.arm_only(Timer::Ring, now + self.config.policy.ring);
        let (codecs, max_bit_rate) = (&self.config.codecs, self.config.max_bit_rate);
        let what = match self.config.policy.reinvite {
            ReinvitePolicy::T38First { with_audio, .. } => match with_audio {
                true => Offered::Both {
                    codecs,
                    max_bit_rate,
                },
                false => Offered::T38 { max_bit_rate },
            },
            _ => Offered::Audio(codecs),
        };
        let offer = self.ours.offer(what, &[]);
        self.last_words.clone_from(&offer);
        self.act(Action::Invite(offer));
    }

    /// Whether a refusal of our INVITE means its T.38, so that audio may still be taken.
    pub(super) fn refuses_t38_first(&self, code: u16) -> bool {
        matches!(self.config.policy.reinvite, ReinvitePolicy::T38First { .. })
            && self.config.policy.audio_fax
            && matches!(code, 400 | 406 | 415 | 420 | 488 | 501 | 606)
    }

    /// Calls again, in audio, within the same attempt.
    pub(super) fn invite_in_audio(&mut self, now: Instant) {
        self.t38_was_first_in_vain();
        self.lines.clear();
        self.invite(now);
    }

    fn t38_was_first_in_vain(&mut self) {
        if let ReinvitePolicy::T38First { after, .. } = self.config.policy.reinvite {
            self.config.policy.reinvite = ReinvitePolicy::ThemThenUs { after };
        }
    }

    /// The answer to our INVITE.
    pub(super) fn on_first_answer(&mut self, body: &[u8], now: Instant) {
        let answer = match sdp::read(body) {
            Ok(answer) => answer,
            Err(e) => {
                let why = format!("unusable answer: {e}");
                return self.hang_up(Ending::new(Outcome::Incompatible, why), now);
            }
        };
        let t38_first = matches!(self.config.policy.reinvite, ReinvitePolicy::T38First { .. });
        if t38_first {
            if let Some(t38) = answer.t38() {
                self.lines = answer.lines();
                let media = self.agreed(t38);
                return self.go_t38(media, now);
            }
            if answer.audio().is_none() && self.config.policy.audio_fax {
                // Answered with port 0: a call without a stream.
                self.dialog_up = false;
                self.act(Action::Bye("T.38 was not taken".to_owned()));
                return self.invite_in_audio(now);
            }
            self.t38_was_first_in_vain();
        }
        self.schedule_reinvite(now);
        if let Err(why) = self.take_audio(&answer) {
            self.hang_up(Ending::new(Outcome::Incompatible, why), now);
        }
    }

    /// Our answer to the INVITE's offer and what it means for the child. Where T.38 is offered beside audio, it is
    /// what we are here for.
    pub(super) fn first_answer(
        &mut self,
        offer: &[u8],
    ) -> Result<(Vec<u8>, Option<ChildOrder>), String> {
        if offer.is_empty() {
            self.answer_in_ack = true;
            let offer = self.ours.offer(Offered::Audio(&self.config.codecs), &[]);
            return Ok((offer, None));
        }
        let offer = sdp::read(offer).map_err(|e| e.to_string())?;
        self.lines = offer.lines();
        if let Some(t38) = offer.t38().filter(|_| self.t38_wanted()) {
            let media = self.agreed(t38);
            let max_bit_rate = self.config.max_bit_rate;
            self.switch = Switch::switched(media.clone());
            self.heard = true;
            let answer = self.ours.answer(&offer, Choice::T38 { max_bit_rate });
            return Ok((answer, Some(ChildOrder::T38(media))));
        }
        let audio = offer
            .audio()
            .ok_or("neither G.711 nor T.38 that is wanted here was offered")?;
        let format = self.common_format(audio).ok_or("no codec in common")?;
        let order = self.audio_order(audio, format);
        Ok((self.ours.answer(&offer, Choice::Audio(format)), order))
    }

    /// The answer in the ACK to our offer of audio.
    pub(super) fn take_audio_answer(&mut self, body: &[u8]) -> Result<(), String> {
        let answer = sdp::read(body).map_err(|e| format!("unusable answer: {e}"))?;
        self.take_audio(&answer)
    }

    fn take_audio(&mut self, answer: &Session) -> Result<(), String> {
        self.lines = answer.lines();
        let audio = answer.audio().ok_or("the answer has no G.711")?;
        let format = self
            .common_format(audio)
            .ok_or("the answer has a codec that we did not offer")?;
        if let Some(order) = self.audio_order(audio, format) {
            self.tell(order);
        }
        Ok(())
    }
}
