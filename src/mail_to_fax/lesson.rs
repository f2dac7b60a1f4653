//! What earlier calls to a number change about the next one, and what that one teaches
//! ([`queue::memory`](crate::queue::memory) has the rules).
//!
//! A number whose memory says "audio" is called in audio and its offer of T.38 is refused (488): taking it would lead
//! back to where the last call fell silent. If it hangs up on that, the next call goes by T.38 again.

use crate::call::outcome::CallReport;
use crate::call::policy::{CallPolicy, ReinvitePolicy};
use crate::context::{Context, now};
use crate::net::line::FaxSettings;
use crate::queue::ClaimedFax;
use crate::queue::memory::{Begin, Memory, Placed};

/// What is known of the number of one fax.
pub struct Lesson {
    /// In canonical form.
    number: String,
    memory: Option<Memory>,
    days: u32,
}

impl Lesson {
    /// Looks up the number of the faxes of a call, and notes with their attempts what that changes. A store that cannot be
    /// read right now teaches nothing, and the faxes go all the same.
    pub async fn of(context: &Context, faxes: &[ClaimedFax]) -> Lesson {
        let fax = &faxes[0];
        let number = context.numbering().canonical(&fax.number);
        let days = context.config().fax.memory_days;
        let memory = match days {
            0 => Ok(None),
            _ => context.store.memory(&number, now()).await,
        };
        let memory = memory.unwrap_or_else(|e| {
            tracing::warn!(fax = fax.id, "the memory of its number: {e}");
            None
        });
        let chosen = memory.as_ref().and_then(Memory::choice).unwrap_or_default();
        if !chosen.is_empty() {
            tracing::info!(fax = fax.id, number, "by memory: {chosen}");
        }
        for fax in faxes {
            let placed = context.store.attempt_placed(fax.attempt, &number, &chosen);
            if let Err(e) = placed.await {
                tracing::warn!(fax = fax.id, "how it is called is not noted: {e}");
            }
        }
        Lesson {
            number,
            memory,
            days,
        }
    }

    /// How our terminal plays this call.
    pub fn settings(&self, fax: FaxSettings) -> FaxSettings {
        let Some(memory) = &self.memory else {
            return fax;
        };
        let most = memory.max_bit_rate.unwrap_or(fax.max_bit_rate);
        FaxSettings {
            max_bit_rate: fax.max_bit_rate.min(most),
            ecm: fax.ecm && memory.ecm != Some(false),
            ..fax
        }
    }

    /// The rules of this call.
    pub fn policy(&self, policy: CallPolicy) -> CallPolicy {
        match self.audio_only() && policy.audio_fax {
            true => CallPolicy {
                reinvite: ReinvitePolicy::Never,
                ..policy
            },
            false => policy,
        }
    }

    fn audio_only(&self) -> bool {
        let memory = self.memory.as_ref();
        memory.is_some_and(|memory| memory.begin == Some(Begin::Audio))
    }

    /// Writes down what the call taught that was placed with these settings.
    pub async fn learned(&self, context: &Context, report: &CallReport, used: &FaxSettings) {
        if self.days == 0 {
            return;
        }
        let placed = Placed {
            audio_only: self.audio_only(),
            max_bit_rate: used.max_bit_rate,
            ecm: used.ecm,
        };
        let learned = context
            .store
            .learn(&self.number, report.clone(), placed, self.days, now());
        if let Err(e) = learned.await {
            tracing::warn!(number = self.number, "what its call taught is lost: {e}");
        }
    }
}
