//! Whom we listen to, and where we send. One table for UDPTL and RTP:
//!
//! | a packet from | before the first valid packet | after it | while we transmit | after a second of its silence | after new SDP |
//! |---|---|---|---|---|---|
//! | the place heard last | - | taken | taken | taken | taken for two seconds, not followed |
//! | the signalled address and port | taken | taken, where the address is that heard last | the same | the same | taken |
//! | another port of the address heard last | - | dropped | dropped | taken | as before the first packet |
//! | another port of the signalled address | taken | dropped | dropped | dropped | taken |
//! | the SIP peer, where the signalled address is private or unroutable | taken | dropped | dropped | dropped | taken |
//! | `media_peers` of the trunk | taken | dropped | dropped | dropped | taken |
//! | anybody else | dropped | dropped | dropped | dropped | dropped |
//!
//! We send to the signalled address and port; to where media comes from (symmetric RTP, RFC 4961) only with
//! `symmetric_media`, or where the signalled address is private or unroutable, and so means nothing to us. Sequence
//! numbers prove nothing: whoever sees no packet still guesses one that fits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::call::media::MediaSources;

/// After this much silence of the far end another port of its address may take over.
const PORT_SILENCE: Duration = Duration::from_secs(1);
/// We transmit until this long after our last packet of a signal: they leave some 60 ms apart.
const TRANSMITTING: Duration = Duration::from_millis(200);
/// For this long after new SDP, what is late from the old place is heard and not followed.
const LATE: Duration = Duration::from_secs(2);

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A stranger's.
    Drop,
    /// The far end's.
    Take,
    /// The far end's, from a new place.
    Moved,
}

/// Listens to one source at a time, by the table of this module.
#[derive(Debug, Default)]
pub(super) struct SourceLock {
    signalled: Option<SocketAddr>,
    sources: MediaSources,
    /// Where the far end was heard last, and when.
    source: Option<(SocketAddr, Instant)>,
    /// The source before new SDP, and when that came.
    former: Option<(SocketAddr, Instant)>,
    /// When a packet of a signal of ours left last.
    transmitted: Option<Instant>,
}

impl SourceLock {
    /// The far end's address by its SDP, and who else may speak for it. New ones unlock what was locked.
    pub(super) fn signal(&mut self, remote: SocketAddr, sources: &MediaSources, now: Instant) {
        if self.signalled != Some(remote) || self.sources != *sources {
            self.signalled = Some(remote);
            self.sources.clone_from(sources);
            self.former = self.source.take().map(|(source, _)| (source, now));
        }
    }

    /// A packet of a signal leaves, page data or a frame, not silence; `None`: the signal is at its end.
    pub(super) fn transmit(&mut self, at: Option<Instant>) {
        self.transmitted = at;
    }

    /// Where to send; `None` while that is nowhere: the address leads to this machine or to many, and nothing came yet.
    pub(super) fn destination(&self) -> Option<SocketAddr> {
        let signalled = self.signalled?;
        let reach = self.reach_of(signalled);
        let follows = self.sources.symmetric || reach != Reach::Routable;
        match self.source {
            Some((source, _)) if follows => Some(source),
            _ => Some(signalled).filter(|_| reach != Reach::Unroutable),
        }
    }

    /// Whether to take a valid packet from there.
    pub(super) fn judge(&mut self, from: SocketAddr, now: Instant) -> Verdict {
        let Some(signalled) = self.signalled else {
            return Verdict::Drop;
        };
        let verdict = match self.source {
            Some((source, _)) if from == source => Verdict::Take,
            Some((source, heard)) => {
                let is_silent = now.saturating_duration_since(heard) > PORT_SILENCE;
                let may_move = from == signalled || (is_silent && !self.is_transmitting(now));
                match may_move && is_same_address(from.ip(), source.ip()) {
                    true => Verdict::Moved,
                    false => Verdict::Drop,
                }
            }
            None if self.is_late(from, now) => return Verdict::Take,
            None if !self.may_be_first(from.ip(), signalled) => Verdict::Drop,
            None if self.former.is_some() => Verdict::Moved,
            None => Verdict::Take,
        };
        if verdict != Verdict::Drop {
            self.source = Some((from, now));
            self.former = None;
        }
        verdict
    }

    fn is_transmitting(&self, now: Instant) -> bool {
        self.transmitted
            .is_some_and(|at| now.saturating_duration_since(at) < TRANSMITTING)
    }

    fn is_late(&self, from: SocketAddr, now: Instant) -> bool {
        self.former.is_some_and(|(former, since)| {
            from == former
                && Some(from) != self.signalled
                && now.saturating_duration_since(since) < LATE
        })
    }

    /// Whose packet may be the first behind SDP.
    fn may_be_first(&self, from: IpAddr, signalled: SocketAddr) -> bool {
        let from = from.to_canonical();
        let hidden = self.reach_of(signalled) != Reach::Routable;
        let sip_peer = self.sources.sip_peer.filter(|_| hidden);
        is_same_address(from, signalled.ip())
            || sip_peer.is_some_and(|peer| is_same_address(from, peer))
            || self
                .sources
                .media_peers
                .iter()
                .any(|net| net.contains(&from))
    }

    fn reach_of(&self, signalled: SocketAddr) -> Reach {
        reach(signalled.ip(), self.sources.sip_peer)
    }
}

/// An IPv4 address in IPv6 clothes counts as IPv4.
fn is_same_address(one: IpAddr, other: IpAddr) -> bool {
    one.to_canonical() == other.to_canonical()
}

/// What an address in SDP is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// It leads to the far end.
    Routable,
    /// RFC 1918, RFC 6598, RFC 4193: it means another machine, or none, beyond a NAT.
    Private,
    /// It leads to no far end: unspecified, this machine, this link, multicast, reserved.
    Unroutable,
}

/// A peer on this machine or this link may well have its media there, too.
fn reach(signalled: IpAddr, sip_peer: Option<IpAddr>) -> Reach {
    let signalled = signalled.to_canonical();
    let peer = sip_peer.map(|peer| peer.to_canonical());
    let misleads = |test: fn(IpAddr) -> bool| test(signalled) && !peer.is_none_or(test);
    let nowhere = match signalled {
        IpAddr::V4(ip) => ip.octets()[0] == 0 || ip.octets()[0] >= 224,
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast(),
    };
    if nowhere || misleads(|ip| ip.is_loopback()) || misleads(is_link_local) {
        Reach::Unroutable
    } else if is_private(signalled) {
        Reach::Private
    } else {
        Reach::Routable
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn is_private(ip: IpAddr) -> bool {
    let is_shared = |ip: Ipv4Addr| ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
    match ip {
        IpAddr::V4(ip) => ip.is_private() || is_shared(ip),
        IpAddr::V6(ip) => Ipv6Addr::is_unique_local(&ip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIP_PEER: &str = "198.51.100.1";
    const SIGNALLED: &str = "198.51.100.2";
    const PRIVATE: &str = "10.1.2.3";
    const MEDIA_PEER: &str = "203.0.113.77";
    const STRANGER: &str = "198.51.100.66";
    const PORT: u16 = 4000;

    fn at(ip: &str, port: u16) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), port)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn sources(symmetric: bool) -> MediaSources {
        MediaSources {
            sip_peer: Some(SIP_PEER.parse().unwrap()),
            media_peers: vec!["203.0.113.64/27".parse().unwrap()],
            symmetric,
        }
    }

    /// What is known of a call when a packet comes.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Phase {
        BeforeTheFirst,
        AfterIt,
        Transmitting,
        AfterASecond,
        AfterNewSdp,
    }
    use Phase::*;

    const PHASES: [Phase; 5] = [
        BeforeTheFirst,
        AfterIt,
        Transmitting,
        AfterASecond,
        AfterNewSdp,
    ];

    /// A lock in a phase, and the time: the first valid packet came from `first`.
    fn lock_in(phase: Phase, signalled: SocketAddr, first: SocketAddr) -> (SourceLock, Instant) {
        let now = Instant::now();
        let mut lock = SourceLock::default();
        lock.signal(signalled, &sources(false), now);
        if phase == BeforeTheFirst {
            return (lock, now);
        }
        assert_eq!(lock.judge(first, now), Verdict::Take, "{first}");
        match phase {
            AfterIt => (lock, now + ms(900)),
            AfterASecond => (lock, now + ms(1100)),
            Transmitting => {
                // The far end is silent for as long as a page takes.
                (0..400).for_each(|n| lock.transmit(Some(now + ms(60) * n)));
                (lock, now + ms(60) * 400)
            }
            _ => {
                let moved = SocketAddr::new(signalled.ip(), signalled.port() + 10);
                lock.signal(moved, &sources(false), now + ms(20));
                (lock, now + ms(40))
            }
        }
    }

    /// Of each source, the phases in which it is taken.
    fn taken(signalled: &str, first: SocketAddr, from: SocketAddr) -> Vec<Phase> {
        let signalled = at(signalled, PORT);
        let is_taken = |phase: &Phase| {
            let (mut lock, now) = lock_in(*phase, signalled, first);
            lock.judge(from, now) != Verdict::Drop
        };
        PHASES.into_iter().filter(is_taken).collect()
    }

    #[test]
    fn the_table_source_by_phase() {
        let all = PHASES.to_vec();
        let around_sdp = vec![BeforeTheFirst, AfterNewSdp];
        let mut with_silence = around_sdp.clone();
        with_silence.insert(1, AfterASecond);
        let here = at(SIGNALLED, PORT);
        for (what, from, expected) in [
            ("the signalled place", here, &all),
            ("another port", at(SIGNALLED, 4444), &with_silence),
            ("the SIP peer", at(SIP_PEER, PORT), &vec![]),
            ("a media peer", at(MEDIA_PEER, PORT), &around_sdp),
            ("a stranger", at(STRANGER, PORT), &vec![]),
        ] {
            assert_eq!(taken(SIGNALLED, here, from), *expected, "{what}");
        }
        // The far end sits behind NAT, and was heard at its public address.
        let public = at(SIP_PEER, 31_000);
        for (what, from, expected) in [
            ("its place", public, &all),
            ("another port", at(SIP_PEER, 4444), &with_silence),
            ("what SDP says", at(PRIVATE, PORT), &around_sdp),
            ("a media peer", at(MEDIA_PEER, PORT), &around_sdp),
            ("a stranger", at(STRANGER, 31_000), &vec![]),
        ] {
            assert_eq!(taken(PRIVATE, public, from), *expected, "private: {what}");
        }
        // A media peer that has spoken first, and the signalled place behind it.
        let media = at(MEDIA_PEER, 7000);
        assert_eq!(taken(SIGNALLED, media, here), around_sdp);
        assert_eq!(taken(SIGNALLED, media, at(MEDIA_PEER, 7001)), with_silence);
        let other = at("203.0.113.78", 7000);
        assert_eq!(taken(SIGNALLED, media, other), around_sdp);
    }

    /// Whatever it says and whenever: sequence numbers are not even looked at.
    #[test]
    fn a_stranger_is_never_taken_for_the_far_end() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..500 {
            let phase = PHASES[rng.usize(..PHASES.len())];
            let stranger = SocketAddr::from(([198, 18, rng.u8(..), rng.u8(..)], rng.u16(1..)));
            let symmetric = rng.bool();
            let (mut lock, now) = lock_in(phase, at(SIGNALLED, PORT), at(SIGNALLED, PORT));
            lock.sources.symmetric = symmetric;
            let now = now + ms(rng.u64(..60_000));
            let before = lock.destination();
            assert_eq!(lock.judge(stranger, now), Verdict::Drop, "{phase:?}");
            assert_eq!(lock.destination(), before);
        }
    }

    #[test]
    fn packets_go_to_the_signalled_place_unless_symmetric_or_private() {
        for (signalled, symmetric, first, to) in [
            (SIGNALLED, false, at(SIGNALLED, 4444), at(SIGNALLED, PORT)),
            (SIGNALLED, false, at(MEDIA_PEER, 1), at(SIGNALLED, PORT)),
            (SIGNALLED, true, at(SIGNALLED, 4444), at(SIGNALLED, 4444)),
            (PRIVATE, false, at(SIP_PEER, 31_000), at(SIP_PEER, 31_000)),
            ("100.127.9.9", false, at(SIP_PEER, 9), at(SIP_PEER, 9)),
            ("127.0.0.1", false, at(SIP_PEER, 9), at(SIP_PEER, 9)),
        ] {
            let (lock, _) = {
                let now = Instant::now();
                let mut lock = SourceLock::default();
                lock.signal(at(signalled, PORT), &sources(symmetric), now);
                assert_eq!(lock.judge(first, now), Verdict::Take, "{signalled}");
                (lock, now)
            };
            assert_eq!(lock.destination(), Some(to), "{signalled} {symmetric}");
        }
    }

    #[test]
    fn addresses_that_lead_to_ourselves_or_to_many_are_never_sent_to() {
        for nowhere in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "169.254.9.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
        ] {
            let mut lock = SourceLock::default();
            lock.signal(at(nowhere, PORT), &sources(false), Instant::now());
            assert_eq!(lock.destination(), None, "{nowhere}");
        }
        let peer = |ip: &str| Some(ip.parse().unwrap());
        let reach = |ip: &str, peer| reach(ip.parse().unwrap(), peer);
        assert_eq!(reach("127.0.0.2", peer("127.0.0.1")), Reach::Routable);
        assert_eq!(reach("169.254.1.2", peer("169.254.1.1")), Reach::Routable);
        for private in [
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "fd00::1",
        ] {
            assert_eq!(reach(private, peer("10.0.0.1")), Reach::Private);
        }
        for public in ["100.63.255.255", "100.128.0.1", "172.32.0.1", "2001:db8::1"] {
            assert_eq!(reach(public, peer("10.0.0.1")), Reach::Routable);
        }
    }

    #[test]
    fn late_packets_behind_new_sdp_are_heard_and_not_followed() {
        let (mut lock, now) = lock_in(AfterNewSdp, at(SIGNALLED, PORT), at(SIGNALLED, PORT));
        let (old, new) = (at(SIGNALLED, PORT), at(SIGNALLED, PORT + 10));
        assert_eq!(lock.destination(), Some(new));
        assert_eq!(lock.judge(old, now), Verdict::Take);
        assert_eq!(lock.judge(new, now), Verdict::Moved);
        assert_eq!(lock.judge(old, now), Verdict::Drop);
    }

    /// The description changed and the far end did not: its old place is found again.
    #[test]
    fn reinvite_that_changed_nothing_finds_the_old_source_again() {
        let (mut lock, now) = lock_in(AfterNewSdp, at(SIGNALLED, PORT), at(SIGNALLED, 4444));
        let old = at(SIGNALLED, 4444);
        assert_eq!(lock.judge(old, now + ms(3000)), Verdict::Moved);
        assert_eq!(lock.judge(old, now + ms(3010)), Verdict::Take);
    }

    #[test]
    fn nobody_is_listened_to_before_the_sdp() {
        let verdict = SourceLock::default().judge(at(SIGNALLED, PORT), Instant::now());
        assert_eq!(verdict, Verdict::Drop);
    }
}
