use super::media::MediaSockets;
use super::*;
use crate::net::sip::InviteRequest;

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A line whose children are this program, and who calls it.
async fn line(program: &str) -> (Line, mpsc::Receiver<sip::IncomingCall>) {
    let config = sip::SipConfig::new((LOOPBACK, 0).into(), vec![LOOPBACK.into()]);
    let (endpoint, calls) = SipEndpoint::bind(config).await.unwrap();
    let mut children = Children::new(None, 10);
    children.program = program.into();
    let config = LineConfig {
        bind: LOOPBACK,
        advertised: LOOPBACK,
        media_ports: (0, 0),
        incoming: CallPolicy::incoming(),
    };
    (Line::new(endpoint, children, config), calls)
}

fn request(target: SocketAddr) -> DialRequest {
    DialRequest {
        candidates: vec![Candidate::direct(
            target,
            "5551234567",
            "5559876543",
            CallPolicy::outgoing(),
        )],
        tiff: Vec::new(),
        documents: vec![1],
        enough: CancellationToken::new(),
        not_after: None,
        file: None,
        fax: FaxSettings::default(),
    }
}

fn nobody() -> mpsc::Sender<LineEvent> {
    mpsc::channel(1).0
}

#[tokio::test]
async fn no_telephone_rings_for_a_child_that_dies_at_once() {
    let (line, _calls) = line("/bin/false").await;
    let far = tokio::net::UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let request = request(far.local_addr().unwrap());
    let report = line.dial(request, nobody(), CancellationToken::new()).await;
    assert_eq!(report.outcome, Outcome::ChildCrashed, "{}", report.detail);
    assert!(far.try_recv(&mut [0; 9]).is_err(), "an INVITE went out");
    assert_eq!(line.calls(), 0);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_our_trouble_and_not_a_panic() {
    let (line, _calls) = line("/nowhere/postfax").await;
    let request = request((LOOPBACK, 9).into());
    let report = line.dial(request, nobody(), CancellationToken::new()).await;
    assert_eq!(report.outcome, Outcome::ChildCrashed);
}

#[tokio::test]
async fn the_child_of_an_answered_call_dies_and_the_caller_hears_503() {
    let ((ours, mut calls), (theirs, _)) = (line("/bin/false").await, line("/bin/false").await);
    let mut caller = theirs.endpoint.invite(InviteRequest {
        target: ours.endpoint.contact(),
        domain: None,
        to_user: "1".into(),
        from_user: "2".into(),
        from_display: None,
        offer: b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 9 RTP/AVP 0\r\n".to_vec(),
    });
    let call = ours.incoming(calls.recv().await.unwrap());
    assert_eq!((&call.called[..], ours.calls()), ("1", 1));
    let answer = call.answer(FaxSettings::default(), nobody(), CancellationToken::new());
    assert_eq!(answer.await.outcome, Outcome::ChildCrashed);
    let heard = caller.next().await;
    assert!(
        matches!(heard, Some(SipEvent::Failed { code: 503, .. })),
        "{heard:?}"
    );
    assert_eq!(ours.calls(), 0);
}

#[test]
fn media_ports_come_in_pairs_until_the_range_is_full() {
    let any = MediaSockets::bind(LOOPBACK, (0, 0)).unwrap();
    assert_eq!(any.rtp_port % 2, 0);
    assert_eq!(any.udptl.local_addr().unwrap().port(), any.rtp_port + 1);

    let range = (any.rtp_port, any.rtp_port + 1);
    assert!(MediaSockets::bind(LOOPBACK, range).is_err(), "taken");
    drop(any);
    let pair = MediaSockets::bind(LOOPBACK, range).unwrap();
    assert_eq!(pair.rtp_port, range.0);
    for empty in [(range.0, range.0), (9, 8)] {
        assert!(MediaSockets::bind(LOOPBACK, empty).is_err());
    }
}
