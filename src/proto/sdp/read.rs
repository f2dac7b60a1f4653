//! Reading: whatever carriers and machines write.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::hosts::is_hold;
use super::{
    Audio, Codec, Direction, ErrorCorrection, Format, MAX_OCTETS, Media, MediaLine, SdpError,
    Session, Stream, T38, unusable_address,
};

/// Reads a session description.
///
/// # Errors
/// [`SdpError`] names what is wrong. A stream that a fax cannot use is no error, see [`Media::Unusable`].
pub fn read(body: &[u8]) -> Result<Session, SdpError> {
    if body.len() > MAX_OCTETS {
        return Err(SdpError::TooLong(body.len()));
    }
    let lines = lines_of_interest(body);
    if lines.is_empty() {
        return Err(SdpError::Empty);
    }
    let parsed = sdp_types::Session::parse(lines.as_bytes())
        .map_err(|e| SdpError::Malformed(e.to_string()))?;
    if parsed.medias.is_empty() {
        return Err(SdpError::NoMedia);
    }
    let streams = parsed
        .medias
        .iter()
        .map(|media| read_stream(&parsed, media))
        .collect::<Result<_, _>>()?;
    Ok(Session { streams })
}

/// The lines a fax call needs, cleaned: a broken o=, b= or t= line must not cost a fax, nor must white space at
/// line ends, bare LF, or a label in Latin-1.
fn lines_of_interest(body: &[u8]) -> String {
    let mut kept = String::new();
    for line in String::from_utf8_lossy(body).split(['\n', '\r']) {
        let line = line.trim();
        if ["v=", "c=", "m=", "a="]
            .iter()
            .any(|key| line.starts_with(key))
        {
            kept.push_str(line);
            kept.push_str("\r\n");
        }
    }
    kept
}

fn read_stream(session: &sdp_types::Session, media: &sdp_types::Media) -> Result<Stream, SdpError> {
    let line = MediaLine {
        kind: media.media.clone(),
        proto: media.proto.clone(),
        formats: media.fmt.clone(),
    };
    let media = match Kind::of(media) {
        // RFC 3264 8.2: port 0 refuses or ends a stream, whatever else is said of it.
        _ if media.port == 0 => Media::Off,
        Kind::Other => Media::Unusable,
        Kind::Audio => read_audio(session, media)?,
        Kind::T38 => Media::T38(read_t38(session, media)?),
    };
    Ok(Stream { line, media })
}

enum Kind {
    Audio,
    T38,
    Other,
}

impl Kind {
    fn of(media: &sdp_types::Media) -> Kind {
        let kind = media.media.to_ascii_lowercase();
        let proto = media.proto.to_ascii_lowercase();
        let t38 = media
            .fmt
            .split_ascii_whitespace()
            .any(|f| f.eq_ignore_ascii_case("t38"));
        match (kind.as_str(), proto.as_str()) {
            ("audio", "rtp/avp" | "rtp/avpf") => Kind::Audio,
            ("image", "udptl") if t38 => Kind::T38,
            _ => Kind::Other,
        }
    }
}

fn read_audio(session: &sdp_types::Session, media: &sdp_types::Media) -> Result<Media, SdpError> {
    let formats = formats(media);
    if formats.is_empty() {
        return Ok(Media::Unusable);
    }
    Ok(Media::Audio(Audio {
        remote: remote(session, media)?,
        formats,
        telephone_event: telephone_event(media),
        ptime: values(&media.attributes, "ptime").find_map(|ptime| ptime.trim().parse().ok()),
        direction: direction(&media.attributes)
            .or_else(|| direction(&session.attributes))
            .unwrap_or_default(),
    }))
}

/// G.711 in the order of the m= line. Static types need no rtpmap (RFC 3551 6); some give G.711 a dynamic one.
fn formats(media: &sdp_types::Media) -> Vec<Format> {
    let numbers = media.fmt.split_ascii_whitespace();
    let format = |number: u8| {
        let codec = match number {
            0 => Codec::Pcmu,
            8 => Codec::Pcma,
            96..128 => mapped(media).find_map(|(of, codec)| (of == number).then_some(codec?))?,
            _ => return None,
        };
        Some(Format {
            codec,
            payload_type: number,
        })
    };
    numbers.filter_map(|n| format(n.parse().ok()?)).collect()
}

/// Payload types of the rtpmap lines, and which of our codecs they stand for.
fn mapped(media: &sdp_types::Media) -> impl Iterator<Item = (u8, Option<Codec>)> {
    rtpmaps(media).map(|(number, encoding)| {
        let codec = match &encoding[..] {
            "pcmu/8000" | "pcmu/8000/1" => Some(Codec::Pcmu),
            "pcma/8000" | "pcma/8000/1" => Some(Codec::Pcma),
            _ => None,
        };
        (number, codec)
    })
}

fn telephone_event(media: &sdp_types::Media) -> Option<u8> {
    rtpmaps(media)
        .find(|(_, encoding)| encoding.starts_with("telephone-event/8000"))
        .map(|(number, _)| number)
}

/// Payload types and encodings, these in lower case.
fn rtpmaps(media: &sdp_types::Media) -> impl Iterator<Item = (u8, String)> {
    values(&media.attributes, "rtpmap").filter_map(|map| {
        let (number, encoding) = map.trim().split_once(char::is_whitespace)?;
        let number: u8 = number.parse().ok().filter(|number| *number < 128)?;
        Some((number, encoding.trim().to_ascii_lowercase()))
    })
}

fn read_t38(session: &sdp_types::Session, media: &sdp_types::Media) -> Result<T38, SdpError> {
    let attributes = &media.attributes;
    let error_correction = match value(attributes, &["T38FaxUdpEC"]) {
        Some(v) if v.eq_ignore_ascii_case("t38UDPNoEC") => ErrorCorrection::None,
        Some(v) if v.eq_ignore_ascii_case("t38UDPFEC") => ErrorCorrection::Fec,
        _ => ErrorCorrection::Redundancy,
    };
    let local_tcf = value(attributes, &["T38FaxRateManagement"])
        .is_some_and(|v| v.eq_ignore_ascii_case("localTCF"));
    let max_buffer = number(attributes, "T38FaxMaxBuffer", &["T38MaxBuffer"])?;
    let max_datagram = number(
        attributes,
        "T38FaxMaxDatagram",
        &["T38MaxDatagram", "T38FaxMaxDatagramSize"],
    )?;
    Ok(T38 {
        remote: remote(session, media)?,
        version: number(attributes, "T38FaxVersion", &[])?
            .map_or(0, |v| v.min(u8::MAX.into()) as u8),
        max_bit_rate: number(attributes, "T38MaxBitRate", &["T38FaxMaxBitRate"])?.unwrap_or(14400),
        transferred_tcf: !local_tcf,
        max_buffer,
        max_datagram: max_datagram.map(|v| v.min(u16::MAX.into()) as u16),
        error_correction,
        fill_bit_removal: flag(attributes, "T38FaxFillBitRemoval"),
        transcoding_mmr: flag(attributes, "T38FaxTranscodingMMR"),
        transcoding_jbig: flag(attributes, "T38FaxTranscodingJBIG"),
    })
}

/// The address of a stream: its own c= line, else the session's (RFC 8866 5.7).
fn remote(session: &sdp_types::Session, media: &sdp_types::Media) -> Result<SocketAddr, SdpError> {
    let connection = media
        .connections
        .first()
        .or(session.connection.as_ref())
        .ok_or_else(|| SdpError::NoAddress(media.media.clone()))?;
    let text = &connection.connection_address;
    // Some write a unicast address like a multicast one, with a time to live behind it.
    let address = text.split('/').next().unwrap_or_default();
    match address.parse::<IpAddr>() {
        Ok(ip) if !unusable_address(ip) => Ok(SocketAddr::new(ip, media.port)),
        Err(_) if is_hold(address) => Ok((Ipv4Addr::UNSPECIFIED, media.port).into()),
        _ => Err(SdpError::BadAddress(text.clone())),
    }
}

fn direction(attributes: &[sdp_types::Attribute]) -> Option<Direction> {
    attributes
        .iter()
        .find_map(|a| match a.attribute.to_ascii_lowercase().as_str() {
            "sendrecv" => Some(Direction::SendRecv),
            "sendonly" => Some(Direction::SendOnly),
            "recvonly" => Some(Direction::RecvOnly),
            "inactive" => Some(Direction::Inactive),
            _ => None,
        })
}

/// The values of every attribute of that name, in any letter case.
fn values<'a>(
    attributes: &'a [sdp_types::Attribute],
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter(move |a| a.attribute.trim().eq_ignore_ascii_case(name))
        .map(|a| a.value.as_deref().unwrap_or("").trim())
}

fn value<'a>(attributes: &'a [sdp_types::Attribute], names: &[&'a str]) -> Option<&'a str> {
    names.iter().find_map(|n| values(attributes, n).next())
}

/// A number; an attribute without a value counts as missing.
fn number(
    attributes: &[sdp_types::Attribute],
    name: &'static str,
    also: &[&'static str],
) -> Result<Option<u32>, SdpError> {
    let found = value(attributes, &[name]).or_else(|| value(attributes, also));
    match found.filter(|v| !v.is_empty()) {
        None => Ok(None),
        Some(v) => v.parse().map(Some).map_err(|_| SdpError::BadAttribute {
            name,
            value: v.chars().take(40).collect(),
        }),
    }
}

/// A boolean: bare means yes (T.38 annex D), and many write `:0` and `:1` all the same.
fn flag(attributes: &[sdp_types::Attribute], name: &str) -> bool {
    value(attributes, &[name])
        .is_some_and(|v| !matches!(v.to_ascii_lowercase().as_str(), "0" | "no" | "false"))
}
