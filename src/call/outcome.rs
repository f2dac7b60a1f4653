//! What became of a call: one enum, stored in the queue, shown on the page, mapped to retries by one table.

use serde::{Deserialize, Serialize};

/// The outcome of one attempt to send or receive a fax.
///
/// Stored by its [`Outcome::name`]; never rename a variant without an upgrade of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every page was confirmed by the far end (MCF after EOP, T.30 5.3.6.1.7).
    Delivered,
    /// 486 or 600, or Q.850 cause 17.
    Busy,
    /// 408, 480, 487 after our ring time, Q.850 18 or 19.
    NoAnswer,
    /// 404, 410, 484, 604, Q.850 1 or 28: the number does not exist (unallocated).
    NotInService,
    /// 403, 603 and other refusals that will not change by asking again soon.
    Refused,
    /// 5xx other than 503, Q.850 34, 42: try again later.
    Congestion,
    /// 503, a transport error, or no reply at all from the trunk.
    TrunkDown,
    /// 401 or 407 to our credentials, or 403 to our registration: the trunk does not know us.
    NotAuthorized,
    /// Answered, but no fax machine was heard (no CED, no DIS, no re-INVITE) before T1 ran out.
    NoFax,
    /// Answered, and what was heard was a voice.
    VoiceAnswered,
    /// T.38 was refused or could not be agreed, and no other way was left.
    T38Failed,
    /// T.38 was agreed, and then nothing came: the next attempt begins in audio.
    T38Silent,
    /// The far end cannot do what this fax needs: no codec in common, a page size or resolution that it has not.
    Incompatible,
    /// The modems could not agree on a speed (FTT until the last fallback).
    TrainingFailed,
    /// The far end asked for a page again until the tries ran out, or refused it (RTN).
    PageRefused,
    /// The far end hung up, or sent DCN, before the last page was confirmed.
    FarEndHungUp,
    /// The far end fell silent in the middle of a call.
    FarEndSilent,
    /// The call went past the time that so many pages may take.
    TooLong,
    /// A page went more slowly than the least rate that is set.
    TooSlow,
    /// The last page and its EOP went out, and whether it arrived cannot be known.
    Uncertain,
    /// The call broke a rule of T.30 in a way that no other outcome names.
    ProtocolError,
    /// The child process of this call died.
    ChildCrashed,
    /// The child process of this call went past its limits and was ended.
    ChildHung,
    /// What had to be stored could not be (full disk): received pages, which were not confirmed, or how far the fax that we
    /// send had come.
    StorageFailed,
    /// The pages to send could not be had: they are missing, were altered on the disk, or could not be made.
    NoPages,
    /// We kept the far end waiting for longer than it waits: our processes, the machine or its disk stood still.
    GatewayStalled,
    /// Ended by the admin or the sender.
    Cancelled,
    /// Ended because the gateway was told to stop.
    GatewayStopped,
    /// The time that its sender gave it was over before it could be sent.
    Expired,
}

impl Outcome {
    /// Every outcome, for tables and tests.
    pub const ALL: [Outcome; 29] = [
        Outcome::Delivered,
        Outcome::Busy,
        Outcome::NoAnswer,
        Outcome::NotInService,
        Outcome::Refused,
        Outcome::Congestion,
        Outcome::TrunkDown,
        Outcome::NotAuthorized,
        Outcome::NoFax,
        Outcome::VoiceAnswered,
        Outcome::T38Failed,
        Outcome::T38Silent,
        Outcome::Incompatible,
        Outcome::TrainingFailed,
        Outcome::PageRefused,
        Outcome::FarEndHungUp,
        Outcome::FarEndSilent,
        Outcome::TooLong,
        Outcome::TooSlow,
        Outcome::Uncertain,
        Outcome::ProtocolError,
        Outcome::ChildCrashed,
        Outcome::ChildHung,
        Outcome::StorageFailed,
        Outcome::NoPages,
        Outcome::GatewayStalled,
        Outcome::Cancelled,
        Outcome::GatewayStopped,
        Outcome::Expired,
    ];

    /// The name under which the outcome is stored and shown in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Busy => "busy",
            Outcome::NoAnswer => "no_answer",
            Outcome::NotInService => "not_in_service",
            Outcome::Refused => "refused",
            Outcome::Congestion => "congestion",
            Outcome::TrunkDown => "trunk_down",
            Outcome::NotAuthorized => "not_authorized",
            Outcome::NoFax => "no_fax",
            Outcome::VoiceAnswered => "voice_answered",
            Outcome::T38Failed => "t38_failed",
            Outcome::T38Silent => "t38_silent",
            Outcome::Incompatible => "incompatible",
            Outcome::TrainingFailed => "training_failed",
            Outcome::PageRefused => "page_refused",
            Outcome::FarEndHungUp => "far_end_hung_up",
            Outcome::FarEndSilent => "far_end_silent",
            Outcome::TooLong => "too_long",
            Outcome::TooSlow => "too_slow",
            Outcome::Uncertain => "uncertain",
            Outcome::ProtocolError => "protocol_error",
            Outcome::ChildCrashed => "child_crashed",
            Outcome::ChildHung => "child_hung",
            Outcome::StorageFailed => "storage_failed",
            Outcome::NoPages => "no_pages",
            Outcome::GatewayStalled => "gateway_stalled",
            Outcome::Cancelled => "cancelled",
            Outcome::GatewayStopped => "gateway_stopped",
            Outcome::Expired => "expired",
        }
    }

    /// The outcome stored under `name`, if there is one.
    pub fn from_name(name: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|o| o.name() == name)
    }

    /// The cause in words, to stand behind "because" or a colon: "the number was busy".
    pub fn in_words(self) -> &'static str {
        match self {
            Outcome::Delivered => "every page was confirmed",
            Outcome::Busy => "the number was busy",
            Outcome::NoAnswer => "nobody answered",
            Outcome::NotInService => "the number is not in service",
            Outcome::Refused => "the call was refused",
            Outcome::Congestion => "the telephone network was congested",
            Outcome::TrunkDown => "our telephone line (the SIP trunk) did not respond",
            Outcome::NotAuthorized => {
                "our telephone line (the SIP trunk) did not accept our user name and password"
            }
            Outcome::NoFax => "the call was answered, but not by a fax machine",
            Outcome::VoiceAnswered => "the call was answered by a voice, not by a fax machine",
            Outcome::T38Failed => "fax over IP (T.38) could not be agreed with the far end",
            Outcome::T38Silent => {
                "fax over IP (T.38) was agreed, and then nothing came from the far end"
            }
            Outcome::Incompatible => "the far end cannot take a fax of this kind",
            Outcome::TrainingFailed => {
                "the line was too bad for the fax machines to agree on a speed"
            }
            Outcome::PageRefused => "the far end did not accept a page",
            Outcome::FarEndHungUp => "the far end hung up early",
            Outcome::FarEndSilent => "the far end fell silent in the middle of the call",
            Outcome::TooLong => "the call took longer than its pages may take",
            Outcome::TooSlow => "a page went too slowly over the line",
            Outcome::Uncertain => {
                "the last page went out, but its confirmation did not come back; it may have arrived"
            }
            Outcome::ProtocolError => "the far end broke the fax protocol",
            Outcome::ChildCrashed => "the process that ran the call died",
            Outcome::ChildHung => {
                "the process that ran the call went past its limits and was ended"
            }
            Outcome::StorageFailed => "the gateway could not write to its disk",
            Outcome::NoPages => "the gateway could not read or make the pages to send",
            Outcome::GatewayStalled => "the gateway stood still in the middle of the call",
            Outcome::Cancelled => "it was cancelled",
            Outcome::GatewayStopped => "the gateway was stopped",
            Outcome::Expired => "its time was over before it could be sent",
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What is known of a call when it is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallReport {
    /// What became of it.
    pub outcome: Outcome,
    /// The cause in detail, for the admin: a SIP status line, a T.30 status, a signal.
    pub detail: String,
    /// Pages confirmed in this call (sent: MCF seen; received: stored, then MCF sent).
    pub pages: u32,
    /// Sent: the call's process lived to say that the end of no fax's last page is unanswered, so that nothing is in doubt
    /// whatever had been written down before it was to leave.
    #[serde(default)]
    pub unsent: bool,
    /// It was not delivered, and we stood still in it for seconds, which the far end cannot help.
    #[serde(default)]
    pub stalled: bool,
    /// The final SIP status code of the INVITE, where there was one.
    pub sip_code: Option<u16>,
    /// The Q.850 cause of a `Reason` header (RFC 3326), where there was one.
    pub q850: Option<u16>,
    /// The name of the trunk that the call went over, or that refused it last; empty where it came to none.
    pub trunk: String,
    /// Where the INVITE went, or the last one: `udp:198.51.100.7:5060`; empty where none left.
    pub target: String,
    /// What the far end says of itself, once T.30 negotiated.
    pub far_end: FarEnd,
    /// Seconds from answer to the end of the call; 0 where nobody answered.
    pub seconds: f64,
    /// Octets of UDPTL and RTP payload, both directions.
    pub wire_bytes: u64,
}

impl CallReport {
    /// Of a call that ended before anything was sent: no INVITE, no answer, nothing heard.
    pub fn never_placed(outcome: Outcome, detail: String) -> CallReport {
        CallReport {
            outcome,
            detail,
            pages: 0,
            unsent: false,
            stalled: false,
            sip_code: None,
            q850: None,
            trunk: String::new(),
            target: String::new(),
            far_end: FarEnd::default(),
            seconds: 0.0,
            wire_bytes: 0,
        }
    }
}

/// What T.30 told us of the far end and of the link.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FarEnd {
    /// Its station identification (CSI or TSI, T.30 5.3.6.1.1), trimmed.
    pub ident: Option<String>,
    /// bit/s of the page data.
    pub bit_rate: u32,
    /// Whether error correction was on (T.30 annex A).
    pub ecm: bool,
    /// Whether the pages went by T.38; false: audio.
    pub t38: bool,
    /// The coding of the page data: "T.4 1-D", "T.4 2-D", "T.6", "T.85".
    pub compression: String,
    /// What it says of its machine (DIS, NSF), where it said anything.
    #[serde(default)]
    pub said: Option<Box<FarSaid>>,
    /// The sub-address (SUB, T.30 5.3.6.1.3) that came with a fax we received.
    #[serde(default)]
    pub sub_address: Option<String>,
}

/// What the far end says of its machine before anything is agreed: DIS or DTC (T.30 table 2) and NSF.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FarSaid {
    /// Who made it, as its NSF tells (T.35).
    pub make: Option<String>,
    /// What it is, as its NSF tells.
    pub model: Option<String>,
    /// Its fastest modem, bit/s; 0 where it did not say.
    pub bit_rate: u32,
    /// `standard`, `fine`, `superfine`, and others as dots per inch: `300x300`.
    pub resolutions: Vec<String>,
    /// Paper: `A4`, `B4`, `A3` wide, `unlimited` long.
    pub paper: Vec<String>,
    /// Error correction mode (bit 27).
    pub ecm: bool,
    /// T.4 two-dimensional coding (bit 16).
    pub two_dimensional: bool,
    /// T.6 coding (bit 31).
    pub t6: bool,
    /// T.85 (JBIG) coding (bit 78).
    pub t85: bool,
    /// It takes a sub-address (bit 49).
    pub sub_address: bool,
    /// It takes a password (bit 50).
    pub password: bool,
    /// It has something to be polled (bit 9).
    pub polling: bool,
}
