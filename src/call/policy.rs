//! What may be set about a call: who switches to T.38, and how long things may take.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::proto::sdp::Codec;

/// Who sends the re-INVITE to T.38. Carriers differ, by direction too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReinvitePolicy {
    /// We do, this long after the call is up, or at once when a fax tone is heard.
    Us {
        /// Time from the ACK.
        after: Duration,
    },
    /// The far end does; we wait.
    Them,
    /// The far end may; when it has not after this long, or [`TONE_COURTESY`] after a fax tone, we do.
    ThemThenUs {
        /// Time from the ACK.
        after: Duration,
    },
    /// Nobody does: offers of T.38 are refused, the fax runs in audio.
    Never,
    /// T.38 stands in our INVITE. A far end that does not take it there gets audio, and from then on it is as with
    /// [`ReinvitePolicy::ThemThenUs`]: many that refuse it first (Asterisk: 488, or port 0) ask for it themselves.
    T38First {
        /// Whether audio is offered beside it. Alone, a refusal (488, 415, 606) costs a second INVITE.
        with_audio: bool,
        /// Time from the ACK until we ask again.
        after: Duration,
    },
}

/// How long a heard fax tone leaves the word to the far end under [`ReinvitePolicy::ThemThenUs`]: gateways switch on
/// the tone as well, and two re-INVITEs at once cost seconds (491). CED lasts longer than this, so DIS is not lost.
pub const TONE_COURTESY: Duration = Duration::from_secs(1);

/// How long a call may last from its answer, by its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TotalTime {
    /// Without any page.
    pub base: Duration,
    /// For each page, the one under way included.
    pub per_page: Duration,
}

impl Default for TotalTime {
    /// A dense page of 50 KB takes 170 s at 2400 bit/s.
    fn default() -> TotalTime {
        TotalTime {
            base: Duration::from_secs(180),
            per_page: Duration::from_secs(180),
        }
    }
}

impl TotalTime {
    /// For so many pages.
    pub fn of(self, pages: u32) -> Duration {
        self.base + self.per_page * pages
    }
}

/// The settings of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallPolicy {
    /// Who switches to T.38.
    pub reinvite: ReinvitePolicy,
    /// Whether a fax may run in audio where T.38 was refused or is not wanted.
    pub audio_fax: bool,
    /// How long an outgoing call may ring.
    pub ring: Duration,
    /// How long after the answer a fax must have been heard (T1 of T.30 5.4.3.1: 35 s).
    pub no_fax: Duration,
    /// How long after a switch to T.38 its first packet may take.
    pub t38_silence: Duration,
    /// UDPTL packets repeated in each packet (T.38 9.1.4.1).
    pub redundancy: u8,
    /// How long a call may last from its answer, whatever happens.
    pub total: TotalTime,
    /// How long a child may take for its farewell (DCN) and its report.
    pub farewell: Duration,
    /// Networks from which media may come beside the signalled address.
    pub media_peers: Vec<IpNet>,
    /// Whether ours goes to where media comes from.
    pub symmetric_media: bool,
}

impl CallPolicy {
    /// For calls that we place: the called side knows best when a fax answered.
    pub fn outgoing() -> CallPolicy {
        CallPolicy {
            reinvite: ReinvitePolicy::ThemThenUs {
                after: Duration::from_secs(4),
            },
            audio_fax: true,
            ring: Duration::from_secs(60),
            no_fax: Duration::from_secs(35),
            // A called terminal repeats its DIS every 3 s (T.30 T4), and its CED may come first.
            t38_silence: Duration::from_secs(12),
            redundancy: 3,
            total: TotalTime::default(),
            farewell: Duration::from_secs(6),
            media_peers: Vec::new(),
            symmetric_media: false,
        }
    }

    /// For calls that we take: we are the fax that answered, so we switch.
    pub fn incoming() -> CallPolicy {
        CallPolicy {
            reinvite: ReinvitePolicy::Us {
                after: Duration::from_millis(100),
            },
            // A gateway in front of a calling machine has nothing to say before the machine has understood our DIS,
            // and that may take more than one (T.30 5.4.3.1: T1 leaves it 35 s).
            t38_silence: Duration::from_secs(30),
            ..CallPolicy::outgoing()
        }
    }
}

/// What a call machine is made of.
#[derive(Debug, Clone)]
pub struct CallConfig {
    /// The settings of this direction.
    pub policy: CallPolicy,
    /// The address the far end reaches our media sockets at.
    pub address: IpAddr,
    /// The address that the call is signalled with.
    pub sip_peer: Option<IpAddr>,
    /// The port of the RTP socket.
    pub rtp_port: u16,
    /// The port of the UDPTL socket.
    pub udptl_port: u16,
    /// G.711 in the order we offer it.
    pub codecs: Vec<Codec>,
    /// `T38MaxBitRate` we offer, bit/s.
    pub max_bit_rate: u32,
    /// Pages to send; 0 for a receiver.
    pub pages: u32,
    /// Tells our sessions apart and seeds the random wait after a glare.
    pub session: u64,
}
