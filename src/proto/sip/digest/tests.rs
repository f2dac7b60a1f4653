use super::*;

const WHO: (&str, &str) = ("Mufasa", "Circle of Life");

fn who() -> Credentials {
    let (username, password) = (WHO.0.to_owned(), WHO.1.to_owned());
    Credentials { username, password }
}

fn response(code: u16, lines: &[&str]) -> Message {
    let mut text =
        format!("SIP/2.0 {code} No\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a>\r\nTo: <sip:b>\r\n");
    text.push_str("Call-ID: 1\r\nCSeq: 1 REGISTER\r\n");
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    Message::parse(text.as_bytes()).expect("it is fine")
}

fn request() -> Message {
    Message::request(Method::Register, "sip:example.com")
}

fn has(header: &str, part: &str) -> bool {
    header
        .split(", ")
        .any(|found| found.trim_start_matches("Digest ") == part)
}

/// RFC 7616 3.9.1. The method is HTTP's.
#[test]
fn the_examples_of_the_standard() {
    let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    for (algorithm, expected) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        (
            "SHA-256",
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
    ] {
        let line = format!(
            "WWW-Authenticate: Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
        let asked = Asked {
            method: &Method::parse("GET").expect("a token"),
            uri: "/dir/index.html",
            body: b"",
        };
        let found = challenges(&response(401, &[&line]));
        let (name, header) = answer(&found, &who(), asked, cnonce, 1).expect("it can be answered");
        assert_eq!(name, Name::Authorization);
        for part in [
            &format!("response=\"{expected}\""),
            &format!("algorithm={algorithm}"),
            "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
            "qop=auth",
            "nc=00000001",
        ] {
            assert!(has(&header, part), "{part} in {header}");
        }
    }
}

/// Each expected value was computed with another library from the strings of RFC 7616 3.4.
#[test]
fn every_kind_of_hash_and_protection() {
    for (params, expected) in [
        ("", "ece26898e0383ed4bfb8325de86bc499"),
        (", qop=\"auth-int\"", "a25cc5b08817509ca684442a8140cb78"),
        (
            ", algorithm=MD5-sess, qop=\"auth\"",
            "20b6de260e9027fdde89491ed593f443",
        ),
        (
            ", algorithm=SHA-256",
            "6749a429c3a3788a165538e5f49a77f7dc63b6d8f83f41e4cecc548118c48583",
        ),
        (
            ", algorithm=SHA-256-sess, qop=\"auth-int\"",
            "73654ab2669ac87fb62ab1e7cbd0d745bfe683d12fe8ec17833950b5d77f0e09",
        ),
        (
            ", algorithm=SHA-512-256, qop=auth",
            "b4a9f5ded97e5b7cdfb8edbc793cb81e9f315927a00ccc6c5e0be84452b64b5c",
        ),
    ] {
        let line = format!("Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\"{params}");
        let found = challenges(&response(407, &[&line]));
        let asked = Asked {
            method: &Method::Invite,
            uri: "sip:1@a",
            body: b"v=0\r\n",
        };
        let (name, header) = answer(&found, &who(), asked, "c", 16).expect("it can be answered");
        assert_eq!(name, Name::ProxyAuthorization);
        assert!(
            has(&header, &format!("response=\"{expected}\"")),
            "{params}: {header}"
        );
        assert_eq!(
            has(&header, "nc=00000010"),
            params.contains("qop"),
            "{header}"
        );
    }
}

#[test]
fn the_strongest_of_several_is_answered_however_they_are_written() {
    let joined = "WWW-Authenticate: Basic realm=\"x, y\", Digest realm=\"a\", nonce=\"1\", algorithm=MD5, \
                  Digest realm=\"a\",nonce=\"2\",algorithm=SHA-256,qop=auth,auth-int, \
                  Digest realm=\"a\", nonce=\"3\", algorithm=SHA-256, Digest realm=\"a\", nonce=\"4\", algorithm=NEW, Negotiate";
    let (first, second) = (
        "WWW-Authenticate: Digest algorithm = md5 , realm = \"a\" , nonce = \"1\"",
        "www-authenticate:DIGEST realm=\"a\",nonce=\"2\",algorithm=sha-256,qop=\"auth-int\"",
    );
    for (lines, qop) in [
        (&[joined][..], "qop=auth"),
        (&[first, second][..], "qop=auth-int"),
    ] {
        let found = challenges(&response(401, lines));
        let request = request();
        let asked = Asked::of(&request).expect("a request");
        let (_, header) = answer(&found, &who(), asked, "c", 1).expect("it can be answered");
        assert!(has(&header, "nonce=\"2\"") && has(&header, qop), "{header}");
    }
}

#[test]
fn what_cannot_be_answered_is_named() {
    let mut login = Login::new(who());
    for (line, named) in [
        (
            "WWW-Authenticate: Digest realm=\"a\", nonce=\"1\", algorithm=AKAv1-MD5",
            "Digest AKAv1-MD5",
        ),
        (
            "WWW-Authenticate: Digest realm=\"a\", nonce=\"1\", qop=\"token\"",
            "Digest",
        ),
        ("WWW-Authenticate: Digest realm=\"a", "Digest"),
        ("WWW-Authenticate: NTLM abc==", "NTLM"),
        ("Subject: none", "nothing"),
    ] {
        let error = login
            .handle_challenge(&response(401, &[line]))
            .expect_err(line);
        assert_eq!(error, DigestError::Unknown(named.to_owned()));
    }
}

const FRESH: &str = "WWW-Authenticate: Digest realm=\"a\", nonce=\"1\", qop=\"auth\"";
const STALE: &str = "WWW-Authenticate: Digest realm=\"a\", nonce=\"2\", qop=\"auth\", stale=TRUE";

fn header(login: &mut Login) -> String {
    let mut request = request();
    login.authorize(&mut request, "c");
    request
        .headers
        .get(Name::Authorization)
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_wrong_password_is_not_sent_twice() {
    let mut login = Login::new(who());
    assert_eq!(header(&mut login), "");
    login
        .handle_challenge(&response(401, &[FRESH]))
        .expect("the first");
    assert!(has(&header(&mut login), "nc=00000001"));
    let error = login
        .handle_challenge(&response(401, &[FRESH]))
        .expect_err("the second");
    assert!(matches!(error, DigestError::Refused { .. }), "{error:?}");
    assert!(!error.to_string().contains(WHO.1) && !format!("{login:?}").contains(WHO.1));
}

#[test]
fn a_stale_nonce_is_replaced_but_not_for_ever() {
    let mut login = Login::new(who());
    login
        .handle_challenge(&response(401, &[FRESH]))
        .expect("the first");
    header(&mut login);
    for _ in 0..3 {
        login
            .handle_challenge(&response(401, &[STALE]))
            .expect("it is stale");
        assert!(has(&header(&mut login), "nonce=\"2\""));
    }
    login
        .handle_challenge(&response(401, &[STALE]))
        .expect_err("for ever");
}

#[test]
fn a_nonce_that_served_before_may_die_without_a_word() {
    let mut login = Login::new(who());
    login
        .handle_challenge(&response(401, &[FRESH]))
        .expect("the first");
    header(&mut login);
    assert!(has(&header(&mut login), "nc=00000002"));
    login
        .handle_challenge(&response(401, &[FRESH]))
        .expect("it may have died");
    assert!(has(&header(&mut login), "nc=00000001"));
}

#[test]
fn a_proxy_before_the_registrar_asks_too() {
    let mut login = Login::new(who());
    let proxy = "Proxy-Authenticate: Digest realm=\"p\", nonce=\"9\"";
    login
        .handle_challenge(&response(407, &[proxy]))
        .expect("the proxy");
    header(&mut login);
    login
        .handle_challenge(&response(401, &[FRESH]))
        .expect("the registrar");
    let mut request = request();
    login.authorize(&mut request, "c");
    assert!(request.headers.get(Name::Authorization).is_some());
    assert!(request.headers.get(Name::ProxyAuthorization).is_some());
}

#[test]
fn a_challenge_adds_no_line_and_no_parameter() {
    let evil =
        "WWW-Authenticate: Digest realm=\"a\\\", response=\\\"x\", nonce=\"1\", opaque=\"\\\"";
    let found = challenges(&response(401, &[evil]));
    let request = request();
    let asked = Asked::of(&request).expect("a request");
    let (_, header) = answer(&found, &who(), asked, "c", 1).expect("it can be answered");
    assert!(
        header.contains("realm=\"a\\\", response=\\\"x\", nonce"),
        "{header}"
    );
    assert!(!header.contains("opaque"), "{header}");
}
