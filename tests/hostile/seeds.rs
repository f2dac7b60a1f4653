//! What strangers begin with: messages as they are on real lines, written by hand.

/// SIP, each with the marks `{...}` that [`crate::stranger`] fills in.
pub const REQUESTS: [&str; 7] = [
    // A carrier's call in audio.
    "INVITE sip:5559876543@{us} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{branch};rport\r\n\
     From: \"Dr. Stra\u{df}e\" <sip:+12025550143@{me}>;tag={tag}\r\nTo: <sip:5559876543@{us}>\r\n\
     Call-ID: {call}\r\nCSeq: 1 INVITE\r\nContact: <sip:gw@{me}>\r\nMax-Forwards: 70\r\n\
     Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE\r\nSupported: timer\r\nSession-Expires: 1800\r\n\
     P-Asserted-Identity: <sip:+12025550143@{me}>\r\nContent-Type: application/sdp\r\n\
     Content-Length: {length}\r\n\r\n{audio}",
    // The same in compact form, T.38 at once.
    "INVITE sip:5559876543@{us} SIP/2.0\r\nv: SIP/2.0/UDP {me};branch=z9hG4bK{branch}\r\n\
     f: <sip:2025550143@{me}>;tag={tag}\r\nt: sip:5559876543@{us}\r\ni: {call}\r\nCSeq: 7 INVITE\r\n\
     m: <sip:gw@{me}>\r\nc: application/sdp\r\nl: {length}\r\n\r\n{image}",
    // No description: the offer comes with our 200.
    "INVITE sip:5559876543@{us} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{branch};rport\r\n\
     From: <sip:2025550143@{me}>;tag={tag}\r\nTo: <sip:5559876543@{us}>\r\nCall-ID: {call}\r\n\
     CSeq: 1 INVITE\r\nContact: <sip:gw@{me}>\r\nDiversion: <sip:5559870000@{me}>;reason=unconditional\r\n\
     Content-Length: 0\r\n\r\n",
    "OPTIONS sip:{us} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{branch};rport\r\n\
     From: <sip:ping@{me}>;tag={tag}\r\nTo: <sip:{us}>\r\nCall-ID: {call}\r\nCSeq: 102 OPTIONS\r\n\
     Accept: application/sdp\r\nContent-Length: 0\r\n\r\n",
    "BYE sip:5559876543@{us} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{branch};rport\r\n\
     From: <sip:2025550143@{me}>;tag={tag}\r\nTo: <sip:5559876543@{us}>;tag=x\r\nCall-ID: {call}\r\n\
     CSeq: 2 BYE\r\nReason: Q.850;cause=16;text=\"Normal\"\r\nContent-Length: 0\r\n\r\n",
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{branch};rport=5060;received=127.0.0.1\r\n\
     From: <sip:5559876543@{us}>;tag={tag}\r\nTo: <sip:5551234567@{me}>;tag=y\r\nCall-ID: {call}\r\n\
     CSeq: 1 INVITE\r\nContact: <sip:gw@{me}>\r\nContent-Type: application/sdp\r\n\
     Content-Length: {length}\r\n\r\n{audio}",
    "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{branch}\r\n\
     From: <sip:5559876543@{us}>;tag={tag}\r\nTo: <sip:5559876543@{me}>;tag=y\r\nCall-ID: {call}\r\n\
     CSeq: 2 REGISTER\r\nWWW-Authenticate: Digest realm=\"carrier\", nonce=\"8a3f\", algorithm=SHA-256, qop=\"auth,auth-int\"\r\n\
     Content-Length: 0\r\n\r\n",
];

/// So many of them, the first, begin a call.
pub const INVITES: usize = 3;

/// Requests within a call that was answered; `{to}` is our To with its tag, `{seq}` counts.
pub const IN_CALL: [&str; 4] = [
    "INVITE {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{branch};rport\r\n\
     From: <sip:2025550143@{me}>;tag={tag}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {seq} INVITE\r\n\
     Contact: <sip:gw@{me}>\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{image}",
    "INVITE {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{branch};rport\r\n\
     From: <sip:2025550143@{me}>;tag={tag}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {seq} INVITE\r\n\
     Contact: <sip:gw@{me}>\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{audio}",
    "UPDATE {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{branch};rport\r\n\
     From: <sip:2025550143@{me}>;tag={tag}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {seq} UPDATE\r\n\
     Contact: <sip:gw@{me}>\r\nSession-Expires: 90;refresher=uac\r\nContent-Length: 0\r\n\r\n",
    "INFO {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{branch};rport\r\n\
     From: <sip:2025550143@{me}>;tag={tag}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {seq} INFO\r\n\
     Content-Length: 0\r\n\r\n",
];

/// The end of our call's dialog, and the receipt for its beginning.
pub const ACK: &str = "ACK {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{branch};rport\r\n\
     From: <sip:2025550143@{me}>;tag={tag}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {seq} ACK\r\nContent-Length: 0\r\n\r\n";
/// See [`ACK`].
pub const BYE: &str = "BYE {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{branch};rport\r\n\
     From: <sip:2025550143@{me}>;tag={tag}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {seq} BYE\r\nContent-Length: 0\r\n\r\n";

/// Session descriptions; `{ip}` and `{port}` are those of the stranger's media socket.
pub const AUDIO: &str = "v=0\r\no=- 20518 0 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
     m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
     a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15,32-36\r\na=ptime:20\r\na=sendrecv\r\n";
/// See [`AUDIO`].
pub const IMAGE: &str = "v=0\r\no=- 20518 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
     m=image {port} udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n\
     a=T38FaxRateManagement:transferredTCF\r\na=T38FaxMaxDatagram:400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n";

/// UDPTL datagrams: sequence number, a primary IFP, secondaries. The T.30 in them is DIS, DCS, TSI, MPS, DCN and page data.
pub const UDPTL: [&[u8]; 10] = [
    // No signal; CNG; V.21 preamble.
    &[0, 0, 1, 0x00, 0, 0],
    &[0, 1, 1, 0x02, 0, 1, 1, 0x00],
    &[0, 2, 1, 0x06, 0, 1, 1, 0x02],
    // HDLC data of V.21: a DIS, its checksum as a field of its own.
    &[
        0, 3, 15, 0xc0, 1, 0x80, 0, 9, 0xff, 0x13, 0x80, 0x00, 0xce, 0xb8, 0x80, 0x80, 0x11, 0x00,
        0, 0,
    ],
    &[0, 4, 3, 0xc0, 1, 0x20, 0, 0],
    // A DCS with rates that do not exist.
    &[
        0, 5, 11, 0xc0, 1, 0x80, 0, 5, 0xff, 0xc8, 0x83, 0x00, 0xff, 0xff, 0, 0,
    ],
    // A TSI, an MPS, a DCN, a PPS with block 255.
    &[
        0, 6, 12, 0xc0, 1, 0x80, 0, 6, 0xff, 0x43, 0x30, 0x31, 0x32, 0x33, 0x34, 0, 0,
    ],
    &[0, 7, 9, 0xc0, 1, 0x80, 0, 2, 0xff, 0xc8, 0xf2, 0, 0],
    &[0, 8, 9, 0xc0, 1, 0x80, 0, 2, 0xff, 0xc8, 0xdf, 0, 0],
    // V.17 page data at 14400, parity FEC behind it: span 3, three entries.
    &[
        0, 9, 9, 0xcd, 1, 0xc0, 0, 3, 0x00, 0x35, 0xac, 0x01, 0x80, 1, 3, 3, 1, 0x55, 1, 0xaa, 1,
        0x00,
    ],
];
