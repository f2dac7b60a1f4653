//! The habits of carriers and PBXs, each as a script with the descriptions that they write.

use super::*;

/// Asterisk's answer to an INVITE.
const ASTERISK_AUDIO: &str = "v=0\r\no=- 1804289383 1804289385 IN IP4 127.0.0.3\r\ns=Asterisk\r\nc=IN IP4 127.0.0.3\r\n\
    t=0 0\r\nm=audio 18942 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n\
    a=ptime:20\r\na=maxptime:140\r\na=sendrecv\r\n";
/// Asterisk's re-INVITE with FEC.
const ASTERISK_T38: &str = "v=0\r\no=- 1804289383 1804289386 IN IP4 127.0.0.3\r\ns=Asterisk\r\nc=IN IP4 127.0.0.3\r\n\
    t=0 0\r\nm=image 4326 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxRateManagement:transferredTCF\r\n\
    a=T38FaxMaxDatagram:849\r\na=T38FaxUdpEC:t38UDPFEC\r\n";
/// A Cisco gateway, which counts its booleans and puts c= at each stream.
const CISCO_T38: &str = "v=0\r\no=CiscoSystemsSIP-GW-UserAgent 5123 5124 IN IP4 198.51.100.9\r\ns=SIP Call\r\nt=0 0\r\n\
    m=image 17890 udptl t38\r\nc=IN IP4 198.51.100.9\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:9600\r\na=T38FaxFillBitRemoval:0\r\n\
    a=T38FaxTranscodingMMR:0\r\na=T38FaxTranscodingJBIG:0\r\na=T38FaxRateManagement:transferredTCF\r\n\
    a=T38FaxMaxBuffer:200\r\na=T38FaxMaxDatagram:320\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n";
/// A softswitch that keeps the audio line, put away, before the image, writes lower case and leaves s= and t= out.
const SOFTSWITCH_T38: &str = "v=0\no=- 0 1 IN IP4 203.0.113.80\nc=IN IP4 203.0.113.80\nm=audio 0 RTP/AVP 0\n\
    m=image 30102 udptl T38\na=t38faxversion:0\na=t38maxbitrate:14400\na=t38faxfillbitremoval\n\
    a=t38faxratemanagement:transferredtcf\na=t38maxdatagram:72\na=t38faxudpec:t38udpredundancy\n";
const IMAGE_OFF: &str = "v=0\r\no=- 7 7 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
    m=image 0 udptl t38\r\n";

fn first(with_audio: bool) -> CallPolicy {
    policy(ReinvitePolicy::T38First {
        with_audio,
        after: seconds(4),
    })
}

/// Dialled with T.38 in the INVITE; the m= lines of that.
fn offered(policy: CallPolicy) -> (Script, Vec<String>) {
    let now = Instant::now();
    let call = CallMachine::outgoing(config(policy, 2), now);
    let mut script = Script {
        call,
        now,
        finished: Vec::new(),
    };
    let actions = script.actions();
    let [Action::Invite(offer)] = &actions[..] else {
        panic!("{actions:?}");
    };
    let lines = lines(offer);
    (script, lines)
}

/// The kind and port of each m= line.
fn lines(sdp: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(sdp)
        .lines()
        .filter_map(|line| line.strip_prefix("m="))
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect()
}

fn answer(actions: &[Action]) -> Vec<String> {
    let answers = actions.iter().find_map(|action| match action {
        Action::AnswerReinvite {
            code: 200,
            sdp: Some(sdp),
        } => Some(lines(sdp)),
        _ => None,
    });
    answers.unwrap_or_else(|| panic!("no 200 among {actions:?}"))
}

fn failed(code: u16) -> Input {
    Input::Failed {
        code,
        reason: "Not Acceptable Here".into(),
        q850: None,
    }
}

fn t38_order(actions: &[Action]) -> T38Media {
    actions
        .iter()
        .find_map(|action| match action {
            Action::Child(ChildOrder::T38(media)) => Some(media.clone()),
            _ => None,
        })
        .unwrap_or_else(|| panic!("no switch in {actions:?}"))
}

use crate::call::media::{ErrorCorrection, T38Media};

#[test]
fn asterisk_wants_fec_and_gets_it() {
    let mut script = Script::talking(CallPolicy::outgoing());
    script.wait(seconds(3));
    let actions = script.input(Input::ReinviteOffered(ASTERISK_T38.into()));
    let media = t38_order(&actions);
    assert_eq!(media.error_correction, ErrorCorrection::Fec);
    assert_eq!(
        (media.remote.port(), media.max_datagram, media.max_bit_rate),
        (4326, 849, 14400)
    );
    let Action::AnswerReinvite { sdp: Some(sdp), .. } = &actions[1] else {
        panic!("{actions:?}");
    };
    assert!(String::from_utf8_lossy(sdp).contains("T38FaxUdpEC:t38UDPFEC"));
}

#[test]
fn cisco_names_a_speed_that_holds() {
    let mut script = Script::talking(CallPolicy::outgoing());
    let actions = script.input(Input::ReinviteOffered(CISCO_T38.into()));
    let media = t38_order(&actions);
    assert_eq!((media.max_bit_rate, media.max_datagram), (9600, 320));
}

#[test]
fn a_softswitch_keeps_the_audio_line_and_the_answer_has_both_in_its_order() {
    let mut script = Script::talking(CallPolicy::outgoing());
    let actions = script.input(Input::ReinviteOffered(SOFTSWITCH_T38.into()));
    assert_eq!(t38_order(&actions).max_datagram, 72);
    assert_eq!(answer(&actions), ["audio 0", "image 20001"]);
}

#[test]
fn t38_first_is_taken_at_once() {
    for with_audio in [true, false] {
        let (mut script, offer) = offered(first(with_audio));
        let expected: &[&str] = match with_audio {
            true => &["audio 20000", "image 20001"],
            false => &["image 20001"],
        };
        assert_eq!(offer, expected);
        let actions = script.input(Input::Answered(T38.into()));
        t38_order(&actions);
        script.input(Input::T38Heard);
        script.input(Input::Negotiated(FarEnd::default()));
        assert_eq!(script.wait(seconds(60)), [], "no re-INVITE is needed");
        script.input(done(Outcome::Delivered, 2));
        assert_eq!(script.report().outcome, Outcome::Delivered);
    }
}

#[test]
fn asterisk_says_488_to_t38_first_and_is_called_again_in_audio() {
    let (mut script, _) = offered(first(false));
    let actions = script.input(failed(488));
    let [Action::Invite(offer)] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(lines(offer), ["audio 20000"]);
    let actions = script.input(Input::Answered(ASTERISK_AUDIO.into()));
    assert!(matches!(
        &actions[..],
        [Action::Child(ChildOrder::Audio(_))]
    ));
    // And then it asks for T.38 itself.
    script.wait(seconds(3));
    let actions = script.input(Input::ReinviteOffered(ASTERISK_T38.into()));
    t38_order(&actions);
}

#[test]
fn asterisk_answers_the_image_beside_audio_with_port_0() {
    let (mut script, _) = offered(first(true));
    let body = format!("{ASTERISK_AUDIO}m=image 0 udptl t38\r\n");
    let actions = script.input(Input::Answered(body.into()));
    assert!(matches!(
        &actions[..],
        [Action::Child(ChildOrder::Audio(_))]
    ));
    // Our own try has both lines, and each kind in its place.
    let actions = script.wait(seconds(4));
    let [Action::Reinvite(offer)] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(lines(offer), ["audio 0", "image 20001"]);
}

#[test]
fn t38_first_is_answered_with_port_0_and_nothing_else() {
    let (mut script, _) = offered(first(false));
    let actions = script.input(Input::Answered(IMAGE_OFF.into()));
    let [Action::Bye(_), Action::Invite(offer)] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(lines(offer), ["audio 20000"]);
    script.input(failed(486));
    assert_eq!(script.report().outcome, Outcome::Busy);
    assert_eq!(script.actions(), [], "no BYE into a dialog that is gone");
}

#[test]
fn busy_is_busy_whatever_was_offered() {
    let (mut script, _) = offered(first(false));
    script.input(failed(486));
    assert_eq!(script.report().outcome, Outcome::Busy);
}

#[test]
fn every_refusal_of_t38_goes_on_in_audio() {
    for code in [400, 403, 415, 480, 488, 500, 501, 603, 606] {
        let mut script = Script::talking(policy(US));
        script.wait(seconds(2));
        assert_eq!(
            script.input(Input::ReinviteAnswered(Err(code))),
            [],
            "{code}"
        );
        script.input(done(Outcome::Delivered, 2));
        assert_eq!(script.report().outcome, Outcome::Delivered, "{code}");
    }
}

#[test]
fn refuses_ours_and_asks_for_t38_itself_later() {
    let mut script = Script::talking(policy(US));
    script.wait(seconds(2));
    script.input(Input::ReinviteAnswered(Err(488)));
    let actions = script.input(Input::ReinviteOffered(CISCO_T38.into()));
    t38_order(&actions);
}

#[test]
fn asks_for_t38_when_the_fax_is_under_way_in_audio() {
    let mut script = Script::talking(policy(ReinvitePolicy::Them));
    script.input(Input::PagesThrough(1));
    let actions = script.input(Input::ReinviteOffered(T38.into()));
    assert_eq!(answer_code(&actions[0]), 488, "no page goes out twice");
    script.input(done(Outcome::Delivered, 2));
    assert_eq!(script.report().outcome, Outcome::Delivered);
}

#[test]
fn our_488_is_not_the_far_ends_hanging_up() {
    let mut script = Script::talking(policy(ReinvitePolicy::Never));
    script.input(Input::FaxToneHeard);
    script.input(Input::ReinviteOffered(T38.into()));
    script.input(Input::Bye(None));
    script.input(done(Outcome::FarEndHungUp, 0));
    let report = script.report();
    assert_eq!(report.outcome, Outcome::T38Failed);
    assert!(
        report.detail.contains("after we refused its T.38"),
        "{report:?}"
    );

    // What was negotiated in audio all the same broke for another reason.
    let mut script = Script::talking(policy(ReinvitePolicy::Never));
    script.input(Input::ReinviteOffered(T38.into()));
    script.input(Input::Negotiated(FarEnd::default()));
    script.input(Input::Bye(None));
    script.input(done(Outcome::FarEndHungUp, 0));
    assert_eq!(script.report().outcome, Outcome::FarEndHungUp);
}

#[test]
fn t38_only_to_a_line_that_never_takes_it_is_refused_at_the_invite() {
    let now = Instant::now();
    let call = CallMachine::incoming(
        config(policy(ReinvitePolicy::Never), 0),
        T38.as_bytes(),
        now,
    );
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

#[test]
fn takes_t38_and_falls_silent() {
    let mut script = Script::faxing();
    for _ in 0..11 {
        assert_eq!(script.wait(seconds(1)), []);
        script.input(Input::Alive);
    }
    assert_eq!(script.wait(Duration::from_millis(900)), []);
    assert_eq!(
        script.wait(Duration::from_millis(200)),
        [Action::Child(ChildOrder::HangUp)]
    );
    assert!(ends_with_bye(&script.input(done(Outcome::Cancelled, 0))));
    assert_eq!(script.report().outcome, Outcome::T38Silent);
}

/// What a child that hangs does not say must not be held against the far end, nor be learned of its number.
#[test]
fn our_own_process_hangs_in_t38() {
    let mut script = Script::faxing();
    script.input(Input::Alive);
    assert_eq!(script.wait(seconds(25)), []);
    let how = "said nothing for 30 s".to_owned();
    let outcome = Outcome::ChildHung;
    assert!(ends_with_bye(
        &script.input(Input::ChildDied { outcome, how })
    ));
    assert_eq!(script.report().outcome, Outcome::ChildHung);
}

#[test]
fn takes_t38_falls_silent_and_hangs_up() {
    let mut script = Script::faxing();
    script.wait(seconds(5));
    script.input(Input::Bye(None));
    script.input(done(Outcome::Cancelled, 0));
    assert_eq!(script.report().outcome, Outcome::T38Silent);
}

#[test]
fn sends_empty_packets_and_no_fax() {
    let mut script = Script::faxing();
    script.input(Input::T38Heard);
    assert_eq!(script.wait(seconds(40)), []);
    script.input(done(Outcome::NoFax, 0));
    assert_eq!(script.report().outcome, Outcome::T38Silent);
}

#[test]
fn falls_silent_in_the_middle_of_a_page() {
    let mut script = Script::faxing();
    script.input(Input::T38Heard);
    script.input(Input::Negotiated(FarEnd::default()));
    script.wait(seconds(40));
    script.input(done(Outcome::FarEndSilent, 0));
    assert_eq!(script.report().outcome, Outcome::FarEndSilent);
}

#[test]
fn takes_t38_gives_it_up_and_the_fax_runs_in_audio() {
    let mut script = Script::faxing();
    script.wait(seconds(2));
    let actions = script.input(Input::ReinviteOffered(AUDIO.into()));
    assert_eq!(answer(&actions), ["audio 20000"]);
    assert_eq!(actions.len(), 1, "a BYE may be right behind it");
    let actions = script.wait(seconds(1));
    let [Action::Child(ChildOrder::Audio(media))] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(media.remote.port(), 16384);
    assert_eq!(script.wait(seconds(20)), [], "nobody waits for T.38 now");
    script.input(Input::Negotiated(FarEnd::default()));
    script.input(done(Outcome::Delivered, 2));
    assert_eq!(script.report().outcome, Outcome::Delivered);
}

#[test]
fn goes_back_to_audio_in_the_middle_of_the_fax() {
    let mut script = Script::faxing();
    script.input(Input::Negotiated(FarEnd::default()));
    script.input(Input::PagesThrough(1));
    script.input(Input::ReinviteOffered(AUDIO.into()));
    assert_eq!(
        script.wait(seconds(5)),
        [Action::Child(ChildOrder::HangUp)],
        "no page goes out twice"
    );
    script.input(done(Outcome::Cancelled, 1));
    let report = script.report();
    assert_eq!((report.outcome, report.pages), (Outcome::T38Failed, 1));
    assert!(report.detail.contains("left T.38 in the middle"));
}

#[test]
fn goes_back_to_audio_and_to_t38_again_at_once() {
    let mut script = Script::faxing();
    script.input(Input::ReinviteOffered(AUDIO.into()));
    let moved = T38.replace("16386", "16390");
    let actions = script.input(Input::ReinviteOffered(moved.into()));
    assert_eq!(t38_order(&actions).remote.port(), 16390);
    script.input(Input::T38Heard);
    assert_eq!(script.wait(seconds(20)), [], "it stays there");
}

#[test]
fn holds_with_0_0_0_0_and_comes_back() {
    let mut script = Script::talking(policy(ReinvitePolicy::Them));
    let held = AUDIO
        .replace("c=IN IP4 198.51.100.7", "c=IN IP4 0.0.0.0")
        .replace("sendrecv", "inactive");
    let actions = script.input(Input::ReinviteOffered(held.into()));
    assert_eq!(answer(&actions), ["audio 20000"]);
    let Action::AnswerReinvite { sdp: Some(sdp), .. } = &actions[0] else {
        panic!("{actions:?}");
    };
    assert!(String::from_utf8_lossy(sdp).contains("a=inactive"));
    let elsewhere = AUDIO.replace("16384", "16500");
    let actions = script.input(Input::ReinviteOffered(elsewhere.into()));
    let Action::Child(ChildOrder::Audio(media)) = &actions[0] else {
        panic!("{actions:?}");
    };
    assert_eq!(media.remote.port(), 16500);
}

#[test]
fn offers_video_srtp_and_two_images_and_each_line_has_its_answer() {
    let mut script = Script::talking(policy(ReinvitePolicy::Them));
    let body = "v=0\r\nc=IN IP4 198.51.100.7\r\nm=video 9000 RTP/AVP 31\r\nm=audio 9002 RTP/SAVP 0\r\n\
        m=image 9004 TCP t38\r\nm=image 9006 udptl t38\r\nm=audio 9008 RTP/AVP 0\r\nm=image 9010 udptl t38\r\n";
    let actions = script.input(Input::ReinviteOffered(body.into()));
    assert_eq!(
        answer(&actions),
        [
            "video 0",
            "audio 0",
            "image 0",
            "image 20001",
            "audio 0",
            "image 0"
        ]
    );
}

#[test]
fn a_long_fax_gets_its_time_and_a_page_more_is_a_page_more() {
    let mut script = Script::called(CallPolicy::incoming());
    script.input(Input::ReinviteOffered(T38.into()));
    script.input(Input::Negotiated(FarEnd::default()));
    for page in 1..=20 {
        assert_eq!(script.wait(seconds(170)), [], "page {page}");
        script.input(Input::PagesThrough(page));
    }
    let actions = script.wait(seconds(3600));
    assert!(ends_with_bye(&actions), "{actions:?}");
    assert_eq!(script.report().outcome, Outcome::TooLong);
    assert_eq!(script.report().seconds, f64::from(180 + 21 * 180 + 6));
}

/// G.711 under dynamic numbers only: the answer names the far end's, and that is what we send.
#[test]
fn offers_g711_under_dynamic_numbers() {
    const OFFER: &str = "v=0\r\no=- 7 7 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
        m=audio 16384 RTP/AVP 97 98 101\r\na=rtpmap:97 AMR/8000\r\na=rtpmap:98 PCMU/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\n";
    let config = config(CallPolicy::incoming(), 0);
    let mut call = CallMachine::incoming(config, OFFER.as_bytes(), Instant::now());
    let actions: Vec<Action> = std::iter::from_fn(|| call.poll()).collect();
    let [
        Action::Accept(answer),
        Action::Child(ChildOrder::Audio(media)),
    ] = &actions[..]
    else {
        panic!("{actions:?}");
    };
    let answer = String::from_utf8_lossy(answer);
    assert!(answer.contains(" RTP/AVP 98 101\r\n"), "{answer}");
    assert!(answer.contains("a=rtpmap:98 PCMU/8000\r\n"), "{answer}");
    assert_eq!((media.codec, media.payload_type), (Codec::Pcmu, 98));
}
