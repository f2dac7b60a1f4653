#[cfg(test)]
mod habits;

use std::time::Duration;

use super::*;
use crate::call::policy::CallPolicy;
use crate::proto::sdp::Codec;

const AUDIO: &str = "v=0\r\no=gw 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
    m=audio 16384 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
const T38: &str = "v=0\r\no=gw 1 2 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
    m=image 16386 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxRateManagement:transferredTCF\r\n\
    a=T38FaxMaxDatagram:1400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n";

/// The fax has two pages.
const LAST_PAGE_LEFT: Input = Input::LastPageLeft {
    page: 2,
    is_enough: false,
};

/// A call and its clock; what it wants done is taken with [`Script::actions`].
struct Script {
    call: CallMachine,
    now: Instant,
    finished: Vec<CallReport>,
}

fn config(policy: CallPolicy, pages: u32) -> CallConfig {
    CallConfig {
        policy,
        address: "192.0.2.9".parse().unwrap(),
        sip_peer: None,
        rtp_port: 20000,
        udptl_port: 20001,
        codecs: vec![Codec::Pcma, Codec::Pcmu],
        max_bit_rate: 14400,
        pages,
        session: 7,
    }
}

fn policy(reinvite: ReinvitePolicy) -> CallPolicy {
    CallPolicy {
        reinvite,
        ..CallPolicy::outgoing()
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

impl Script {
    fn dial(policy: CallPolicy) -> Script {
        let now = Instant::now();
        let call = CallMachine::outgoing(config(policy, 2), now);
        let mut script = Script {
            call,
            now,
            finished: Vec::new(),
        };
        assert!(matches!(&script.actions()[..], [Action::Invite(_)]));
        script
    }

    /// Dialled and answered in audio.
    fn talking(policy: CallPolicy) -> Script {
        let mut script = Script::dial(policy);
        script.input(Input::Provisional(180));
        let actions = script.input(Input::Answered(AUDIO.into()));
        assert!(
            matches!(&actions[..], [Action::Child(ChildOrder::Audio(_))]),
            "{actions:?}"
        );
        script
    }

    /// Dialled, answered, and switched by the far end.
    fn faxing() -> Script {
        let mut script = Script::talking(CallPolicy::outgoing());
        let actions = script.input(Input::ReinviteOffered(T38.into()));
        assert!(is_t38_order(&actions[0]), "{actions:?}");
        assert_eq!(answer_code(&actions[1]), 200);
        script
    }

    fn called(policy: CallPolicy) -> Script {
        let now = Instant::now();
        let call = CallMachine::incoming(config(policy, 0), AUDIO.as_bytes(), now);
        let mut script = Script {
            call,
            now,
            finished: Vec::new(),
        };
        let actions = script.actions();
        assert!(matches!(
            &actions[..],
            [Action::Accept(_), Action::Child(ChildOrder::Audio(_))]
        ));
        script
    }

    fn input(&mut self, input: Input) -> Vec<Action> {
        self.call.handle(input, self.now);
        self.actions()
    }

    fn actions(&mut self) -> Vec<Action> {
        let actions: Vec<Action> = std::iter::from_fn(|| self.call.poll()).collect();
        for action in &actions {
            assert!(self.finished.is_empty(), "after the end: {action:?}");
            if let Action::Finished(report) = action {
                self.finished.push(report.clone());
            }
        }
        actions
    }

    /// Lets time pass, with every timeout on the way.
    fn wait(&mut self, time: Duration) -> Vec<Action> {
        let until = self.now + time;
        let mut actions = Vec::new();
        while let Some(due) = self.call.next_timeout().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            actions.extend(self.input(Input::Timeout));
        }
        self.now = until;
        actions
    }

    fn report(&self) -> &CallReport {
        self.finished.first().expect("the call is over")
    }
}

fn done(outcome: Outcome, pages: u32) -> Input {
    Input::Done(CallDone {
        outcome,
        detail: "T.30 said so".into(),
        pages,
        unanswered: true,
        far_end: FarEnd::default(),
        wire_bytes: 4711,
        beats: 0,
        late_beats: 0,
        stood_still: 0,
    })
}

fn is_t38_order(action: &Action) -> bool {
    matches!(action, Action::Child(ChildOrder::T38(_)))
}

fn answer_code(action: &Action) -> u16 {
    match action {
        Action::AnswerReinvite { code, .. } => *code,
        other => panic!("{other:?} is no answer"),
    }
}

fn ends_with_bye(actions: &[Action]) -> bool {
    matches!(actions, [.., Action::Bye(_), Action::Finished(_)])
}

const US: ReinvitePolicy = ReinvitePolicy::Us {
    after: Duration::from_secs(2),
};

#[test]
fn the_far_end_switches_and_the_fax_arrives() {
    let mut script = Script::faxing();
    script.input(Input::PagesThrough(1));
    script.now += seconds(40);
    let actions = script.input(done(Outcome::Delivered, 2));
    assert!(ends_with_bye(&actions), "{actions:?}");
    let report = script.report();
    assert_eq!((report.outcome, report.pages), (Outcome::Delivered, 2));
    assert_eq!((report.sip_code, report.wire_bytes), (Some(200), 4711));
    assert_eq!(report.seconds, 40.0);
}

#[test]
fn they_do_not_switch_so_we_do() {
    let mut script = Script::talking(CallPolicy::outgoing());
    assert_eq!(script.wait(Duration::from_millis(3900)), []);
    let actions = script.wait(Duration::from_millis(200));
    let [Action::Reinvite(offer)] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert!(String::from_utf8_lossy(offer).contains("m=image 20001 udptl t38"));
    let actions = script.input(Input::ReinviteAnswered(Ok(T38.into())));
    let [Action::Child(ChildOrder::T38(media))] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(media.remote, "198.51.100.7:16386".parse().unwrap());
    assert_eq!(media.max_datagram, 1400);
}

#[test]
fn a_fax_tone_hastens_the_switch() {
    let mut script = Script::talking(policy(ReinvitePolicy::ThemThenUs { after: seconds(20) }));
    script.input(Input::FaxToneHeard);
    assert_eq!(script.wait(Duration::from_millis(900)), []);
    assert!(matches!(
        &script.wait(Duration::from_millis(200))[..],
        [Action::Reinvite(_)]
    ));

    let mut script = Script::talking(policy(ReinvitePolicy::Us { after: seconds(20) }));
    script.input(Input::FaxToneHeard);
    assert!(matches!(
        &script.wait(Duration::ZERO)[..],
        [Action::Reinvite(_)]
    ));
}

#[test]
fn policy_them_never_switches_by_itself() {
    let mut script = Script::talking(policy(ReinvitePolicy::Them));
    script.input(Input::FaxToneHeard);
    assert_eq!(script.wait(seconds(500)), []);
}

#[test]
fn policy_never_refuses_t38_and_stays_in_audio() {
    let mut script = Script::talking(policy(ReinvitePolicy::Never));
    let actions = script.input(Input::ReinviteOffered(T38.into()));
    assert_eq!(answer_code(&actions[0]), 488);
    assert_eq!(actions.len(), 1);
    script.input(Input::FaxToneHeard);
    assert_eq!(script.wait(seconds(500)), []);
}

#[test]
fn refuses_t38_and_the_fax_goes_on_in_audio() {
    let mut script = Script::talking(policy(US));
    script.wait(seconds(2));
    assert_eq!(script.input(Input::ReinviteAnswered(Err(488))), []);
    script.input(Input::FaxToneHeard);
    assert_eq!(script.wait(seconds(300)), []);
    script.input(done(Outcome::Delivered, 2));
    assert_eq!(script.report().outcome, Outcome::Delivered);
}

#[test]
fn refuses_t38_where_audio_is_not_allowed() {
    let mut script = Script::talking(CallPolicy {
        audio_fax: false,
        ..policy(US)
    });
    script.wait(seconds(2));
    let actions = script.input(Input::ReinviteAnswered(Err(488)));
    assert_eq!(actions, [Action::Child(ChildOrder::HangUp)]);
    assert!(ends_with_bye(&script.input(done(Outcome::Cancelled, 0))));
    assert_eq!(script.report().outcome, Outcome::T38Failed);
    assert!(script.report().detail.contains("488"));
}

#[test]
fn answers_t38_with_audio() {
    let mut script = Script::talking(CallPolicy {
        audio_fax: false,
        ..policy(US)
    });
    script.wait(seconds(2));
    let actions = script.input(Input::ReinviteAnswered(Ok(AUDIO.into())));
    assert_eq!(actions, [Action::Child(ChildOrder::HangUp)]);
    script.wait(seconds(10));
    assert_eq!(script.report().outcome, Outcome::T38Failed);
}

#[test]
fn never_switches_where_audio_is_not_allowed() {
    let them = policy(ReinvitePolicy::Them);
    let mut script = Script::talking(CallPolicy {
        audio_fax: false,
        ..them
    });
    script.input(Input::FaxToneHeard);
    script.wait(seconds(50));
    assert_eq!(script.report().outcome, Outcome::T38Failed);
}

#[test]
fn glare() {
    let mut script = Script::talking(policy(US));
    assert!(matches!(
        &script.wait(seconds(2))[..],
        [Action::Reinvite(_)]
    ));
    let actions = script.input(Input::ReinviteOffered(T38.into()));
    assert_eq!(
        actions,
        [Action::AnswerReinvite {
            code: 491,
            sdp: None
        }]
    );
    assert_eq!(script.input(Input::ReinviteAnswered(Err(491))), []);
    // RFC 3261 14.1: we made the Call-ID.
    assert_eq!(script.wait(Duration::from_millis(2090)), []);
    // The far end waits less and comes first.
    let actions = script.input(Input::ReinviteOffered(T38.into()));
    assert!(is_t38_order(&actions[0]));
    assert_eq!(script.wait(seconds(5)), []);
}

#[test]
fn glare_without_end() {
    let mut script = Script::talking(policy(US));
    script.input(Input::FaxToneHeard);
    let mut offers = 0;
    for _ in 0..10 {
        let actions = script.wait(seconds(5));
        offers += actions.len();
        if !actions.is_empty() {
            script.input(Input::ReinviteAnswered(Err(491)));
        }
    }
    assert_eq!(offers, 4, "the first and three tries more");
}

#[test]
fn the_dialog_is_lost_at_our_reinvite() {
    let mut script = Script::talking(policy(US));
    script.wait(seconds(2));
    script.input(Input::ReinviteAnswered(Err(481)));
    script.input(done(Outcome::FarEndSilent, 0));
    assert_eq!(script.report().outcome, Outcome::FarEndSilent);
}

#[test]
fn bye_while_reinvite_pending() {
    let mut script = Script::talking(policy(US));
    script.input(Input::FaxToneHeard);
    script.wait(seconds(2));
    let actions = script.input(Input::Bye(None));
    assert_eq!(actions, [Action::Child(ChildOrder::FarEndGone)]);
    assert_eq!(script.input(Input::ReinviteAnswered(Ok(T38.into()))), []);
    let actions = script.input(done(Outcome::Cancelled, 0));
    assert!(
        matches!(&actions[..], [Action::Finished(_)]),
        "no BYE into a dead dialog: {actions:?}"
    );
    assert_eq!(script.report().outcome, Outcome::FarEndHungUp);
}

#[test]
fn a_human_answers_and_hangs_up() {
    let mut script = Script::talking(CallPolicy::outgoing());
    script.wait(seconds(3));
    script.input(Input::Bye(Some("Q.850;cause=16".into())));
    script.input(done(Outcome::FarEndHungUp, 0));
    assert_eq!(script.report().outcome, Outcome::NoFax);
    assert!(script.report().detail.contains("cause=16"));
}

#[test]
fn a_human_answers_and_listens() {
    let mut script = Script::talking(policy(ReinvitePolicy::Them));
    assert_eq!(script.wait(seconds(34)), []);
    assert_eq!(script.wait(seconds(1)), [Action::Child(ChildOrder::HangUp)]);
    assert!(
        ends_with_bye(&script.wait(seconds(6))),
        "the child says nothing either"
    );
    assert_eq!(script.report().outcome, Outcome::NoFax);
}

#[test]
fn answers_and_sends_nothing_at_all() {
    let mut script = Script::talking(CallPolicy::outgoing());
    script.wait(seconds(4));
    script.input(Input::ReinviteAnswered(Err(488)));
    script.wait(seconds(26));
    assert!(ends_with_bye(&script.input(done(Outcome::FarEndSilent, 0))));
    assert_eq!(script.report().outcome, Outcome::NoFax);
    assert_eq!(script.report().detail, "T.30 said so");
}

#[test]
fn our_t38_is_accepted_by_something_that_is_no_fax() {
    let mut script = Script::talking(policy(US));
    script.wait(seconds(2));
    script.input(Input::ReinviteAnswered(Ok(T38.into())));
    script.input(Input::T38Heard);
    assert_eq!(script.wait(seconds(34)), []);
    script.wait(seconds(10));
    assert_eq!(script.report().outcome, Outcome::NoFax);
}

#[test]
fn cancel_crosses_200() {
    let mut script = Script::dial(CallPolicy::outgoing());
    assert_eq!(
        script.input(Input::HangUp(Outcome::Cancelled)),
        [Action::Cancel]
    );
    assert!(ends_with_bye(&script.input(Input::Answered(AUDIO.into()))));
    assert_eq!(script.report().outcome, Outcome::Cancelled);
}

#[test]
fn cancel_is_confirmed_by_487() {
    let mut script = Script::dial(CallPolicy::outgoing());
    script.input(Input::HangUp(Outcome::GatewayStopped));
    let reason = "Request Terminated".into();
    let actions = script.input(Input::Failed {
        code: 487,
        reason,
        q850: None,
    });
    assert!(matches!(&actions[..], [Action::Finished(_)]));
    assert_eq!(script.report().outcome, Outcome::GatewayStopped);
}

#[test]
fn cancel_gets_no_answer() {
    let mut script = Script::dial(CallPolicy::outgoing());
    script.input(Input::HangUp(Outcome::Cancelled));
    script.wait(seconds(10));
    assert_eq!(script.report().outcome, Outcome::Cancelled);
}

#[test]
fn rings_for_ever() {
    let mut script = Script::dial(CallPolicy::outgoing());
    script.input(Input::Provisional(180));
    assert_eq!(script.wait(seconds(60)), [Action::Cancel]);
    let reason = "Request Terminated".into();
    script.input(Input::Failed {
        code: 487,
        reason,
        q850: None,
    });
    assert_eq!(script.report().outcome, Outcome::NoAnswer);
}

#[test]
fn busy_with_a_cause() {
    let mut script = Script::dial(CallPolicy::outgoing());
    let reason = "Temporarily Unavailable".into();
    script.input(Input::Failed {
        code: 480,
        reason,
        q850: Some(17),
    });
    let report = script.report();
    assert_eq!(report.outcome, Outcome::Busy);
    assert_eq!((report.sip_code, report.q850), (Some(480), Some(17)));
    assert_eq!(
        report.detail,
        "480 Temporarily Unavailable (Q.850 cause 17)"
    );
    assert_eq!(report.seconds, 0.0);
}

#[test]
fn the_trunk_is_dead() {
    let mut script = Script::dial(CallPolicy::outgoing());
    script.input(Input::TrunkDown("no response within 5 s".into()));
    assert_eq!(script.report().outcome, Outcome::TrunkDown);
}

#[test]
fn answers_without_a_usable_description() {
    for body in ["", "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 0 RTP/AVP 0\r\n"] {
        let mut script = Script::dial(CallPolicy::outgoing());
        script.input(Input::Answered(body.into()));
        assert!(ends_with_bye(&script.wait(seconds(10))));
        assert_eq!(script.report().outcome, Outcome::Incompatible);
    }
}

#[test]
fn asterisk_goes_back_to_audio() {
    let mut script = Script::faxing();
    script.input(Input::Negotiated(FarEnd::default()));
    script.input(LAST_PAGE_LEFT);
    let actions = script.input(Input::ReinviteOffered(AUDIO.into()));
    assert_eq!(answer_code(&actions[0]), 200);
    assert_eq!(actions.len(), 1, "the child is left alone: {actions:?}");
    let actions = script.input(Input::Bye(None));
    assert_eq!(actions, [Action::Child(ChildOrder::FarEndGone)]);
    script.input(done(Outcome::Delivered, 2));
    assert_eq!(script.report().outcome, Outcome::Delivered);
    assert_eq!(script.report().detail, "", "who hung up is no concern");
}

#[test]
fn asterisk_puts_its_t38_away_and_has_no_audio_to_go_back_to() {
    let mut script = Script::faxing();
    let away = "v=0\r\no=- 1 5 IN IP4 198.51.100.7\r\ns=Asterisk\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
        m=image 0 udptl t38\r\n";
    let actions = script.input(Input::ReinviteOffered(away.into()));
    let [Action::AnswerReinvite { code: 200, sdp }] = &actions[..] else {
        panic!("{actions:?}");
    };
    let answer = sdp::read(sdp.as_deref().unwrap()).unwrap();
    assert!(answer.is_off(), "{answer:?}");
    assert_eq!(answer.streams[0].line.kind, "image");
    script.input(done(Outcome::Delivered, 2));
    assert_eq!(script.report().outcome, Outcome::Delivered);
}

#[test]
fn drops_before_the_last_mcf() {
    let mut script = Script::faxing();
    script.input(Input::PagesThrough(1));
    script.input(LAST_PAGE_LEFT);
    script.input(Input::Bye(None));
    script.input(done(Outcome::FarEndHungUp, 1));
    assert_eq!(script.report().outcome, Outcome::Uncertain);
    assert_eq!(script.report().pages, 1);
}

#[test]
fn an_end_that_was_allowed_to_leave_and_never_did_leaves_no_doubt() {
    let Input::Done(told) = done(Outcome::FarEndHungUp, 1) else {
        unreachable!()
    };
    let unsent = CallDone {
        unanswered: false,
        ..told
    };
    for bye in [false, true] {
        let mut script = Script::faxing();
        script.input(Input::PagesThrough(1));
        script.input(LAST_PAGE_LEFT);
        if bye {
            script.input(Input::Bye(None));
        }
        script.input(Input::Done(unsent.clone()));
        assert_eq!(script.report().outcome, Outcome::FarEndHungUp);
        assert!(script.report().unsent);
    }
}

#[test]
fn drops_after_page_1() {
    let mut script = Script::faxing();
    script.input(Input::PagesThrough(1));
    script.input(Input::Bye(None));
    script.input(done(Outcome::FarEndSilent, 1));
    assert_eq!(script.report().outcome, Outcome::FarEndHungUp);
}

#[test]
fn the_last_page_is_refused() {
    let mut script = Script::faxing();
    script.input(LAST_PAGE_LEFT);
    script.input(done(Outcome::PageRefused, 1));
    assert_eq!(script.report().outcome, Outcome::PageRefused);
}

#[test]
fn the_last_mcf_does_not_speak_for_a_page_that_was_never_confirmed() {
    let mut script = Script::faxing();
    script.input(LAST_PAGE_LEFT);
    script.input(done(Outcome::Delivered, 1));
    assert_eq!(script.report().outcome, Outcome::ProtocolError);
}

#[test]
fn the_child_crashes() {
    let crash = || Input::ChildDied {
        outcome: Outcome::ChildCrashed,
        how: "crashed (signal 11)".into(),
    };
    let mut script = Script::faxing();
    assert!(ends_with_bye(&script.input(crash())));
    assert_eq!(script.report().outcome, Outcome::ChildCrashed);

    let mut script = Script::faxing();
    script.input(LAST_PAGE_LEFT);
    script.input(crash());
    assert_eq!(script.report().outcome, Outcome::Uncertain);

    let mut script = Script::faxing();
    script.input(LAST_PAGE_LEFT);
    script.input(Input::PagesThrough(2));
    script.input(crash());
    assert_eq!(
        script.report().outcome,
        Outcome::Delivered,
        "never dialled again"
    );

    let mut script = Script::dial(CallPolicy::outgoing());
    assert_eq!(script.input(crash()), [Action::Cancel]);
    script.wait(seconds(10));
    assert_eq!(script.report().outcome, Outcome::ChildCrashed);
}

#[test]
fn the_admin_cancels_a_fax_on_its_way() {
    let mut script = Script::faxing();
    assert_eq!(
        script.input(Input::HangUp(Outcome::Cancelled)),
        [Action::Child(ChildOrder::HangUp)]
    );
    assert_eq!(script.input(Input::HangUp(Outcome::GatewayStopped)), []);
    assert!(ends_with_bye(&script.input(done(Outcome::FarEndHungUp, 1))));
    assert_eq!(script.report().outcome, Outcome::Cancelled);
}

#[test]
fn the_child_outlives_every_limit() {
    let mut script = Script::faxing();
    script.input(Input::T38Heard);
    // Two pages.
    assert_eq!(script.wait(seconds(180 + 2 * 180 - 1)), []);
    assert!(ends_with_bye(&script.wait(seconds(1 + 6))));
    assert_eq!(script.report().outcome, Outcome::TooLong);
    assert_eq!(script.call.next_timeout(), None);
}

#[test]
fn a_changed_port_reaches_the_child_and_a_refresh_does_not() {
    let mut script = Script::faxing();
    let actions = script.input(Input::ReinviteOffered(T38.into()));
    assert_eq!(actions.len(), 1, "a refresh: {actions:?}");
    let moved = T38.replace("16386", "16400");
    let actions = script.input(Input::ReinviteOffered(moved.into()));
    let Action::Child(ChildOrder::T38(media)) = &actions[0] else {
        panic!("{actions:?}");
    };
    assert_eq!(media.remote.port(), 16400);
}

#[test]
fn a_refresh_without_an_offer_gets_our_last_words() {
    let mut script = Script::faxing();
    let actions = script.input(Input::ReinviteOffered(Vec::new()));
    let [
        Action::AnswerReinvite {
            code: 200,
            sdp: Some(sdp),
        },
    ] = &actions[..]
    else {
        panic!("{actions:?}");
    };
    assert!(String::from_utf8_lossy(sdp).contains("m=image 20001"));
}

#[test]
fn a_hold_does_not_disturb() {
    let mut script = Script::talking(CallPolicy::outgoing());
    let held = AUDIO.replace("sendrecv", "sendonly");
    let actions = script.input(Input::ReinviteOffered(held.into()));
    assert_eq!(actions.len(), 1);
    assert_eq!(answer_code(&actions[0]), 200);
}

#[test]
fn nonsense_in_a_reinvite_is_refused_and_the_call_goes_on() {
    let mut script = Script::faxing();
    let actions = script.input(Input::ReinviteOffered(b"nonsense".to_vec()));
    assert_eq!(
        actions,
        [Action::AnswerReinvite {
            code: 488,
            sdp: None
        }]
    );
    script.input(done(Outcome::Delivered, 2));
    assert_eq!(script.report().outcome, Outcome::Delivered);
}

#[test]
fn called_we_switch_after_the_ack() {
    let mut script = Script::called(CallPolicy::incoming());
    assert_eq!(script.wait(seconds(5)), [], "not before the ACK");
    script.input(Input::Confirmed(None));
    assert!(matches!(
        &script.wait(Duration::from_millis(300))[..],
        [Action::Reinvite(_)]
    ));
    script.input(Input::ReinviteAnswered(Ok(T38.into())));
    script.input(Input::Negotiated(FarEnd::default()));
    script.input(Input::PagesThrough(1));
    script.input(done(Outcome::Delivered, 1));
    script.input(Input::Bye(None));
    assert_eq!(script.report().outcome, Outcome::Delivered);
}

#[test]
fn called_the_one_who_did_not_make_the_call_id_waits_less() {
    let mut script = Script::called(CallPolicy::incoming());
    script.input(Input::Confirmed(None));
    script.wait(Duration::from_millis(300));
    script.input(Input::ReinviteAnswered(Err(491)));
    assert!(matches!(
        &script.wait(seconds(2))[..],
        [Action::Reinvite(_)]
    ));
}

#[test]
fn called_through_a_gateway_that_says_nothing_before_the_third_dis() {
    let mut script = Script::called(CallPolicy::incoming());
    script.input(Input::Confirmed(None));
    script.wait(seconds(1));
    let actions = script.input(Input::ReinviteAnswered(Ok(T38.into())));
    assert!(actions.iter().any(is_t38_order), "{actions:?}");
    assert_eq!(script.wait(seconds(25)), [], "it was not given the time");
}

#[test]
fn called_with_t38_in_the_first_offer() {
    let both = format!("{AUDIO}m=image 16386 udptl t38\r\n");
    let now = Instant::now();
    let mut call = CallMachine::incoming(config(CallPolicy::incoming(), 0), both.as_bytes(), now);
    let Some(Action::Accept(answer)) = call.poll() else {
        panic!("accepted");
    };
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.contains("m=audio 0 ") && answer.contains("m=image 20001 "),
        "{answer}"
    );
    assert!(is_t38_order(&call.poll().unwrap()));
    call.handle(Input::Confirmed(None), now);
    assert_eq!(call.poll(), Some(Action::Child(ChildOrder::Acknowledged)));
    call.handle(Input::T38Heard, now);
    call.handle(Input::Timeout, now + seconds(30));
    assert_eq!(call.poll(), None, "no re-INVITE is needed");
}

#[test]
fn called_without_an_offer() {
    let now = Instant::now();
    let call = CallMachine::incoming(config(CallPolicy::incoming(), 0), b"", now);
    let mut script = Script {
        call,
        now,
        finished: Vec::new(),
    };
    assert!(matches!(&script.actions()[..], [Action::Accept(_)]));
    let actions = script.input(Input::Confirmed(Some(AUDIO.into())));
    assert!(matches!(
        &actions[..],
        [
            Action::Child(ChildOrder::Acknowledged),
            Action::Child(ChildOrder::Audio(_))
        ]
    ));
}

#[test]
fn called_the_child_hears_of_the_ack_once_and_even_while_it_ends() {
    let acknowledged = [Action::Child(ChildOrder::Acknowledged)];
    let mut script = Script::called(CallPolicy::incoming());
    assert_eq!(script.input(Input::Confirmed(None)), acknowledged);
    assert_eq!(script.input(Input::Confirmed(Some(AUDIO.into()))), []);
    let mut script = Script::called(CallPolicy::incoming());
    script.input(Input::HangUp(Outcome::Cancelled));
    assert_eq!(script.input(Input::Confirmed(None)), acknowledged);
}

#[test]
fn called_with_nothing_a_fax_can_use() {
    let now = Instant::now();
    let video = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=video 1 RTP/AVP 31\r\n";
    let call = CallMachine::incoming(config(CallPolicy::incoming(), 0), video.as_bytes(), now);
    let mut script = Script {
        call,
        now,
        finished: Vec::new(),
    };
    assert!(matches!(
        &script.actions()[..],
        [Action::Reject(488), Action::Finished(_)]
    ));
}

/// Called, switched, and everything is received.
fn received() -> Script {
    let mut script = Script::called(CallPolicy::incoming());
    script.input(Input::ReinviteOffered(T38.into()));
    script.input(Input::PagesThrough(2));
    let actions = script.input(done(Outcome::Delivered, 2));
    assert_eq!(actions, [], "the sender hangs up first");
    script
}

#[test]
fn called_the_sender_hangs_up_a_second_after_its_dcn() {
    let mut script = received();
    script.wait(seconds(1));
    let actions = script.input(Input::ReinviteOffered(AUDIO.into()));
    assert_eq!(answer_code(&actions[0]), 200);
    let actions = script.input(Input::Bye(Some("Q.850;cause=16".into())));
    assert!(matches!(&actions[..], [Action::Finished(_)]), "{actions:?}");
    let report = script.report();
    assert_eq!((report.outcome, report.pages), (Outcome::Delivered, 2));
    assert_eq!((&*report.detail, report.wire_bytes), ("", 4711));
}

#[test]
fn called_the_sender_never_hangs_up_so_we_do() {
    let mut script = received();
    assert!(ends_with_bye(&script.wait(seconds(2))));
    assert_eq!(script.report().outcome, Outcome::Delivered);

    let mut script = received();
    assert!(ends_with_bye(
        &script.input(Input::HangUp(Outcome::GatewayStopped))
    ));
    assert_eq!(script.report().outcome, Outcome::Delivered);
}

#[test]
fn called_and_the_ack_never_comes() {
    let mut script = Script::called(CallPolicy::incoming());
    script.wait(seconds(32));
    script.input(Input::Bye(None));
    script.input(done(Outcome::FarEndSilent, 0));
    assert_eq!(script.report().outcome, Outcome::FarEndHungUp);
}

#[test]
fn whatever_happens_it_finishes_exactly_once() {
    let mut rng = fastrand::Rng::with_seed(41);
    for round in 0..20_000 {
        let now = Instant::now();
        let first = |with_audio| ReinvitePolicy::T38First {
            with_audio,
            after: seconds(4),
        };
        let policies = [
            US,
            ReinvitePolicy::Them,
            ReinvitePolicy::Never,
            first(true),
            first(false),
        ];
        let mut setting = policy(policies[round % 5]);
        setting.audio_fax = rng.bool();
        let call = if rng.bool() {
            CallMachine::outgoing(config(setting, 2), now)
        } else {
            CallMachine::incoming(config(setting, 0), AUDIO.as_bytes(), now)
        };
        let mut script = Script {
            call,
            now,
            finished: Vec::new(),
        };
        for _ in 0..rng.usize(0..12) {
            let input = any_input(&mut rng);
            script.input(input);
            script.wait(Duration::from_millis(rng.u64(0..5000)));
        }
        script.wait(seconds(4000));
        assert_eq!(script.finished.len(), 1, "round {round}");
    }
}

fn any_input(rng: &mut fastrand::Rng) -> Input {
    let off = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=image 0 udptl t38\r\n";
    let bodies = ["", AUDIO, T38, "nonsense", off];
    let body = bodies[rng.usize(0..bodies.len())].as_bytes().to_vec();
    let outcome = Outcome::ALL[rng.usize(0..Outcome::ALL.len())];
    match rng.u8(0..18) {
        0 => Input::Provisional(180),
        1 | 2 => Input::Answered(body),
        3 => Input::Confirmed(Some(body)),
        4 => Input::Failed {
            code: rng.u16(300..700),
            reason: String::new(),
            q850: None,
        },
        5 => Input::TrunkDown(String::new()),
        6 | 7 => Input::ReinviteOffered(body),
        8 => Input::ReinviteAnswered(if rng.bool() {
            Ok(body)
        } else {
            Err(rng.u16(300..700))
        }),
        9 => Input::Bye(None),
        10 => Input::FaxToneHeard,
        11 => Input::LastPageLeft {
            page: rng.u32(0..3),
            is_enough: rng.bool(),
        },
        12 => done(outcome, rng.u32(0..3)),
        14 => Input::T38Heard,
        15 => Input::Negotiated(FarEnd::default()),
        16 => Input::PagesThrough(rng.u32(0..3)),
        13 => Input::ChildDied {
            outcome: Outcome::ChildHung,
            how: String::new(),
        },
        _ => Input::HangUp(Outcome::Cancelled),
    }
}
