use super::*;

fn report() -> Report {
    Report {
        reporting_mta: "fax.law.example".into(),
        envelope_id: Some("QQ314159".into()),
        arrived: "2026-11-21T09:10:00Z".parse().unwrap(),
        recipients: vec![Recipient {
            original: Some("rfc822;dr-smith@law.example".into()),
            address: "5551234567@fax.local".into(),
            action: Action::Failed,
            status: "4.4.1".into(),
            diagnostic: Some("busy (the number was busy); SIP 486".into()),
            last_attempt: Some("2026-11-21T09:15:00Z".parse().unwrap()),
            retry_until: None,
            log_id: "fax 17".into(),
        }],
        returned: None,
        zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(),
    }
}

#[test]
fn the_fields_of_a_failure() {
    let expected = "Original-Envelope-Id: QQ314159\r\n\
        Reporting-MTA: dns; fax.law.example\r\n\
        Arrival-Date: Sat, 21 Nov 2026 10:10:00 +0100\r\n\
        \r\n\
        Original-Recipient: rfc822; dr-smith@law.example\r\n\
        Final-Recipient: rfc822; 5551234567@fax.local\r\n\
        Action: failed\r\n\
        Status: 4.4.1\r\n\
        Diagnostic-Code: x-fax; busy (the number was busy); SIP 486\r\n\
        Last-Attempt-Date: Sat, 21 Nov 2026 10:15:00 +0100\r\n\
        Final-Log-ID: fax 17\r\n";
    assert_eq!(report().fields(), expected);
}

/// RFC 3464 2.1: `field-name: value`, folded with white space, groups between single blank lines; 7bit.
fn assert_grammar(fields: &str) {
    assert!(fields.is_ascii());
    assert!(!fields.replace("\r\n", "").contains(['\r', '\n']));
    assert!(!fields.starts_with("\r\n") && !fields.contains("\r\n\r\n\r\n"));
    for group in fields.trim_end_matches("\r\n").split("\r\n\r\n") {
        assert!(
            !group.starts_with([' ', '\t']),
            "a group begins with a field"
        );
        for line in group.split("\r\n").filter(|line| !line.starts_with(' ')) {
            let (name, value) = line.split_once(':').expect("a field");
            assert!(
                name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
                "{name:?}"
            );
            assert!(value.is_empty() || value.starts_with(' '), "{line:?}");
        }
    }
}

#[test]
fn an_address_beyond_ascii_is_of_a_type_of_its_own() {
    let mut report = report();
    report.recipients[0].original = Some("utf-8;dr-j\\x{FC}rgen@fax.local".into());
    report.recipients[0].address = "dr-j\u{fc}rgen+fine@fax.local".into();
    let fields = report.fields();
    assert_grammar(&fields);
    for field in [
        "Original-Recipient: utf-8; dr-j\\x{FC}rgen@fax.local",
        "Final-Recipient: utf-8; dr-j\\x{FC}rgen\\x{2B}fine@fax.local",
    ] {
        assert!(fields.contains(field), "{fields}");
    }
}

#[test]
fn strangers_words_add_no_field() {
    let mut random = fastrand::Rng::with_seed(11);
    let alphabet: Vec<char> = "aZ;:\r\n\0 \t€<>@.=+ü\u{7f}Action: x".chars().collect();
    let count = |fields: &str| fields.matches("Action:").count();
    for _ in 0..2000 {
        let mut word = || -> String {
            (0..random.usize(..700))
                .map(|_| alphabet[random.usize(..alphabet.len())])
                .collect()
        };
        let mut report = report();
        report.envelope_id = Some(word());
        let recipient = &mut report.recipients[0];
        recipient.original = Some(format!("rfc822;{}", word()));
        recipient.address = word();
        recipient.diagnostic = Some(word());
        let fields = report.fields();
        assert_grammar(&fields);
        let lines = fields
            .split("\r\n")
            .filter(|line| line.starts_with("Action: "));
        assert_eq!(lines.count(), 1, "{fields}");
        assert!(count(&fields) >= 1);
    }
}

#[test]
fn a_header_comes_back_as_text_that_can_travel() {
    let mail = b"Subject: caf\xc3\xa9\r\nX-Long: ".to_vec();
    let mail = [
        mail,
        vec![b'x'; 3000],
        b"\r\nTo: a@b.example\r\n\r\nbody\r\n".to_vec(),
    ]
    .concat();
    let Returned::Headers(header) = Returned::headers_of(&mail) else {
        panic!("a header");
    };
    let header = String::from_utf8(header).unwrap();
    assert!(
        header.starts_with("Subject: caf??\r\nX-Long: xxx"),
        "{header}"
    );
    assert!(header.ends_with("\r\nTo: a@b.example\r\n"), "{header}");
    assert!(header.lines().all(|line| line.len() <= 998));
}

#[test]
fn a_mail_that_cannot_travel_whole_comes_back_as_its_header() {
    let legal = b"Subject: x\r\n\r\ncaf\xc3\xa9\r\n".to_vec();
    assert_eq!(Returned::whole(legal.clone()), Returned::Whole(legal));
    for body in [&b"a\0b"[..], b"a\rb", &[b'x'; 999]] {
        let mail = [b"Subject: x\r\n\r\n", body].concat();
        let header = Returned::Headers(b"Subject: x\r\n".to_vec());
        assert_eq!(Returned::whole(mail), header);
    }
}
