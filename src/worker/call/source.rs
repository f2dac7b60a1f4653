//! Whom we listen to, and where we send: the far end may sit behind NAT and may move, a stranger may not get in.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// After this much silence another port of the same address may take over, whatever its numbers.
const PORT_PATIENCE: Duration = Duration::from_secs(1);
/// After this much silence another address may take over that goes on with the numbers (a NAT that changed).
const ADDRESS_PATIENCE: Duration = Duration::from_secs(3);
/// For this long after a move, what is late from the old place is heard and not followed.
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

/// Listens to one source at a time.
///
/// The address of the SDP is always listened to. Behind NAT the packets come from elsewhere: then the first good
/// packet decides, and we answer to where it came from (symmetric RTP, RFC 4961).
#[derive(Debug, Default)]
pub(super) struct SourceLock {
    signalled: Option<SocketAddr>,
    source: Option<(SocketAddr, Instant)>,
    /// The source before the far end said that it moves, and when it said so.
    former: Option<(SocketAddr, Instant)>,
}

impl SourceLock {
    /// The far end's address by its SDP. From a new one on we send there, until something comes from elsewhere.
    pub(super) fn signal(&mut self, remote: SocketAddr, now: Instant) {
        if self.signalled != Some(remote) {
            self.signalled = Some(remote);
            self.former = self.source.take().map(|(source, _)| (source, now));
        }
    }

    /// Where to send.
    pub(super) fn destination(&self) -> Option<SocketAddr> {
        self.source.map(|(source, _)| source).or(self.signalled)
    }

    /// Whether to take a packet from there; `continues` where its numbers go on where the far end was.
    pub(super) fn judge(&mut self, from: SocketAddr, continues: bool, now: Instant) -> Verdict {
        let Some(signalled) = self.signalled else {
            return Verdict::Drop;
        };
        let verdict = match self.source {
            Some((source, _)) if from == source => Verdict::Take,
            _ if from == signalled => self.moved(),
            None if self.is_late(from, now) => return Verdict::Take,
            None => self.moved(),
            Some((source, heard)) => match may_take_over(from, source, continues, now - heard) {
                true => Verdict::Moved,
                false => Verdict::Drop,
            },
        };
        if verdict != Verdict::Drop {
            self.source = Some((from, now));
            self.former = None;
        }
        verdict
    }

    /// The very first source is no move.
    fn moved(&self) -> Verdict {
        match (self.source, self.former) {
            (None, None) => Verdict::Take,
            _ => Verdict::Moved,
        }
    }

    fn is_late(&self, from: SocketAddr, now: Instant) -> bool {
        self.former
            .is_some_and(|(former, moved)| from == former && now - moved < LATE)
    }
}

fn may_take_over(from: SocketAddr, source: SocketAddr, continues: bool, silence: Duration) -> bool {
    match from.ip() == source.ip() {
        true => continues || silence > PORT_PATIENCE,
        false => continues && silence > ADDRESS_PATIENCE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: u16 = 1;
    const NAT: u16 = 2;
    const OTHER: u16 = 3;

    /// A host a number: its address, its port.
    fn addr(host: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host as u8], 4000 + host))
    }

    fn port(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, NAT as u8], port))
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A far end behind NAT that has been heard.
    fn heard(now: Instant) -> SourceLock {
        let mut lock = SourceLock::default();
        lock.signal(addr(SDP), now);
        assert_eq!(lock.destination(), Some(addr(SDP)));
        assert_eq!(lock.judge(addr(NAT), true, now), Verdict::Take);
        assert_eq!(lock.destination(), Some(addr(NAT)));
        lock
    }

    #[test]
    fn stranger_cannot_take_over_a_source_that_still_speaks() {
        let now = Instant::now();
        let mut lock = heard(now);
        for second in 1..20 {
            let now = now + at(second);
            assert_eq!(lock.judge(addr(OTHER), true, now), Verdict::Drop);
            assert_eq!(lock.judge(addr(NAT), true, now), Verdict::Take);
        }
        assert_eq!(lock.destination(), Some(addr(NAT)));
    }

    #[test]
    fn nat_that_changed_is_followed_after_silence_if_the_numbers_go_on() {
        let now = Instant::now();
        let mut lock = heard(now);
        assert_eq!(lock.judge(addr(OTHER), true, now + at(2)), Verdict::Drop);
        assert_eq!(lock.judge(addr(OTHER), false, now + at(9)), Verdict::Drop);
        assert_eq!(lock.judge(addr(OTHER), true, now + at(4)), Verdict::Moved);
        assert_eq!(lock.destination(), Some(addr(OTHER)));
    }

    #[test]
    fn other_port_of_the_same_host_is_followed_at_once_if_the_numbers_go_on() {
        let now = Instant::now();
        let mut lock = heard(now);
        // Another call of the same gateway, whose last packets went astray.
        assert_eq!(lock.judge(port(9), false, now), Verdict::Drop);
        assert_eq!(lock.judge(port(7), true, now), Verdict::Moved);
        assert_eq!(lock.judge(port(8), false, now + at(2)), Verdict::Moved);
        assert_eq!(lock.destination(), Some(port(8)));
    }

    #[test]
    fn signalled_address_wins_over_an_early_stranger() {
        let now = Instant::now();
        let mut lock = heard(now);
        assert_eq!(lock.judge(addr(SDP), false, now), Verdict::Moved);
        assert_eq!(lock.judge(addr(NAT), true, now), Verdict::Drop);
    }

    #[test]
    fn new_address_in_a_reinvite_is_sent_to_at_once_and_late_packets_change_nothing() {
        let now = Instant::now();
        let mut lock = heard(now);
        lock.signal(addr(OTHER), now);
        assert_eq!(lock.destination(), Some(addr(OTHER)));
        assert_eq!(lock.judge(addr(NAT), true, now + at(1)), Verdict::Take);
        assert_eq!(lock.destination(), Some(addr(OTHER)));
        assert_eq!(lock.judge(addr(OTHER), false, now + at(1)), Verdict::Moved);
        assert_eq!(lock.judge(addr(NAT), true, now + at(1)), Verdict::Drop);
    }

    #[test]
    fn reinvite_that_changed_nothing_behind_nat_finds_the_old_source_again() {
        let now = Instant::now();
        let mut lock = heard(now);
        lock.signal(addr(OTHER), now);
        assert_eq!(lock.judge(addr(NAT), true, now + at(3)), Verdict::Moved);
        assert_eq!(lock.destination(), Some(addr(NAT)));
    }

    #[test]
    fn nobody_is_listened_to_before_the_sdp() {
        let verdict = SourceLock::default().judge(addr(SDP), true, Instant::now());
        assert_eq!(verdict, Verdict::Drop);
    }
}
