use super::*;

const ASTERISK_REINVITE: &str = "v=0\r\no=- 42 5 IN IP4 127.0.0.3\r\ns=Asterisk\r\nc=IN IP4 127.0.0.3\r\nt=0 0\r\n\
    m=image 4326 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxRateManagement:transferredTCF\r\n\
    a=T38FaxMaxDatagram:1400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n";

const CARRIER_INVITE: &str = "v=0\r\no=gw 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
    m=audio 16384 RTP/AVP 18 8 0 96\r\na=rtpmap:18 G729/8000\r\na=rtpmap:96 Telephone-Event/8000\r\na=sendrecv\r\n";

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn text(body: &[u8]) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}

fn describer() -> Describer {
    Describer::new("192.0.2.9".parse().unwrap(), 77, 20000, 20001)
}

fn image(attributes: &str) -> T38 {
    let body = format!("v=0\nc=IN IP4 192.0.2.1\nm=image 9000 udptl t38\n{attributes}");
    read(body.as_bytes()).unwrap().t38().unwrap().clone()
}

#[test]
fn reads_what_asterisk_offers() {
    let session = read(ASTERISK_REINVITE.as_bytes()).unwrap();
    let t38 = session.t38().unwrap();
    assert_eq!(t38.remote, addr("127.0.0.3:4326"));
    assert_eq!((t38.version, t38.max_bit_rate), (0, 14400));
    assert_eq!(t38.max_datagram, Some(1400));
    assert_eq!(t38.error_correction, ErrorCorrection::Redundancy);
    assert!(t38.transferred_tcf);
    assert!(session.audio().is_none());
}

#[test]
fn reads_g711_among_other_codecs_in_the_offerers_order() {
    let session = read(CARRIER_INVITE.as_bytes()).unwrap();
    let audio = session.audio().unwrap();
    assert_eq!(audio.formats, [Codec::Pcma, Codec::Pcmu].map(Codec::fixed));
    assert_eq!(audio.telephone_event, Some(96));
    assert_eq!(audio.ptime, None);
    assert!(!audio.on_hold());
}

#[test]
fn g711_with_dynamic_payload_types() {
    let body = "v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 96 110 111 97 98 99 8\n\
        a=rtpmap:96 G729/8000\na=rtpmap:110 pcmu/8000\na=rtpmap:111 PCMA/8000/1\na=rtpmap:97 PCMA/16000\n\
        a=rtpmap:98 telephone-event/8000\na=rtpmap:112 PCMU/8000\na=rtpmap:8 PCMU/8000\n";
    let offer = read(body.as_bytes()).unwrap();
    let audio = offer.audio().unwrap();
    let formats: Vec<_> = audio
        .formats
        .iter()
        .map(|format| (format.codec, format.payload_type))
        .collect();
    // 97 is wideband, 99 is nothing, 112 is not offered, and 8 is A-law whatever anybody says.
    assert_eq!(
        formats,
        [(Codec::Pcmu, 110), (Codec::Pcma, 111), (Codec::Pcma, 8)]
    );
    let answer = text(&describer().answer(&offer, Choice::Audio(audio.formats[1])));
    assert!(answer.contains("RTP/AVP 111 98\r\n"), "{answer}");
    assert!(answer.contains("a=rtpmap:111 PCMA/8000\r\n"), "{answer}");
}

#[test]
fn ptime_is_read_where_it_is_a_number() {
    for (line, ptime) in [
        ("a=ptime:30", Some(30)),
        ("a=ptime: 10 ", Some(10)),
        ("a=ptime:2.5", None),
    ] {
        let session = read(format!("{CARRIER_INVITE}{line}\r\n").as_bytes()).unwrap();
        assert_eq!(session.audio().unwrap().ptime, ptime, "{line}");
    }
}

#[test]
fn letter_case_does_not_matter() {
    let body = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=IMAGE 9000 UDPTL T38\r\na=t38faxversion:3\r\na=T38MAXBITRATE:9600\r\n\
        a=t38FaxUdpEC:T38UDPfec\r\na=t38MaxDatagram:173\r\n";
    let session = read(body.as_bytes()).unwrap();
    let t38 = session.t38().unwrap();
    assert_eq!((t38.version, t38.max_bit_rate), (3, 9600));
    assert_eq!(t38.error_correction, ErrorCorrection::Fec);
    assert_eq!(t38.max_datagram, Some(173));
}

#[test]
fn booleans_come_bare_and_with_numbers() {
    assert!(image("a=T38FaxFillBitRemoval").fill_bit_removal);
    assert!(image("a=T38FaxFillBitRemoval:1").fill_bit_removal);
    assert!(!image("a=T38FaxFillBitRemoval:0").fill_bit_removal);
    assert!(!image("").fill_bit_removal);
    assert!(image("a=T38FaxTranscodingMMR:1\na=T38FaxTranscodingJBIG:0").transcoding_mmr);
    assert!(!image("a=T38FaxTranscodingMMR:1\na=T38FaxTranscodingJBIG:0").transcoding_jbig);
}

#[test]
fn a_bare_m_line_means_the_defaults() {
    let t38 = image("");
    assert_eq!((t38.version, t38.max_bit_rate), (0, 14400));
    assert_eq!(t38.error_correction, ErrorCorrection::Redundancy);
    assert_eq!(t38.max_datagram, None);
    assert!(t38.transferred_tcf);
}

#[test]
fn a_number_that_is_none_is_named() {
    let body = "v=0\nc=IN IP4 192.0.2.1\nm=image 9000 udptl t38\na=T38MaxBitRate:fast\n";
    assert_eq!(
        read(body.as_bytes()),
        Err(SdpError::BadAttribute {
            name: "T38MaxBitRate",
            value: "fast".into()
        })
    );
    assert_eq!(image("a=T38MaxBitRate:").max_bit_rate, 14400);
    assert_eq!(
        image("a=T38FaxMaxDatagram:70000").max_datagram,
        Some(u16::MAX)
    );
}

#[test]
fn missing_s_and_t_and_a_broken_origin_cost_nothing() {
    let body = "v=0\no=nobody\nb=AS\nm=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.5 \n";
    let session = read(body.as_bytes()).unwrap();
    assert_eq!(session.audio().unwrap().remote, addr("192.0.2.5:4000"));
}

#[test]
fn the_media_address_wins_over_the_session_address() {
    let body = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.2\r\nm=image 5000 udptl t38\r\n";
    let session = read(body.as_bytes()).unwrap();
    assert_eq!(session.audio().unwrap().remote, addr("192.0.2.2:4000"));
    assert_eq!(session.t38().unwrap().remote, addr("192.0.2.1:5000"));
}

#[test]
fn ipv6_is_an_address_too() {
    let body = "v=0\nc=IN IP6 2001:db8::1\nm=audio 4000 RTP/AVP 0\n";
    let session = read(body.as_bytes()).unwrap();
    assert_eq!(session.audio().unwrap().remote, addr("[2001:db8::1]:4000"));
}

#[test]
fn port_0_refuses_even_without_an_address() {
    let body = "v=0\nm=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.2\nm=image 0 udptl t38\n";
    let session = read(body.as_bytes()).unwrap();
    assert!(session.t38().is_none());
    assert_eq!(session.streams[1].media, Media::Off);
    assert!(!session.is_off());
    assert_eq!(session.streams[1].line.kind, "image");
}

#[test]
fn hold_comes_in_three_shapes() {
    for held in [
        "v=0\nc=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0\n",
        "v=0\nc=IN IP4 192.0.2.1\na=inactive\nm=audio 4000 RTP/AVP 0\n",
        "v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=sendonly\n",
    ] {
        assert!(
            read(held.as_bytes()).unwrap().audio().unwrap().on_hold(),
            "{held}"
        );
    }
    let back = "v=0\nc=IN IP4 192.0.2.1\na=inactive\nm=audio 4000 RTP/AVP 0\na=sendrecv\n";
    assert!(!read(back.as_bytes()).unwrap().audio().unwrap().on_hold());
}

#[test]
fn what_a_fax_cannot_use_is_unusable_and_not_an_error() {
    let body = "v=0\nc=IN IP4 192.0.2.1\nm=video 1 RTP/AVP 31\nm=audio 2 RTP/SAVP 0\nm=audio 3 RTP/AVP 18\n\
        m=image 4 tcp t38\nm=audio 5 RTP/AVP 0\n";
    let session = read(body.as_bytes()).unwrap();
    assert_eq!(session.streams.len(), 5);
    assert_eq!(session.audio().unwrap().remote.port(), 5);
    assert!(session.t38().is_none());
}

#[test]
fn bad_input_is_named() {
    assert_eq!(read(b""), Err(SdpError::Empty));
    assert_eq!(read(b"\r\n\r\n"), Err(SdpError::Empty));
    assert_eq!(read(b"v=0\r\n"), Err(SdpError::NoMedia));
    assert_eq!(
        read(&vec![b'a'; MAX_OCTETS + 1]),
        Err(SdpError::TooLong(MAX_OCTETS + 1))
    );
    let missing = read(b"v=0\nm=audio 4000 RTP/AVP 0\n");
    assert_eq!(missing, Err(SdpError::NoAddress("audio".into())));
    let name = read(b"v=0\nc=IN IP4 gw.example.com\nm=audio 4000 RTP/AVP 0\n");
    assert_eq!(name, Err(SdpError::BadAddress("gw.example.com".into())));
    let group = read(b"v=0\nc=IN IP4 224.2.1.1/127\nm=audio 4000 RTP/AVP 0\n");
    assert_eq!(group, Err(SdpError::BadAddress("224.2.1.1/127".into())));
    for broken in [
        "m=audio 1 RTP/AVP 0\n",
        "v=0\nm=audio\n",
        "v=0\nm=audio 99999 RTP/AVP 0\n",
    ] {
        assert!(
            matches!(read(broken.as_bytes()), Err(SdpError::Malformed(_))),
            "{broken}"
        );
    }
}

#[test]
fn the_t38_offer_is_the_carrier_norm() {
    let offer = describer().offer(
        Offered::T38 {
            max_bit_rate: 14400,
        },
        &[],
    );
    assert_eq!(
        text(&offer),
        "v=0\r\no=- 77 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=image 20001 udptl t38\r\n\
         a=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxRateManagement:transferredTCF\r\n\
         a=T38FaxMaxDatagram:400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
    );
}

#[test]
fn the_audio_offer_reads_back() {
    let offer = describer().offer(Offered::Audio(&[Codec::Pcma, Codec::Pcmu]), &[]);
    let audio = read(&offer).unwrap().audio().unwrap().clone();
    assert_eq!(audio.formats, [Codec::Pcma, Codec::Pcmu].map(Codec::fixed));
    assert_eq!(audio.remote, addr("192.0.2.9:20000"));
    assert!(text(&offer).contains("m=audio 20000 RTP/AVP 8 0 101\r\n"));
}

#[test]
fn each_change_has_a_new_session_version() {
    let mut ours = describer();
    ours.offer(Offered::Audio(&[Codec::Pcmu]), &[]);
    let second = ours.offer(
        Offered::T38 {
            max_bit_rate: 14400,
        },
        &[],
    );
    assert!(text(&second).contains("o=- 77 2 IN"));
}

#[test]
fn an_answer_has_as_many_lines_as_the_offer_in_its_order() {
    let body = "v=0\nc=IN IP4 192.0.2.1\nm=video 1000 RTP/AVP 31\nm=audio 4000 RTP/AVP 0 8\nm=image 5000 udptl t38\n";
    let offer = read(body.as_bytes()).unwrap();
    let answer = text(&describer().answer(&offer, Choice::T38 { max_bit_rate: 9600 }));
    let lines: Vec<&str> = answer.lines().filter(|l| l.starts_with("m=")).collect();
    assert_eq!(
        lines,
        [
            "m=video 0 RTP/AVP 31",
            "m=audio 0 RTP/AVP 0 8",
            "m=image 20001 udptl t38"
        ]
    );
    assert!(answer.contains("a=T38MaxBitRate:9600"));
}

#[test]
fn a_later_offer_keeps_the_number_of_lines() {
    let body = "v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nm=video 1000 RTP/AVP 31\n";
    let session = read(body.as_bytes()).unwrap();
    let offer = describer().offer(
        Offered::T38 {
            max_bit_rate: 14400,
        },
        &session.lines(),
    );
    let lines: Vec<String> = text(&offer)
        .lines()
        .filter(|l| l.starts_with("m="))
        .map(String::from)
        .collect();
    assert_eq!(lines, ["m=image 20001 udptl t38", "m=video 0 RTP/AVP 31"]);
}

#[test]
fn an_answer_to_hold_says_so() {
    let body = "v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=sendonly\n";
    let offer = read(body.as_bytes()).unwrap();
    let answer = text(&describer().answer(&offer, Choice::Audio(Codec::Pcmu.fixed())));
    assert!(answer.contains("a=recvonly\r\n"), "{answer}");
    assert!(
        !answer.contains("telephone-event"),
        "none was offered: {answer}"
    );
}

#[test]
fn an_answer_never_raises_what_was_offered() {
    let slow = "v=0\nc=IN IP4 192.0.2.1\nm=image 5000 udptl t38\na=T38FaxVersion:3\na=T38MaxBitRate:4800\n\
        a=T38FaxUdpEC:t38UDPNoEC\n";
    let offer = read(slow.as_bytes()).unwrap();
    let answer = text(&describer().answer(
        &offer,
        Choice::T38 {
            max_bit_rate: 14400,
        },
    ));
    assert!(answer.contains("a=T38MaxBitRate:4800"));
    assert!(answer.contains("a=T38FaxVersion:0"));
    assert!(answer.contains("a=T38FaxUdpEC:t38UDPNoEC"));
}

#[test]
fn mutations_do_not_panic_and_what_reads_can_be_answered() {
    let mut rng = fastrand::Rng::with_seed(0x5d9);
    let seeds = [ASTERISK_REINVITE, CARRIER_INVITE];
    let mut read_well = 0;
    for round in 0..100_000 {
        let mut body = seeds[round % seeds.len()].as_bytes().to_vec();
        for _ in 0..rng.usize(1..8) {
            let at = rng.usize(0..body.len());
            match rng.u8(0..5) {
                0 => body[at] = rng.u8(..),
                1 => body.truncate(at.max(1)),
                2 => body.insert(at, *b"\0\r\n:=/ 09\xff".get(rng.usize(0..10)).unwrap()),
                3 => drop(body.remove(at)),
                _ => body.extend_from_within(at..),
            }
            if body.is_empty() {
                body.push(b'v');
            }
        }
        if let Ok(session) = read(&body) {
            read_well += 1;
            let t38 = Choice::T38 {
                max_bit_rate: 14400,
            };
            let answer = describer().answer(&session, t38);
            assert_eq!(read(&answer).unwrap().streams.len(), session.streams.len());
        }
    }
    assert!(
        read_well > 10_000,
        "the mutations are too wild to test anything: {read_well}"
    );
}
