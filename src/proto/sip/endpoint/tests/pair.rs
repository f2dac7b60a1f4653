//! Two endpoints of ours over a wire that loses, delays, reorders and doubles, by a seed.

use std::collections::BTreeMap;

use super::*;

struct Pair {
    ends: [Endpoint; 2],
    now: Instant,
    rng: fastrand::Rng,
    /// What is on its way: when and in which order it arrives, to whom.
    wire: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    serial: u64,
    loss: f64,
    /// No ACK came within the time for it.
    broken: bool,
    events: [VecDeque<Output>; 2],
}

const ADDRESSES: [&str; 2] = ["198.51.100.1:5060", "198.51.100.2:5060"];

impl Pair {
    fn new(seed: u64, loss: f64) -> Pair {
        let end = |at: usize| {
            Endpoint::new(EndpointConfig {
                addresses: vec![LocalAddress {
                    transport: Transport::Udp,
                    bound: BOUND.parse().unwrap(),
                    advertised: ADDRESSES[at].parse().unwrap(),
                }],
                seed: seed_of(seed * 2 + at as u64),
                ..config()
            })
        };
        Pair {
            ends: [end(0), end(1)],
            now: Instant::now(),
            rng: fastrand::Rng::with_seed(seed),
            wire: BTreeMap::new(),
            serial: 0,
            loss,
            broken: false,
            events: Default::default(),
        }
    }

    fn drain(&mut self) {
        for at in 0..2 {
            while let Some(output) = self.ends[at].poll() {
                match output {
                    Output::Transmit { to, octets } => {
                        assert_eq!(to.remote.to_string(), ADDRESSES[1 - at]);
                        self.put(1 - at, octets);
                    }
                    Output::Over(_) => {}
                    other => self.events[at].push_back(other),
                }
            }
        }
    }

    fn put(&mut self, to: usize, octets: Vec<u8>) {
        let copies = if self.rng.f64() < 0.1 { 2 } else { 1 };
        for _ in 0..copies {
            if self.rng.f64() < self.loss {
                continue;
            }
            let delay = Duration::from_millis(self.rng.u64(5..120));
            self.serial += 1;
            self.wire
                .insert((self.now + delay, self.serial), (to, octets.clone()));
        }
    }

    /// One step in time; `false`: nothing will ever happen again.
    fn step(&mut self) -> bool {
        let arrival = self.wire.keys().next().map(|(at, _)| *at);
        let timers = self.ends.iter().filter_map(Endpoint::next_timeout);
        let Some(next) = timers.chain(arrival).min() else {
            return false;
        };
        self.now = self.now.max(next);
        while let Some(entry) = self.wire.first_entry().filter(|e| e.key().0 <= self.now) {
            let (to, octets) = entry.remove();
            let from = Flow::udp(ADDRESSES[1 - to].parse().unwrap());
            self.ends[to].handle_message(&octets, &from, true, self.now);
        }
        for end in &mut self.ends {
            end.handle_timeout(self.now);
        }
        self.drain();
        true
    }

    /// The next event of one end.
    fn event(&mut self, at: usize) -> Option<Output> {
        loop {
            if let Some(event) = self.events[at].pop_front() {
                return Some(event);
            }
            if !self.step() {
                return None;
            }
        }
    }

    fn sip_event(&mut self, at: usize) -> SipEvent {
        match self.event(at) {
            Some(Output::Call(_, event)) => event,
            other => panic!("end {at}: {other:?}"),
        }
    }

    fn command(&mut self, at: usize, call: CallId, command: SipCommand) {
        let now = self.now;
        self.ends[at].command(call, command, now);
        self.drain();
    }

    fn nothing_is_left(&mut self) {
        while self.step() {}
        for end in &self.ends {
            let holds = end.holds();
            assert_eq!((holds.calls, holds.ended, holds.transactions), (0, 0, 0));
            assert!(end.tags.is_empty() && end.call_ids.is_empty() && end.core.names.is_empty());
        }
    }
}

/// One call with a switch each way; `false`: the wire was too bad for it. It may fail, but both ends know.
fn call(pair: &mut Pair) -> bool {
    let flow = Flow::udp(ADDRESSES[1].parse().unwrap());
    let now = pair.now;
    let ours = pair.ends[0].invite(
        Invite {
            silence: Duration::from_secs(20),
            ..invite(flow)
        },
        now,
    );
    pair.drain();
    let Some(Output::Incoming(theirs, _)) = pair.event(1) else {
        return false;
    };
    pair.command(1, theirs, SipCommand::Ringing);
    pair.command(1, theirs, SipCommand::Accept(SDP.into()));
    let answered = loop {
        match pair.sip_event(0) {
            SipEvent::Progress(_) => {}
            other => break other,
        }
    };
    assert_eq!(answered, SipEvent::Answered(SDP.into()));
    match pair.sip_event(1) {
        SipEvent::Confirmed(None) => {}
        SipEvent::Bye(Some(why)) if pair.loss > 0.0 => {
            assert_eq!(why, "our 200 was never acknowledged");
            pair.broken = true;
            return matches!(pair.sip_event(0), SipEvent::Bye(Some(_)));
        }
        other => panic!("{other:?}"),
    }
    for (from, to, call, other) in [(0, 1, ours, theirs), (1, 0, theirs, ours)] {
        pair.command(from, call, SipCommand::Reinvite(T38.into()));
        assert_eq!(pair.sip_event(to), SipEvent::Reinvite(T38.into()));
        let answer = SipCommand::AnswerReinvite {
            code: 200,
            sdp: Some(T38.into()),
        };
        pair.command(to, other, answer);
        assert_eq!(
            pair.sip_event(from),
            SipEvent::ReinviteAnswered(Ok(T38.into()))
        );
    }
    pair.command(0, ours, SipCommand::Bye("done".into()));
    matches!(pair.sip_event(1), SipEvent::Bye(Some(_)))
}

#[test]
fn a_clean_wire() {
    let mut pair = Pair::new(1, 0.0);
    assert!(call(&mut pair));
    pair.nothing_is_left();
}

#[test]
fn loss_of_a_fifth_with_reordering_and_doubles_two_hundred_times() {
    let mut broken = 0;
    for seed in 0..200 {
        let mut pair = Pair::new(seed, 0.2);
        assert!(call(&mut pair), "seed {seed}");
        pair.nothing_is_left();
        broken += u32::from(pair.broken);
    }
    // Four times in a row the 200 or its ACK is lost once in sixty calls.
    assert!(broken < 10, "{broken} calls had no ACK in time");
}

/// Both ask for T.38 at the same time: whoever gets 491 hears of it, and the other's goes through, or neither's does.
#[test]
fn glare_on_a_bad_wire_never_leaves_a_call_half_switched() {
    for seed in 0..200 {
        let mut pair = Pair::new(seed, 0.1);
        let flow = Flow::udp(ADDRESSES[1].parse().unwrap());
        let now = pair.now;
        let ours = pair.ends[0].invite(
            Invite {
                silence: Duration::from_secs(20),
                ..invite(flow)
            },
            now,
        );
        pair.drain();
        let Some(Output::Incoming(theirs, _)) = pair.event(1) else {
            panic!("seed {seed}");
        };
        pair.command(1, theirs, SipCommand::Accept(SDP.into()));
        assert_eq!(pair.sip_event(0), SipEvent::Answered(SDP.into()));
        assert_eq!(pair.sip_event(1), SipEvent::Confirmed(None));
        let calls = [ours, theirs];
        for (at, call) in calls.into_iter().enumerate() {
            pair.command(at, call, SipCommand::Reinvite(T38.into()));
        }
        let mut answers = [None, None];
        let mut asked = [false, false];
        while answers.iter().any(Option::is_none) {
            for at in 0..2 {
                while let Some(output) = pair.events[at].pop_front() {
                    match output {
                        Output::Call(_, SipEvent::ReinviteAnswered(answer)) => {
                            answers[at] = Some(answer);
                        }
                        Output::Call(id, SipEvent::Reinvite(_)) => {
                            asked[at] = true;
                            let answer = SipCommand::AnswerReinvite {
                                code: 200,
                                sdp: Some(T38.into()),
                            };
                            pair.command(at, id, answer);
                        }
                        other => panic!("seed {seed}: {other:?}"),
                    }
                }
            }
            if answers.iter().any(Option::is_none) {
                assert!(pair.step(), "seed {seed}: {answers:?}");
            }
        }
        let switched = answers
            .each_ref()
            .map(|answer| matches!(answer, Some(Ok(_))));
        let [first, second] = asked;
        assert_eq!(switched, [second, first], "seed {seed}: {answers:?}");
        pair.command(0, ours, SipCommand::Bye("done".into()));
        pair.nothing_is_left();
    }
}

#[test]
fn a_wire_that_loses_everything_ends_every_call() {
    let mut pair = Pair::new(3, 0.0);
    let flow = Flow::udp(ADDRESSES[1].parse().unwrap());
    let now = pair.now;
    pair.ends[0].invite(invite(flow), now);
    pair.drain();
    let Some(Output::Incoming(theirs, _)) = pair.event(1) else {
        panic!("it came in");
    };
    pair.loss = 1.0;
    pair.command(1, theirs, SipCommand::Accept(SDP.into()));
    assert!(matches!(pair.sip_event(1), SipEvent::Bye(Some(_))));
    pair.nothing_is_left_but(0);
}

impl Pair {
    /// The caller heard 100 and waits for whoever placed the call.
    fn nothing_is_left_but(&mut self, at: usize) {
        while self.step() {}
        assert_eq!(self.ends[at].holds().calls, 1);
        assert_eq!(self.ends[1 - at].holds().transactions, 0);
    }
}
