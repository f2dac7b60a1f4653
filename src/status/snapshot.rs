//! What the page shows, and what `/status.json` says under the same names. The names are stable: scripts read them.
//!
//! Lists hold what fits a page, newest or next first; the counts in [`Queue`] tell of all.

use jiff::Timestamp;
use serde::Serialize;

use crate::call::outcome::Outcome;

/// Everything at one moment.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Snapshot {
    /// Our version.
    pub version: String,
    /// Our host name.
    pub hostname: String,
    /// The moment.
    pub now: Timestamp,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// What stops faxes or mails from going, one sentence each; `/healthz` is 503 while there is any.
    pub problems: Vec<String>,
    /// What is not as it should be and stops nothing, one sentence each.
    pub notes: Vec<String>,
    /// Calls at a time over all trunks.
    pub channels: u32,
    /// Calls over all trunks now.
    pub line_calls: u32,
    /// The lines to the telephone network.
    pub trunks: Vec<Trunk>,
    /// Counts.
    pub queue: Queue,
    /// Calls in progress.
    pub calls: Vec<Call>,
    /// Faxes that are not out yet and not being dialled, the next to go first.
    pub waiting: Vec<WaitingFax>,
    /// Outgoing faxes that ended, newest first.
    pub sent: Vec<SentFax>,
    /// Incoming faxes, newest first.
    pub received: Vec<ReceivedFax>,
    /// Mails that the next hop has not taken yet, oldest first.
    pub mails: Vec<WaitingMail>,
}

/// A line to the telephone network.
#[derive(Debug, Clone, Serialize)]
pub struct Trunk {
    /// Its name in the configuration.
    pub name: String,
    /// Its servers, as the configuration names them.
    pub address: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'static str,
    /// Whether it works.
    pub state: TrunkState,
    /// How we know: "answered OPTIONS with 200", "no reply for 32 s".
    pub detail: String,
    /// Since when it is in this state.
    pub since: Option<Timestamp>,
    /// Calls on it now.
    pub calls: u32,
    /// Calls it may carry at once.
    pub max_calls: u32,
    /// Calls it may begin a second; 0: no limit.
    pub calls_per_second: f64,
    /// Calls that came over it and were not taken, since the start.
    pub refused: u64,
    /// Our registration, where it wants one.
    pub registration: Option<Registration>,
    /// Its servers by their addresses.
    pub targets: Vec<Target>,
}

/// How our registration at a trunk stands.
#[derive(Debug, Clone, Serialize)]
pub struct Registration {
    /// Calls reach us until then; `None`: they do not.
    pub until: Option<Timestamp>,
    /// Since when they do or do not.
    pub since: Option<Timestamp>,
    /// What went wrong last.
    pub error: Option<String>,
}

/// A server of a trunk at one address.
#[derive(Debug, Clone, Serialize)]
pub struct Target {
    /// As the configuration names it.
    pub server: String,
    /// Its address.
    pub address: String,
    /// Whether it answers.
    pub state: TrunkState,
    /// How we know.
    pub detail: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// Whether a trunk works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkState {
    /// It answers.
    Up,
    /// It does not.
    Down,
    /// Nothing was asked of it yet.
    Unknown,
}

/// Counts over the whole queue.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Queue {
    /// Faxes whose pages are being made.
    pub rendering: u64,
    /// Faxes that could be dialled now.
    pub ready: u64,
    /// Faxes that wait for their next try.
    pub retrying: u64,
    /// Faxes being dialled or sent.
    pub calling: u64,
    /// Mails that the next hop has not taken yet.
    pub mails: u64,
    /// Faxes delivered since midnight.
    pub delivered_today: u64,
    /// Faxes given up since midnight, cancelled and uncertain ones included.
    pub failed_today: u64,
    /// Faxes received since midnight.
    pub received_today: u64,
}

/// A call in progress.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// Id of the fax; the received ones count for themselves.
    pub fax: String,
    /// Who called whom.
    pub direction: Direction,
    /// The far end's number, as dialled or as the trunk told it; `None` where it was withheld.
    pub number: Option<String>,
    /// What the far end calls itself (CSI or TSI).
    pub station: Option<String>,
    /// Where the call is.
    pub phase: Phase,
    /// Page being transferred, from 1; 0 before the first.
    pub page: u32,
    /// Pages of the fax; `None` where only the sender knows.
    pub pages: Option<u32>,
    /// How much of the whole fax is through, see [`Call::percent_of`].
    pub percent: Option<u8>,
    /// Octets of this page so far.
    pub page_bytes: u64,
    /// bit/s, once agreed.
    pub bit_rate: Option<u32>,
    /// Seconds since it was dialled or came in.
    pub seconds: u64,
}

impl Call {
    /// How much of the whole fax is through, in percent, `bytes` of the page's octets being transferred.
    /// `None` where the number of pages is not known.
    pub fn percent_of(page: u32, pages: Option<u32>, bytes: u64, of: Option<u64>) -> Option<u8> {
        let pages = f64::from(pages.filter(|&pages| pages > 0)?);
        let done = f64::from(page.saturating_sub(1));
        let within = match of {
            Some(of) if of > 0 && page > 0 => (bytes as f64 / of as f64).min(1.0),
            _ => 0.0,
        };
        Some(((done + within) / pages * 100.0).min(100.0) as u8)
    }
}

/// Who called whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// We called, to send.
    Out,
    /// We were called, to receive.
    In,
}

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It shares the call of another fax, which comes first.
    Behind,
    /// INVITE sent, or received and not answered yet.
    Dialling,
    /// It rings (180).
    Ringing,
    /// Answered in audio; nobody has changed to T.38 yet.
    Answered,
    /// DIS, DCS, training.
    Negotiating,
    /// A page is on its way.
    Transferring,
    /// The last page is out, its confirmation is awaited.
    Confirming,
    /// Hanging up.
    Ending,
}

/// The first sentence of a fax's receipt, as it is or would be now, and what its sender can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// "Your fax to 5551234567 was delivered: ..."
    pub first: String,
    /// "Please send it again later."; empty: nothing.
    pub next: String,
}

/// A fax that is not out yet.
#[derive(Debug, Clone, Serialize)]
pub struct WaitingFax {
    /// Its id.
    pub fax: String,
    /// The number.
    pub number: String,
    /// Who sent the mail.
    pub sender: String,
    /// Its pages, once they are made.
    pub pages: Option<u32>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried next; `None`: as soon as what it waits for is there.
    pub next_try: Option<Timestamp>,
    /// What it waits for: `pages`, `held`, `asked`, `rest`, `retry`, `hours` or `line`.
    pub waits_for: &'static str,
    /// The same in half a sentence; empty where the last cause tells.
    pub why: String,
    /// What became of the last attempt.
    pub outcome: Option<Outcome>,
    /// The cause in detail.
    pub detail: String,
    /// What its receipt says first, and what can be done about it, which may be nothing.
    pub told: Told,
}

/// A fax whose story is over.
#[derive(Debug, Clone, Serialize)]
pub struct SentFax {
    /// Its id.
    pub fax: String,
    /// The number.
    pub number: String,
    /// Who sent the mail.
    pub sender: String,
    /// What became of it; `None`: its document could not be made into pages, and `detail` says why.
    pub outcome: Option<Outcome>,
    /// The cause in detail.
    pub detail: String,
    /// Its pages.
    pub pages: u32,
    /// Pages that the far end confirmed.
    pub confirmed: u32,
    /// Seconds of the last call.
    pub seconds: u64,
    /// Attempts it took.
    pub attempts: u32,
    /// What its receipt says first, and what can be done about it, which may be nothing.
    pub told: Told,
    /// When it ended.
    pub ended: Timestamp,
    /// Where its first page can be seen: `/preview/ID.png`; `None`: nowhere.
    pub preview: Option<String>,
}

/// A fax that came in.
#[derive(Debug, Clone, Serialize)]
pub struct ReceivedFax {
    /// Its id.
    pub fax: String,
    /// The caller's number; `None` where it was withheld.
    pub from: Option<String>,
    /// What the sending machine calls itself (TSI).
    pub station: Option<String>,
    /// The number that was called.
    pub to: String,
    /// The sub-address that came with it (SUB).
    pub sub_address: Option<String>,
    /// How the call ended.
    pub outcome: Outcome,
    /// The cause in detail.
    pub detail: String,
    /// Pages received.
    pub pages: u32,
    /// Seconds of the call.
    pub seconds: u64,
    /// When it ended.
    pub ended: Timestamp,
    /// Whether the next hop has taken the mail with it.
    pub handed_over: bool,
    /// Whether it refused one for good; the postmaster gets it then.
    pub refused: bool,
    /// Where its first page can be seen: `/preview/ID.png`; `None`: nowhere.
    pub preview: Option<String>,
}

/// A mail that the next hop has not taken yet.
#[derive(Debug, Clone, Serialize)]
pub struct WaitingMail {
    /// Its id.
    pub id: String,
    /// Recipients, joined by commas.
    pub to: String,
    /// Its Subject.
    pub subject: String,
    /// Since when it waits.
    pub since: Timestamp,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried next; `None`: given up, an admin must look.
    pub next_try: Option<Timestamp>,
    /// What the next hop said last.
    pub reply: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_of_a_fax_grows_from_0_to_100() {
        assert_eq!(Call::percent_of(0, Some(2), 0, None), Some(0));
        assert_eq!(Call::percent_of(1, Some(2), 50, Some(100)), Some(25));
        assert_eq!(Call::percent_of(2, Some(2), 100, Some(100)), Some(100));
        assert_eq!(Call::percent_of(9, Some(2), 900, Some(100)), Some(100));
        assert_eq!(Call::percent_of(1, None, 50, Some(100)), None);
        assert_eq!(Call::percent_of(1, Some(0), 50, Some(0)), None);
    }
}
