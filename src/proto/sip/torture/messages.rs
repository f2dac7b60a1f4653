//! The messages of RFC 4475, by section. `\n` stands for CRLF, `{len}` for the length of the body.

use super::Expect::{self, Broken, Dropped, Fine, Refused};

/// One message and what becomes of it.
pub struct Torture {
    pub section: &'static str,
    pub name: &'static str,
    pub expect: Expect,
    pub text: &'static str,
}

impl Torture {
    pub fn octets(&self) -> Vec<u8> {
        let text = self.text.replace('\n', "\r\n");
        let body = text
            .split_once("\r\n\r\n")
            .map_or(0, |(_, body)| body.len());
        text.replace("{len}", &body.to_string()).into_bytes()
    }
}

const fn t(
    section: &'static str,
    name: &'static str,
    expect: Expect,
    text: &'static str,
) -> Torture {
    Torture {
        section,
        name,
        expect,
        text,
    }
}

/// The body that most of them have.
macro_rules! sdp {
    () => {
        "v=0\no=mhandley 29739 7272939 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 49217 RTP/AVP 0 12\n\
         m=video 3227 RTP/AVP 31\na=rtpmap:31 LPC\n"
    };
}

pub const ALL: &[Torture] = &[
    // ---- 3.1.1 valid ----
    t(
        "3.1.1.1",
        "wsinv",
        Fine,
        concat!(
            "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\nTO :\n sip:vivekg@chair-dnrc.example.com ;   \
         tag    = 1918181833n\nfrom   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\n  ;\n  tag = 98asjd8\n\
         MaX-fOrWaRdS: 0068\nCall-ID: wsinv.ndaksdj@192.0.2.1\nContent-Length   : {len}\ncseq: 0009\n  INVITE\n\
         Via  : SIP  /   2.0\n /UDP\n    192.0.2.2;branch=390skdjuw\ns :\nNewFangledHeader:   newfangled value\n \
         continued newfangled value\nUnknownHeaderWithUnusualValue: ;;,,;;,;\nContent-Type: application/sdp\nRoute:\n \
         <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\nv:  SIP  / 2.0  / TCP     \
         spindle.example.com   ;\n  branch  =   z9hG4bK9ikj8  ,\n SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n \
         z9hG4bK30239\nm:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\n      newvalue ;\n  \
         secondparam ; q = 0.33\n\n",
            sdp!()
        ),
    ),
    t(
        "3.1.1.2",
        "intmeth",
        Refused(501),
        "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,\
         weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\nVia: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66\
         *_+`'~\nTo: \"BEL:\\\u{7} NUL:\\\u{0} DEL:\\\u{7f}\" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@\
         example.com>\nFrom: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\u{440}\u{430}\
         \u{431}\u{43e}\u{442}\u{430}\u{44e}\u{449}\u{438}\u{439}\";tag=_token~1'+`*%!-.\nCall-ID: intmeth.word%ZK-!.*_+'@\
         word`~)(><:\\/\"][?}{\nCSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\nMax-Forwards: 255\n\
         extensionHeader-!.%*+_`'~: \u{feff}\u{5927}\u{505c}\u{96fb}\nContent-Length: 0\n\n",
    ),
    t(
        "3.1.1.3",
        "esc01",
        Fine,
        concat!(
            "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0\nTo: sip:%75se%72@example.com\nFrom: <sip:I%20have%20\
         spaces@example.net>;tag=938\nMax-Forwards: 87\ni: esc01.239409asdfakjkn23onasd0-3234\nCSeq: 234234 INVITE\n\
         Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw\nC: application/sdp\nContact:\n  <sip:cal%6Cer@host5.\
         example.net;%6C%72;n%61me=v%61lue%25%34%31>\nContent-Length: {len}\n\n",
            sdp!()
        ),
    ),
    t(
        "3.1.1.4",
        "escnull",
        Refused(405),
        "REGISTER sip:example.com SIP/2.0\nTo: sip:null-%00-null@example.com\nFrom: sip:null-%00-null@example.com;tag=\
         839923423\nMax-Forwards: 70\nCall-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd\nCSeq: 14398234 REGISTER\n\
         Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw\nContact: <sip:%00@host5.example.com>\nContact: <sip:%00\
         %00@host5.example.com>\nL:0\n\n",
    ),
    t(
        "3.1.1.5",
        "esc02",
        Refused(501),
        "RE%47IST%45R sip:registrar.example.com SIP/2.0\nTo: \"%Z%45\" <sip:resource@example.com>\nFrom: \"%Z%45\" <sip:\
         resource@example.com>;tag=f232jadfj23\nCall-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf\nVia: SIP/2.0/TCP \
         host.example.com;branch=z9hG4bK209%fzsnel234\nCSeq: 29344 RE%47IST%45R\nMax-Forwards: 70\nContact: <sip:alias1@\
         host1.example.com>\nC%6Fntact: <sip:alias2@host2.example.com>\nContact: <sip:alias3@host3.example.com>\n\
         Content-Length: 0\n\n",
    ),
    t(
        "3.1.1.6",
        "lwsdisp",
        Fine,
        "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:user@example.com\nFrom: caller<sip:caller@example.com>;tag=323\n\
         Max-Forwards: 70\nCall-ID: lwsdisp.1234abcd@funky.example.com\nCSeq: 60 OPTIONS\nVia: SIP/2.0/UDP funky.example\
         .com;branch=z9hG4bKkdjuw\nl: 0\n\n",
    ),
    t("3.1.1.7", "longreq", Fine, LONGREQ),
    t(
        "3.1.1.8",
        "dblreq",
        Refused(405),
        concat!(
            "REGISTER sip:example.com SIP/2.0\nTo: sip:j.user@example.com\nFrom: sip:j.user@example.com;tag=43251j3j324\n\
         Max-Forwards: 8\nI: dblreq.0ha0isndaksdj99sdfafnl3lk233412\nContact: sip:j.user@host.example.com\nCSeq: 8 \
         REGISTER\nVia: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492\nContent-Length: 0\n\n\nINVITE sip:joe@example.\
         com SIP/2.0\nt: sip:joe@example.com\nFrom: sip:caller@example.net;tag=141334\nMax-Forwards: 8\nCall-ID: dblreq.\
         0ha0isnda977644900765@192.0.2.15\nCSeq: 8 INVITE\nVia: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw380234\n\
         Content-Type: application/sdp\nContent-Length: 150\n\n",
            sdp!()
        ),
    ),
    t(
        "3.1.1.9",
        "semiuri",
        Fine,
        "OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0\nTo: sip:j_user@example.com\nFrom: sip:caller@example.\
         org;tag=33242\nMax-Forwards: 3\nCall-ID: semiuri.0ha0isndaksdj\nCSeq: 8 OPTIONS\nAccept: application/sdp, \
         application/pkcs7-mime,\n        multipart/mixed, multipart/signed,\n        message/sip, message/sipfrag\n\
         Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw\nl: 0\n\n",
    ),
    t(
        "3.1.1.10",
        "transports",
        Fine,
        "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:user@example.com\nFrom: <sip:caller@example.com>;tag=323\n\
         Max-Forwards: 70\nCall-ID: transports.kijh4akdnaqjkwendsasfdj\nAccept: application/sdp\nCSeq: 60 OPTIONS\n\
         Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw\nVia: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf\n\
         Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj\nVia: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0\
         f3en\nVia: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee\nl: 0\n\n",
    ),
    t(
        "3.1.1.11",
        "mpart01",
        Refused(405),
        "MESSAGE sip:kumiko@example.org SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-d87543-4dade06d0bdb11ee-\
         1--d87543-;rport\nMax-Forwards: 70\nRoute: <sip:127.0.0.1:5080>\nIdentity: r5mwreLuyDRYBi/0TiPwEsY3rEVsk/G2WxhgT\
         V1PF7hHuLIK0Y=\nIdentity-Info: <https://127.0.0.1:8888/identity-service>\nTo: <sip:kumiko@example.org>\nFrom: \
         <sip:fluffy@example.com>;tag=2fb0dcc9\nCall-ID: 3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..\nCSeq: 1 MESSAGE\n\
         Content-Transfer-Encoding: binary\nContent-Type: multipart/mixed;boundary=7a9cbec02ceef655\nDate: Sat, 15 Oct \
         2005 04:44:56 GMT\nUser-Agent: SIPimp.org/0.2.5 (curses)\nContent-Length: {len}\n\n--7a9cbec02ceef655\n\
         Content-Type: text/plain\nContent-Transfer-Encoding: binary\n\nHello\n--7a9cbec02ceef655\nContent-Type: \
         application/octet-stream\nContent-Transfer-Encoding: binary\n\n0\u{0}\u{1}R\u{6}\t*\u{7f}\u{0}\r\r\u{0} \n\
         --7a9cbec02ceef655--\n",
    ),
    t(
        "3.1.1.12",
        "unreason",
        Fine,
        "SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e} \u{434}\u{435}\u{432}\u{44f}\u{43d}\u{43e}\u{441}\
         \u{442}\u{43e} - \u{43f}\u{440}\u{43e}\u{441}\u{442}\u{43e}\u{435}\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK\
         1324923\nCall-ID: unreason.1234ksdfak3j2erwedfsASdf\nCSeq: 35 INVITE\nFrom: sip:user@example.com;tag=11141343\n\
         To: sip:user@example.edu;tag=2229\nContent-Length: 0\nContact: <sip:user@host198.example.com>\n\n",
    ),
    t(
        "3.1.1.13",
        "noreason",
        Fine,
        "SIP/2.0 100 \nVia: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe\nCall-ID: noreason.asndj203insdf99223ndf\n\
         CSeq: 35 INVITE\nFrom: <sip:user@example.com>;tag=39ansfi3\nTo: <sip:user@example.edu>;tag=902jndnke3\nContent-\
         Length: 0\nContact: <sip:user@host105.example.com>\n\n",
    ),
    // ---- 3.1.2 invalid ----
    t(
        "3.1.2.1",
        "badinv01",
        Broken(400),
        concat!(
            "INVITE sip:user@example.com SIP/2.0\nTo: sip:j.user@example.com\nFrom: sip:caller@example.net;tag=134161461246\n\
         Max-Forwards: 7\nCall-ID: badinv01.0ha0isndaksdjasdf3234nas\nCSeq: 8 INVITE\nVia: SIP/2.0/UDP 192.0.2.15;;,;,,\n\
         Contact: \"Joe\" <sip:joe@example.org>;;;;\nContent-Length: {len}\nContent-Type: application/sdp\n\n",
            sdp!()
        ),
    ),
    t(
        "3.1.2.2",
        "clerr",
        Broken(400),
        concat!(
            "INVITE sip:user@example.com SIP/2.0\nMax-Forwards: 80\nTo: sip:j.user@example.com\nFrom: sip:caller@example.net;\
         tag=93942939o2\nContact: <sip:caller@hungry.example.net>\nCall-ID: clerr.0ha0isndaksdjweiafasdk3\nCSeq: 8 \
         INVITE\nVia: SIP/2.0/UDP host5.example.com;branch=z9hG4bK-39234-23523\nContent-Type: application/sdp\n\
         Content-Length: 9999\n\n",
            sdp!()
        ),
    ),
    t(
        "3.1.2.3",
        "ncl",
        Broken(400),
        concat!(
            "INVITE sip:user@example.com SIP/2.0\nMax-Forwards: 254\nTo: sip:j.user@example.com\nFrom: sip:caller@example.net\
         ;tag=32394234\nCall-ID: ncl.0ha0isndaksdj2193423r542w35\nCSeq: 0 INVITE\nVia: SIP/2.0/UDP 192.0.2.53;branch=\
         z9hG4bKkdjuw\nContact: <sip:caller@example53.example.net>\nContent-Type: application/sdp\nContent-Length: -999\n\n",
            sdp!()
        ),
    ),
    t(
        "3.1.2.4",
        "scalar02",
        Broken(400),
        "REGISTER sip:example.com SIP/2.0\nVia: SIP/2.0/TCP host129.example.com;branch=z9hG4bK342sdfoi3\nTo: <sip:user@\
         example.com>\nFrom: <sip:user@example.com>;tag=239232jh3\nCSeq: 36893488147419103232 REGISTER\nCall-ID: \
         scalar02.23o0pd9vanlq3wnrlnewofjas9ui32\nMax-Forwards: 300\nExpires: 10000000000000000000000000000000000\n\
         Contact: <sip:user@host129.example.com>\n  ;expires=280297596632815\nContent-Length: 0\n\n",
    ),
    t(
        "3.1.2.5",
        "scalarlg",
        Dropped,
        "SIP/2.0 503 Service Unavailable\nVia: SIP/2.0/TCP host129.example.com;branch=z9hG4bKzzxdiwo34sw;received=192.0.2\
         .129\nTo: <sip:user@example.com>\nFrom: <sip:other@example.net>;tag=2easdjfejw\nCSeq: 9292394834772304023312 \
         OPTIONS\nCall-ID: scalarlg.noase0of0234hn2qofoaf0232aewf2394r\nRetry-After: 949302838503028349304023988\nWarning\
         : 1812 overture \"In Progress\"\nContent-Length: 0\n\n",
    ),
    t(
        "3.1.2.6",
        "quotbal",
        Broken(400),
        concat!(
            "INVITE sip:user@example.com SIP/2.0\nTo: \"Mr. J. User <sip:j.user@example.com>\nFrom: sip:caller@example.net;\
         tag=93334\nMax-Forwards: 10\nCall-ID: quotbal.aksdj\nContact: <sip:caller@host59.example.net>\nCSeq: 8 INVITE\n\
         Via: SIP/2.0/UDP 192.0.2.59:5050;branch=z9hG4bKkdjuw39234\nContent-Type: application/sdp\nContent-Length: {len}\
         \n\n",
            sdp!()
        ),
    ),
    t(
        "3.1.2.7",
        "ltgtruri",
        Broken(400),
        concat!(
            "INVITE <sip:user@example.com> SIP/2.0\nTo: sip:user@example.com\nFrom: sip:caller@example.net;tag=39291\n\
         Max-Forwards: 23\nCall-ID: ltgtruri.1@192.0.2.5\nCSeq: 1 INVITE\nVia: SIP/2.0/UDP 192.0.2.5\nContact: <sip:\
         caller@host5.example.net>\nContent-Type: application/sdp\nContent-Length: {len}\n\n",
            sdp!()
        ),
    ),
    t(
        "3.1.2.8",
        "lwsruri",
        Broken(400),
        concat!(
            "INVITE sip:user@example.com; lr SIP/2.0\nTo: sip:user@example.com;tag=3xfe-9921883-z9f\nFrom: sip:caller@\
         example.net;tag=231413434\nMax-Forwards: 5\nCall-ID: lwsruri.asdfasdoeoi2323-asdfwrn23-asd834rk423\nCSeq: \
         2130706432 INVITE\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKkdjuw2395\nContact: <sip:caller@host1.example.\
         net>\nContent-Type: application/sdp\nContent-Length: {len}\n\n",
            sdp!()
        ),
    ),
    t(
        "3.1.2.9",
        "lwsstart",
        Broken(400),
        concat!(
            "INVITE  sip:user@example.com  SIP/2.0\nMax-Forwards: 8\nTo: sip:user@example.com\nFrom: sip:caller@example.net;\
         tag=8814\nCall-ID: lwsstart.dfknq234oi243099adsdfnawe3@example.com\nCSeq: 1893884 INVITE\nVia: SIP/2.0/UDP \
         host1.example.com;branch=z9hG4bKkdjuw3923\nContact: <sip:caller@host1.example.net>\nContent-Type: application/\
         sdp\nContent-Length: {len}\n\n",
            sdp!()
        ),
    ),
    t(
        "3.1.2.10",
        "trws",
        Broken(400),
        "OPTIONS sip:remote-target@example.com SIP/2.0  \nVia: SIP/2.0/TCP host1.example.com;branch=z9hG4bK299342093\n\
         To: <sip:remote-target@example.com>\nFrom: <sip:local-resource@example.com>;tag=329429089\nCall-ID: trws.oicu34\
         958239neffasdhr2345r\nAccept: application/sdp\nCSeq: 238923 OPTIONS\nMax-Forwards: 70\nContent-Length: 0\n\n",
    ),
    t(
        "3.1.2.11",
        "escruri",
        Broken(400),
        concat!(
            "INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0\nTo: sip:user@example.com\nFrom: sip:caller@\
         example.net;tag=341518\nMax-Forwards: 7\nContact: <sip:caller@host39923.example.net>\nCall-ID: escruri.23940-\
         asdfhj-aje3br-234q098w-fawerh2q-h4n5\nCSeq: 149209342 INVITE\nVia: SIP/2.0/UDP host-of-the-hour.example.com;\
         branch=z9hG4bKkdjuw\nContent-Type: application/sdp\nContent-Length: {len}\n\n",
            sdp!()
        ),
    ),
    // "Elements wishing to be liberal could ignore this value": we have no use for it.
    t(
        "3.1.2.12",
        "baddate",
        Fine,
        concat!(
            "INVITE sip:user@example.com SIP/2.0\nTo: sip:user@example.com\nFrom: sip:caller@example.net;tag=2234923\n\
         Max-Forwards: 70\nCall-ID: baddate.239423mnsadf3j23lj42--sedfnm234\nCSeq: 1392934 INVITE\nVia: SIP/2.0/UDP host.\
         example.com;branch=z9hG4bKkdjuw\nDate: Fri, 01 Jan 2010 16:00:00 EST\nContact: <sip:caller@host5.example.net>\n\
         Content-Type: application/sdp\nContent-Length: {len}\n\n",
            sdp!()
        ),
    ),
    t(
        "3.1.2.13",
        "regbadct",
        Broken(400),
        "REGISTER sip:example.com SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=998332\nMax-Forwards:\
         \x2070\nCall-ID: regbadct.k345asrl3fdbv@10.0.0.1\nCSeq: 1 REGISTER\nVia: SIP/2.0/UDP 135.180.130.133:5060;branch\
         =z9hG4bKkdjuw\nContact: sip:user@example.com?Route=%3Csip:sip.example.com%3E\nl: 0\n\n",
    ),
    t(
        "3.1.2.14",
        "badaspec",
        Broken(400),
        "OPTIONS sip:user@example.org SIP/2.0\nVia: SIP/2.0/UDP host4.example.com:5060;branch=z9hG4bKkdju43234\n\
         Max-Forwards: 70\nFrom: \"Bell, Alexander\" <sip:a.g.bell@example.com>;tag=433423\nTo: \"Watson, Thomas\" < sip:\
         t.watson@example.org >\nCall-ID: badaspec.sdf0234n2nds0a099u23h3hnnw009cdkne3\nAccept: application/sdp\nCSeq: \
         3923239 OPTIONS\nl: 0\n\n",
    ),
    t(
        "3.1.2.15",
        "baddn",
        Broken(400),
        "OPTIONS sip:t.watson@example.org SIP/2.0\nVia: SIP/2.0/UDP c.example.com:5060;branch=z9hG4bKkdjuw\nMax-Forwards:\
         \x2070\nFrom: Bell, Alexander <sip:a.g.bell@example.com>;tag=43\nTo: Watson, Thomas <sip:t.watson@example.org>\n\
         Call-ID: baddn.31415@c.example.com\nAccept: application/sdp\nCSeq: 3923239 OPTIONS\nl: 0\n\n",
    ),
    t(
        "3.1.2.16",
        "badvers",
        Broken(505),
        "OPTIONS sip:t.watson@example.org SIP/7.0\nVia: SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw\nMax-Forwards: 70\n\
         From: A. Bell <sip:a.g.bell@example.com>;tag=qweoiqpe\nTo: T. Watson <sip:t.watson@example.org>\nCall-ID: \
         badvers.31417@c.example.com\nCSeq: 1 OPTIONS\nl: 0\n\n",
    ),
    t(
        "3.1.2.17",
        "mismatch01",
        Refused(400),
        "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:j.user@example.com\nFrom: sip:caller@example.net;tag=34525\n\
         Max-Forwards: 6\nCall-ID: mismatch01.dj0234sxdfl3\nCSeq: 8 INVITE\nVia: SIP/2.0/UDP host.example.com;branch=\
         z9hG4bKkdjuw\nl: 0\n\n",
    ),
    t(
        "3.1.2.18",
        "mismatch02",
        Refused(501),
        concat!(
            "NEWMETHOD sip:user@example.com SIP/2.0\nTo: sip:j.user@example.com\nFrom: sip:caller@example.net;tag=34525\n\
         Max-Forwards: 6\nCall-ID: mismatch02.dj0234sxdfl3\nCSeq: 8 INVITE\nContact: <sip:caller@host.example.net>\nVia: \
         SIP/2.0/UDP host.example.net;branch=z9hG4bKkdjuw\nContent-Type: application/sdp\nl: {len}\n\n",
            sdp!()
        ),
    ),
    t(
        "3.1.2.19",
        "bigcode",
        Dropped,
        "SIP/2.0 4294967301 better not break the receiver\nVia: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe\nCall-ID:\
         \x20bigcode.asdof3uj203asdnf3429uasdhfas3ehjasdfas9i\nCSeq: 353494 INVITE\nFrom: <sip:user@example.com>;tag=39ans\
         fi3\nTo: <sip:user@example.edu>;tag=902jndnke3\nContent-Length: 0\nContact: <sip:user@host105.example.com>\n\n",
    ),
    // ---- 3.2 the transaction layer ----
    t(
        "3.2.1",
        "badbranch",
        Refused(400),
        "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:user@example.com\nFrom: sip:caller@example.org;tag=33242\n\
         Max-Forwards: 3\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK\nAccept: application/sdp\nCall-ID: badbranch.sadonfo2\
         3i420jv0as0derf3j3n\nCSeq: 8 OPTIONS\nl: 0\n\n",
    ),
    // ---- 3.3 application semantics ----
    t(
        "3.3.1",
        "insuf",
        Broken(400),
        concat!(
            "INVITE sip:user@example.com SIP/2.0\nCSeq: 193942 INVITE\nVia: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\n\
         Content-Type: application/sdp\nl: {len}\n\n",
            sdp!()
        ),
    ),
    t(
        "3.3.2",
        "unkscm",
        Refused(416),
        "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0\nTo: sip:user@example.com\nFrom: sip:caller@example.\
         net;tag=384\nMax-Forwards: 3\nCall-ID: unkscm.nasdfasser0q239nwsdfasdkl34\nCSeq: 3923423 OPTIONS\nVia: SIP/2.0/\
         TCP host9.example.com;branch=z9hG4bKkdjuw39234\nContent-Length: 0\n\n",
    ),
    t(
        "3.3.3",
        "novelsc",
        Refused(416),
        "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0\nTo: sip:user@example.com\nFrom: sip:caller@example.net;tag=384\n\
         Max-Forwards: 3\nCall-ID: novelsc.asdfasser0q239nwsdfasdkl34\nCSeq: 3923423 OPTIONS\nVia: SIP/2.0/TCP host9.\
         example.com;branch=z9hG4bKkdjuw39234\nContent-Length: 0\n\n",
    ),
    // A registrar says 400; we are none.
    t(
        "3.3.4",
        "unksm2",
        Refused(405),
        "REGISTER sip:example.com SIP/2.0\nTo: isbn:2983792873\nFrom: <http://www.example.com>;tag=3234233\nCall-ID: \
         unksm2.daksdj@hyphenated-host.example.com\nCSeq: 234902 REGISTER\nMax-Forwards: 70\nVia: SIP/2.0/UDP 192.0.2.21:\
         5060;branch=z9hG4bKkdjuw\nContact: <name:John_Smith>\nl: 0\n\n",
    ),
    t(
        "3.3.5",
        "bext01",
        Refused(420),
        "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:j_user@example.com\nFrom: sip:caller@example.net;tag=242etr\n\
         Max-Forwards: 6\nCall-ID: bext01.0ha0isndaksdj\nRequire: nothingSupportsThis, nothingSupportsThisEither\n\
         Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis\nCSeq: 8 OPTIONS\nVia: SIP/2.0/TLS fold-and-\
         staple.example.com;branch=z9hG4bKkdjuw\nContent-Length: 0\n\n",
    ),
    t(
        "3.3.6",
        "invut",
        Refused(415),
        "INVITE sip:user@example.com SIP/2.0\nContact: <sip:caller@host5.example.net>\nTo: sip:j.user@example.com\nFrom: \
         sip:caller@example.net;tag=8392034\nMax-Forwards: 70\nCall-ID: invut.0ha0isndaksdjadsfij34n23d\nCSeq: 235448 \
         INVITE\nVia: SIP/2.0/UDP somehost.example.com;branch=z9hG4bKkdjuw\nContent-Type: application/unknownformat\n\
         Content-Length: {len}\n\n<audio>\n <pcmu port=\"443\"/>\n</audio>\n",
    ),
    // A registrar asks again with a scheme that it knows; we are none.
    t(
        "3.3.7",
        "regaut01",
        Refused(405),
        "REGISTER sip:example.com SIP/2.0\nTo: sip:j.user@example.com\nFrom: sip:j.user@example.com;tag=87321hj23128\n\
         Max-Forwards: 8\nCall-ID: regaut01.0ha0isndaksdj\nCSeq: 9338 REGISTER\nVia: SIP/2.0/TCP 192.0.2.253;branch=z9hG4\
         bKkdjuw\nAuthorization: NoOneKnowsThisScheme opaque-data=here\nContent-Length:0\n\n",
    ),
    t(
        "3.3.8",
        "multi01",
        Broken(400),
        concat!(
            "INVITE sip:user@company.com SIP/2.0\nContact: <sip:caller@host25.example.net>\nVia: SIP/2.0/UDP 192.0.2.25;\
         branch=z9hG4bKkdjuw\nMax-Forwards: 70\nCSeq: 5 INVITE\nCall-ID: multi01.98asdh@192.0.2.1\nCSeq: 59 INVITE\n\
         Call-ID: multi01.98asdh@192.0.2.2\nFrom: sip:caller@example.com;tag=3413415\nTo: sip:user@example.com\nTo: sip:\
         other@example.net\nFrom: sip:caller@example.net;tag=2923420123\nContent-Type: application/sdp\nl: {len}\n\
         Contact: <sip:caller@host36.example.net>\nMax-Forwards: 5\n\n",
            sdp!()
        ),
    ),
    t(
        "3.3.9",
        "mcl01",
        Broken(400),
        "OPTIONS sip:user@example.com SIP/2.0\nVia: SIP/2.0/UDP host5.example.net;branch=z9hG4bK293423\nTo: sip:user@\
         example.com\nFrom: sip:other@example.net;tag=3923942\nCall-ID: mcl01.fhn2323orihawfdoa3o4r52o3irsdf\nCSeq: \
         15932 OPTIONS\nContent-Length: 13\nMax-Forwards: 60\nContent-Length: 5\nContent-Type: text/plain\n\nThere's no \
         way to know how many octets are supposed to be here.\n",
    ),
    t(
        "3.3.10",
        "bcast",
        Dropped,
        concat!(
            "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\nVia: SIP/2.0/UDP 255.255.255.255;branch=z9h\
         G4bK1saber23\nCall-ID: bcast.0384840201234ksdfak3j2erwedfsASdf\nCSeq: 35 INVITE\nFrom: sip:user@example.com;tag=\
         11141343\nTo: sip:user@example.edu;tag=2229\nContent-Length: {len}\nContent-Type: application/sdp\nContact: <sip\
         :user@host28.example.com>\n\n",
            sdp!()
        ),
    ),
    // A proxy says 483; an endpoint goes on as if it were more.
    t(
        "3.3.11",
        "zeromf",
        Fine,
        "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:user@example.com\nFrom: sip:caller@example.net;tag=3ghsd41\n\
         Call-ID: zeromf.jfasdlfnm2o2l43r5u0asdfas\nCSeq: 39234321 OPTIONS\nVia: SIP/2.0/UDP host1.example.com;branch=\
         z9hG4bKkdjuw2349i\nMax-Forwards: 0\nContent-Length: 0\n\n",
    ),
    t(
        "3.3.12",
        "cparam01",
        Refused(405),
        "REGISTER sip:example.com SIP/2.0\nVia: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw\nMax-Forwards: \
         70\nFrom: sip:watson@example.com;tag=DkfVgjkrtMwaerKKpe\nTo: sip:watson@example.com\nCall-ID: cparam01.70710@\
         saturn.example.com\nCSeq: 2 REGISTER\nContact: sip:+19725552222@gw1.example.net;unknownparam\nl: 0\n\n",
    ),
    t(
        "3.3.13",
        "cparam02",
        Refused(405),
        "REGISTER sip:example.com SIP/2.0\nVia: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw\nMax-Forwards: \
         70\nFrom: sip:watson@example.com;tag=838293\nTo: sip:watson@example.com\nCall-ID: cparam02.70710@saturn.example.\
         com\nCSeq: 3 REGISTER\nContact: <sip:+19725552222@gw1.example.net;unknownparam>\nl: 0\n\n",
    ),
    t(
        "3.3.14",
        "regescrt",
        Refused(405),
        "REGISTER sip:example.com SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=8\nMax-Forwards: 70\n\
         Call-ID: regescrt.k345asrl3fdbv@192.0.2.1\nCSeq: 14398234 REGISTER\nVia: SIP/2.0/UDP host5.example.com;branch=\
         z9hG4bKkdjuw\nM: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>\nL:0\n\n",
    ),
    t(
        "3.3.15",
        "sdp01",
        Refused(406),
        concat!(
            "INVITE sip:user@example.com SIP/2.0\nTo: sip:j_user@example.com\nContact: <sip:caller@host15.example.net>\nFrom: \
         sip:caller@example.net;tag=234\nMax-Forwards: 5\nCall-ID: sdp01.ndaksdj9342dasdd\nAccept: text/nobodyKnowsThis\n\
         CSeq: 8 INVITE\nVia: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw\nContent-Length: {len}\nContent-Type: \
         application/sdp\n\n",
            sdp!()
        ),
    ),
    // ---- 3.4 backward compatibility ----
    t(
        "3.4.1",
        "inv2543",
        Fine,
        concat!(
            "INVITE sip:UserB@example.com SIP/2.0\nVia: SIP/2.0/UDP iftgw.example.com\nFrom: <sip:+13035551111@ift.client.\
         example.net;user=phone>\nRecord-Route: <sip:UserB@example.com;maddr=ss1.example.com>\nTo: sip:+16505552222@ss1.\
         example.net;user=phone\nCall-ID: inv2543.1717@ift.client.example.com\nCSeq: 56 INVITE\nContent-Type: \
         application/sdp\n\n",
            sdp!()
        ),
    ),
];

const LONGREQ: &str = concat!(
    "INVITE sip:user@example.com SIP/2.0\nTo: \"I have a user name of extremeextremeextremeextremeextremeextremeextreme\
     extremeextremeextreme proportion\"<sip:user@example.com:6000;unknownparam1=verylonglonglonglonglonglonglonglong\
     longlonglonglonglonglonglonglonglonglonglonglongvalue;longparamnamenamenamenamenamenamenamenamenamenamenamename\
     namenamenamenamenamenamenamenamenamenamenamenamename=shortvalue;verylonglonglonglonglonglonglonglonglonglonglong\
     longlonglonglonglonglonglonglonglonglonglonglonglonglonglongParameterNameWithNoValue>\nF: sip:amazinglylongcaller\
     nameamazinglylongcallernameamazinglylongcallernameamazinglylongcallernameamazinglylongcallername@example.net;tag=12\
     982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982424;\
     unknownheaderparamnamenamenamenamenamenamenamenamenamenamenamenamenamenamenamenamenamenamename=unknowheaderparamva\
     luevaluevaluevaluevaluevaluevaluevaluevaluevaluevaluevaluevaluevalue;unknownValuelessparamnameparamnameparamname\
     paramnameparamnameparamnameparamnameparamnameparamnameparamname\nCall-ID: longreq.onereallyreallyreallyreallyreally\
     reallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallylongcallid\nCSeq: 3882340 \
     INVITE\nUnknown-LongLongLongLongLongLongLongLongLongLongLongLongLongLongLongLongLongLongLongLong-Name: unknown-long\
     longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong-value; unknown-longlonglonglong\
     longlonglonglonglonglong-parameter-name = unknown-longlonglonglonglonglonglonglonglonglonglonglong-parameter-value\n\
     Via: SIP/2.0/TCP sip33.example.com\nv: SIP/2.0/TCP sip32.example.com\nV: SIP/2.0/TCP sip31.example.com\nVia: SIP/2.0/\
     TCP sip30.example.com\nViA: SIP/2.0/TCP sip29.example.com\nVIa: SIP/2.0/TCP sip28.example.com\nVIA: SIP/2.0/TCP sip27\
     .example.com\nvia: SIP/2.0/TCP sip26.example.com\nviA: SIP/2.0/TCP sip25.example.com\nvIa: SIP/2.0/TCP sip24.example.\
     com\nvIA: SIP/2.0/TCP sip23.example.com\nV :  SIP/2.0/TCP sip22.example.com\nv :  SIP/2.0/TCP sip21.example.com\n\
     V  : SIP/2.0/TCP sip20.example.com\nv  : SIP/2.0/TCP sip19.example.com\nVia : SIP/2.0/TCP sip18.example.com\nVia  : \
     SIP/2.0/TCP sip17.example.com\nVia: SIP/2.0/TCP sip16.example.com\nVia: SIP/2.0/TCP sip15.example.com\nVia: SIP/2.0/\
     TCP sip14.example.com\nVia: SIP/2.0/TCP sip13.example.com\nVia: SIP/2.0/TCP sip12.example.com\nVia: SIP/2.0/TCP sip11\
     .example.com\nVia: SIP/2.0/TCP sip10.example.com\nVia: SIP/2.0/TCP sip9.example.com\nVia: SIP/2.0/TCP sip8.example.com\
     \nVia: SIP/2.0/TCP sip7.example.com\nVia: SIP/2.0/TCP sip6.example.com\nVia: SIP/2.0/TCP sip5.example.com\nVia: SIP/\
     2.0/TCP sip4.example.com\nVia: SIP/2.0/TCP sip3.example.com\nVia: SIP/2.0/TCP sip2.example.com\nVia: SIP/2.0/TCP sip1.\
     example.com\nVia: SIP/2.0/TCP host.example.com;received=192.0.2.5;branch=verylonglonglonglonglonglonglonglonglong\
     longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglongbranchvalue\n\
     Max-Forwards: 70\nContact: <sip:amazinglylongcallernameamazinglylongcallernameamazinglylongcallernameamazinglylong\
     callernameamazinglylongcallername@host5.example.net>\nContent-Type: application/sdp\nl: {len}\n\n",
    sdp!()
);
