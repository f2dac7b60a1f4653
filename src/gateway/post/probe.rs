//! While the relay cannot be reached, one mail at a time asks whether it can: the others would only be composed and rendered
//! to hear the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::folder_of;
use crate::context::{Context, now};
use crate::queue::{ClaimedMail, StoreError};

/// Seconds between the questions; the last one repeats.
const DELAYS: [u64; 3] = [5, 30, 60];

/// For how long a mail that asks keeps others from asking: one that hangs must not keep them for ever.
const ASKING: Duration = Duration::from_secs(120);

/// What is known of the relay.
#[derive(Default)]
pub struct RelayHealth {
    down: Mutex<Option<Down>>,
}

#[derive(Debug, Clone, Copy)]
struct Down {
    /// Questions in vain.
    asked: usize,
    /// When the next may ask.
    ask_at: Instant,
    /// A mail is under way that asks.
    asking: bool,
}

impl RelayHealth {
    /// The next mail that is due and may go: while the relay is down those for folders, and one that asks.
    ///
    /// # Errors
    /// As the database says.
    pub async fn claim(&self, context: &Arc<Context>) -> Result<Option<ClaimedMail>, StoreError> {
        let (at, store, config) = (now(), &context.store, context.config());
        let is_down = |down: &Down| Instant::now() < down.ask_at;
        if config.mail.maildir.is_none() && self.down().as_ref().is_some_and(is_down) {
            let any_folder = config.routes.iter().any(|route| route.maildir.is_some());
            return match any_folder {
                true => store.claim_mail_for_folder(at).await,
                false => Ok(None),
            };
        }
        let claimed = store.claim_mail(at).await?;
        if let Some(mail) = &claimed
            && folder_of(&mail.recipient).is_none()
            && let Some(down) = &mut *self.down()
        {
            (down.ask_at, down.asking) = (Instant::now() + ASKING, true);
        }
        Ok(claimed)
    }

    /// The relay was reached, whatever it said to the mail.
    pub(super) fn reached(&self) {
        if self.down().take().is_some() {
            tracing::info!("the relay is reached again");
        }
    }

    /// The relay was not reached; says in how many seconds the mail may ask again.
    pub(super) fn not_reached(&self) -> u64 {
        let mut known = self.down();
        let now = Instant::now();
        let asked = match *known {
            // Several were on their way when it went down.
            Some(down) if now < down.ask_at && !down.asking => {
                return (down.ask_at - now).as_secs() + 1;
            }
            Some(down) => down.asked + 1,
            None => 0,
        };
        let delay = DELAYS[asked.min(DELAYS.len() - 1)];
        *known = Some(Down {
            asked,
            ask_at: now + Duration::from_secs(delay),
            asking: false,
        });
        delay
    }

    fn down(&self) -> MutexGuard<'_, Option<Down>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
