//! Writing: offers and answers by RFC 3264, with the values every carrier takes.

use std::net::IpAddr;

use sdp_types::{Attribute, Connection, Origin, Time};

use super::{Codec, Direction, ErrorCorrection, Format, Media, MediaLine, Session};

/// What `T38FaxMaxDatagram` we announce, octets; the norm among carriers.
const MAX_DATAGRAM: u16 = 400;
/// The dynamic payload type of our telephone-event. It names digits only: a gateway that reads of fax tones there may
/// take them out of the audio, where the next one listens for them.
pub const TELEPHONE_EVENT: u8 = 101;

/// Writes our side of one call: one origin, one session version per change (RFC 3264 8).
#[derive(Debug, Clone)]
pub struct Describer {
    address: IpAddr,
    session: u64,
    version: u64,
    rtp_port: u16,
    udptl_port: u16,
}

/// What to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered<'a> {
    /// G.711 in this order.
    Audio(&'a [Codec]),
    /// T.38.
    T38 {
        /// `T38MaxBitRate`, bit/s.
        max_bit_rate: u32,
    },
    /// Both at once, for the far end to choose.
    Both {
        /// G.711 in this order.
        codecs: &'a [Codec],
        /// `T38MaxBitRate`, bit/s.
        max_bit_rate: u32,
    },
}

/// Which of the offered streams to take; all others are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The first audio stream, with this codec, under the number that it was offered with (RFC 3264 6.1).
    Audio(Format),
    /// The first T.38 stream, at most at this speed, bit/s.
    T38 {
        /// `T38MaxBitRate`.
        max_bit_rate: u32,
    },
    /// None.
    Nothing,
}

impl Describer {
    /// `address` is where the far end reaches the two ports; `session` tells our sessions apart (RFC 8866 5.2).
    pub fn new(address: IpAddr, session: u64, rtp_port: u16, udptl_port: u16) -> Describer {
        Describer {
            address,
            // Some read it into a signed 64-bit number.
            session: session & (u64::MAX >> 1),
            version: 0,
            rtp_port,
            udptl_port,
        }
    }

    /// An offer. `before` are the m= lines of the session so far, none in a first offer. A later offer has at least as
    /// many (RFC 3264 8): a stream takes the place of one of its kind, else the first, and the rest are put away.
    pub fn offer(&mut self, what: Offered<'_>, before: &[MediaLine]) -> Vec<u8> {
        let sound = |codecs: &[Codec]| {
            let formats: Vec<Format> = codecs.iter().map(|codec| codec.fixed()).collect();
            self.audio(&formats, Direction::SendRecv, Some(TELEPHONE_EVENT))
        };
        let fax = |rate| self.t38(0, rate, ErrorCorrection::Redundancy);
        let streams = match what {
            Offered::Audio(codecs) => vec![sound(codecs)],
            Offered::T38 { max_bit_rate } => vec![fax(max_bit_rate)],
            Offered::Both {
                codecs,
                max_bit_rate,
            } => vec![sound(codecs), fax(max_bit_rate)],
        };
        let medias = match (&streams[..], before) {
            ([only], [_, ..]) => in_place(only, before),
            _ => streams,
        };
        self.session(medias)
    }

    /// An answer: as many m= lines as the offer has, in its order, port 0 for what we do not take (RFC 3264 6).
    pub fn answer(&mut self, offer: &Session, choice: Choice) -> Vec<u8> {
        let mut taken = false;
        let medias = offer
            .streams
            .iter()
            .map(|stream| {
                let answer = match (&stream.media, choice) {
                    _ if taken => None,
                    (Media::Audio(audio), Choice::Audio(format)) => Some(self.audio(
                        &[format],
                        audio.direction.answered(),
                        audio.telephone_event,
                    )),
                    (Media::T38(t38), Choice::T38 { max_bit_rate }) => Some(self.t38(
                        // T.38 annex D.2.3: the answer has the lower version; ours is 0.
                        0,
                        t38.max_bit_rate.min(max_bit_rate),
                        t38.error_correction,
                    )),
                    _ => None,
                };
                taken |= answer.is_some();
                answer.unwrap_or_else(|| refused(&stream.line))
            })
            .collect();
        self.session(medias)
    }

    fn session(&mut self, medias: Vec<sdp_types::Media>) -> Vec<u8> {
        self.version += 1;
        let mut session = sdp_types::Session::new(
            Origin::with_ip_addr(self.session, self.version, self.address),
            "-",
        );
        session.set_connection(Connection::from_ip_addr(self.address));
        session.add_time(Time::new(0, 0));
        session.medias = medias;
        let mut text = Vec::new();
        session
            .write(&mut text)
            .expect("writing into a vector does not fail");
        text
    }

    fn audio(
        &self,
        codecs: &[Format],
        direction: Direction,
        telephone_event: Option<u8>,
    ) -> sdp_types::Media {
        let mut formats: Vec<String> = Vec::new();
        let mut attributes = Vec::new();
        for format in codecs {
            let pt = format.payload_type;
            formats.push(pt.to_string());
            let name = format.codec.name();
            attributes.push(with("rtpmap", format!("{pt} {name}/8000")));
        }
        if let Some(pt) = telephone_event {
            formats.push(pt.to_string());
            attributes.push(with("rtpmap", format!("{pt} telephone-event/8000")));
            attributes.push(with("fmtp", format!("{pt} 0-15")));
        }
        attributes.push(with("ptime", "20"));
        // Fax tones do not survive comfort noise.
        attributes.push(with("silenceSupp", "off - - - -"));
        attributes.push(Attribute::new(direction.attribute()));
        stream(
            "audio",
            self.rtp_port,
            "RTP/AVP",
            &formats.join(" "),
            attributes,
        )
    }

    fn t38(&self, version: u8, max_bit_rate: u32, correction: ErrorCorrection) -> sdp_types::Media {
        let correction = match correction {
            ErrorCorrection::None => "t38UDPNoEC",
            ErrorCorrection::Redundancy => "t38UDPRedundancy",
            ErrorCorrection::Fec => "t38UDPFEC",
        };
        let attributes = vec![
            with("T38FaxVersion", version),
            with("T38MaxBitRate", max_bit_rate),
            with("T38FaxRateManagement", "transferredTCF"),
            with("T38FaxMaxDatagram", MAX_DATAGRAM),
            with("T38FaxUdpEC", correction),
        ];
        stream("image", self.udptl_port, "udptl", "t38", attributes)
    }
}

/// The m= lines of the session so far with `stream` in its place among them.
fn in_place(stream: &sdp_types::Media, before: &[MediaLine]) -> Vec<sdp_types::Media> {
    let same_kind = |line: &MediaLine| line.kind.eq_ignore_ascii_case(&stream.media);
    let place = before.iter().position(same_kind).unwrap_or(0);
    let line = |(n, line)| match n == place {
        true => stream.clone(),
        false => refused(line),
    };
    before.iter().enumerate().map(line).collect()
}

fn refused(line: &MediaLine) -> sdp_types::Media {
    stream(&line.kind, 0, &line.proto, &line.formats, Vec::new())
}

fn stream(
    kind: &str,
    port: u16,
    proto: &str,
    formats: &str,
    attributes: Vec<Attribute>,
) -> sdp_types::Media {
    sdp_types::Media {
        media: kind.to_owned(),
        port,
        num_ports: None,
        proto: proto.to_owned(),
        fmt: formats.to_owned(),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes,
    }
}

fn with(name: &str, value: impl ToString) -> Attribute {
    Attribute::with_value(name, value)
}
