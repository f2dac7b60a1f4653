//! The two sockets of a call: RTP on an even port (RFC 3550 11), UDPTL on the next.

use std::io;
use std::net::{IpAddr, UdpSocket};

use crate::net::random;

/// Tries for a free pair among ports that the system picks.
const TRIES: usize = 64;

/// RTP and UDPTL of one call. The child gets copies; ours may be dropped.
pub(super) struct MediaSockets {
    pub rtp: UdpSocket,
    pub udptl: UdpSocket,
    pub rtp_port: u16,
    pub udptl_port: u16,
}

impl MediaSockets {
    /// Binds a pair in `first..=last`, beginning anywhere, so that a late packet of the last call meets nobody and no
    /// stranger knows where the next one is; (0, 0)
    /// takes any.
    ///
    /// # Errors
    /// `AddrInUse` when every pair is taken; else as the system says of the address.
    pub fn bind(ip: IpAddr, (first, last): (u16, u16)) -> io::Result<MediaSockets> {
        if (first, last) == (0, 0) {
            return MediaSockets::bind_any(ip);
        }
        let even: Vec<u16> = (first..last).filter(|port| port % 2 == 0).collect();
        let start = random::below(even.len().max(1));
        even.iter()
            .cycle()
            .skip(start)
            .take(even.len())
            .find_map(|port| MediaSockets::pair(ip, *port).ok())
            .ok_or_else(|| none_free(&format!("in {first} to {last}")))
    }

    fn bind_any(ip: IpAddr) -> io::Result<MediaSockets> {
        for _ in 0..TRIES {
            let port = UdpSocket::bind((ip, 0))?.local_addr()?.port() & !1;
            if port > 0
                && let Ok(pair) = MediaSockets::pair(ip, port)
            {
                return Ok(pair);
            }
        }
        Err(none_free("among the system's"))
    }

    fn pair(ip: IpAddr, rtp_port: u16) -> io::Result<MediaSockets> {
        let udptl_port = rtp_port + 1;
        Ok(MediaSockets {
            rtp: UdpSocket::bind((ip, rtp_port))?,
            udptl: UdpSocket::bind((ip, udptl_port))?,
            rtp_port,
            udptl_port,
        })
    }
}

fn none_free(place: &str) -> io::Error {
    let text = format!("no free pair of media ports {place}");
    io::Error::new(io::ErrorKind::AddrInUse, text)
}
