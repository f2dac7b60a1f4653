use super::*;

const NOW: Millis = Millis(1_795_000_000_000);

fn fax(id: &str, address: &str) -> NewFax {
    let number = address.split(['+', '@', '/']).next().unwrap();
    NewFax {
        id: id.into(),
        recipient: address.into(),
        number: number.into(),
        ..NewFax::default()
    }
}

fn with_cover(id: &str, address: &str, name: Option<&str>) -> NewFax {
    NewFax {
        cover: Some(true),
        name: name.map(str::to_owned),
        ..fax(id, address)
    }
}

/// Names in the header: only one recipient has one.
fn names() -> HashMap<String, String> {
    HashMap::from([("2@fax.local".to_owned(), "Jane Roe".to_owned())])
}

fn copy_of(fax: &NewFax, standing: Standing) -> DuplicateCandidate {
    DuplicateCandidate {
        text_key: "m-1".into(),
        fax: fax.id.clone(),
        number: fax.number.clone(),
        sub_address: fax.sub_address.clone(),
        resolution: fax.resolution,
        cover: fax.cover == Some(true),
        standing,
        recipients: std::iter::once(further(fax))
            .chain(fax.further.clone())
            .collect(),
    }
}

fn minutes_ago(minutes: i64) -> Millis {
    Millis(NOW.0 - minutes * 60_000)
}

#[test]
fn only_what_a_lost_250_explains_is_a_duplicate() {
    use Standing::*;
    let again = Recipients::new(vec![fax("b", "1@fax.local")], names());
    let (queued, delivered) = (
        Disposition::Queued("a".into()),
        Disposition::Delivered("a".into()),
    );
    for (standing, expected) in [
        (Open, queued),
        (Delivered(minutes_ago(0)), delivered.clone()),
        (Delivered(minutes_ago(89)), delivered.clone()),
        (Delivered(minutes_ago(91)), Disposition::New),
        // The clock was set back.
        (Delivered(minutes_ago(-89)), delivered),
        (Delivered(minutes_ago(-91)), Disposition::New),
        (GivenUp(minutes_ago(0)), Disposition::New),
        (GivenUp(Millis(i64::MAX)), Disposition::New),
    ] {
        let copy = copy_of(&fax("a", "1@FAX.local"), standing);
        assert_eq!(again.plan(&[copy], NOW), [expected], "{standing:?}");
    }
}

#[test]
fn the_copy_that_ended_last_counts_and_an_open_one_before_all() {
    use Standing::*;
    let again = Recipients::new(vec![fax("c", "1@fax.local")], names());
    let plan = |copies: [(&str, Standing); 2]| {
        let copies = copies.map(|(id, standing)| copy_of(&fax(id, "1@fax.local"), standing));
        again.plan(&copies, NOW).remove(0)
    };
    let (a, b) = (minutes_ago(20), minutes_ago(10));
    assert_eq!(
        plan([("a", Delivered(a)), ("b", GivenUp(b))]),
        Disposition::New
    );
    assert_eq!(
        plan([("a", GivenUp(a)), ("b", Delivered(b))]),
        Disposition::Delivered("b".into())
    );
    assert_eq!(
        plan([("a", Open), ("b", GivenUp(b))]),
        Disposition::Queued("a".into())
    );
}

#[test]
fn sent_again_because_some_failed_only_those_are_new() {
    use Standing::*;
    let (one, two, three) = ("1@fax.local", "2@fax.local", "3@fax.local");
    let again = Recipients::new(vec![fax("d", one), fax("e", two), fax("f", three)], names());
    let yesterday = minutes_ago(1440);
    let copies = |of_two| {
        [
            copy_of(&fax("a", one), Delivered(yesterday)),
            copy_of(&fax("b", two), of_two),
            copy_of(&fax("c", three), Open),
        ]
    };
    let plan = again.plan(&copies(GivenUp(yesterday)), NOW);
    assert_eq!(
        plan,
        [
            Disposition::Delivered("a".into()),
            Disposition::New,
            Disposition::Queued("c".into())
        ]
    );
    let said = again.acceptance_reply(&plan);
    assert_eq!(
        said.text,
        "fax queued as e; the same fax is queued as c already; \
         the same fax was delivered as a already, and is not sent again"
    );
    assert_eq!(said.each[1], "fax queued as e");
    // The `250` to that was lost: it comes once more.
    let sent = |standing| copy_of(&fax("e", two), standing);
    for standing in [Open, Delivered(minutes_ago(30))] {
        let known = [copies(GivenUp(yesterday)).to_vec(), vec![sent(standing)]].concat();
        let plan = again.plan(&known, NOW);
        assert_eq!(plan[0], Disposition::Delivered("a".into()));
        assert!(!plan.contains(&Disposition::New), "{plan:?}");
    }
    // Nothing failed, or what failed was delivered long ago: the sender wants it once more.
    let known = [
        copies(GivenUp(yesterday)).to_vec(),
        vec![sent(Delivered(minutes_ago(600)))],
    ];
    let plan = again.plan(&known.concat(), NOW);
    assert_eq!(plan[..2], [Disposition::New, Disposition::New]);
    let plan = again.plan(&copies(Delivered(yesterday)), NOW);
    assert_eq!(plan[..2], [Disposition::New, Disposition::New]);
}

#[test]
fn one_fax_serves_those_who_would_get_the_same_and_each_is_kept() {
    let mut second = fax("b", "1+code-7+p5@fax.local");
    second.billing = Some("7".into());
    second.priority = 5;
    second.orcpt = Some("rfc822;anna@example.com".into());
    second.notify = Some(Notify::from_bits(1));
    second.tell_delay_at = Some(NOW);
    let twice = fax("c", "1@fax.local");
    let to = Recipients::new(
        vec![fax("a", "1@fax.local"), second.clone(), twice],
        names(),
    );
    let plan = to.plan(&[], NOW);
    let (faxes, joins) = to.carry_out(&plan);
    assert_eq!((faxes.len(), joins.len()), (1, 0));
    assert_eq!(faxes[0].further, [further(&second)], "named twice is once");
    assert_eq!((faxes[0].priority, faxes[0].tell_delay_at), (5, Some(NOW)));
    let said = to.acceptance_reply(&plan);
    assert_eq!(said.text, "fax queued as a");
    assert_eq!(said.each[1], "the same fax is queued as a already");
}

#[test]
fn what_the_far_end_would_see_or_another_time_makes_two_faxes() {
    let sub = NewFax {
        sub_address: Some("6377".into()),
        ..fax("b", "1@fax.local")
    };
    let fine = NewFax {
        resolution: Resolution::Superfine,
        ..fax("b", "1@fax.local")
    };
    for (one, other, faxes) in [
        (fax("a", "1@fax.local"), fax("b", "1@gw.example"), 1),
        (fax("a", "1@fax.local"), sub, 2),
        (fax("a", "1@fax.local"), fine, 2),
        (fax("a", "1@fax.local"), fax("b", "1+at1800@fax.local"), 2),
        (
            fax("a", "1@fax.local"),
            with_cover("b", "1@fax.local", None),
            2,
        ),
        // ATTN, the phone book and the header of the mail say whom a cover page names.
        (
            with_cover("a", "1/ATTN=Smith@fax.local", None),
            with_cover("b", "1/ATTN=Jones@fax.local", None),
            2,
        ),
        (
            with_cover("a", "1@fax.local", Some("Dr. Smith")),
            with_cover("b", "1@fax.local", Some("Dr. Jones")),
            2,
        ),
        (
            with_cover("a", "2@gw.example", None),
            with_cover("b", "2@fax.local", None),
            2,
        ),
        (
            with_cover("a", "1/ATTN=Smith@fax.local", None),
            with_cover("b", "1/ATTN=smith.@fax.local", Some("Smith")),
            1,
        ),
        // Without a cover page nobody sees the name.
        (
            fax("a", "1/ATTN=Smith@fax.local"),
            fax("b", "1/ATTN=Jones@fax.local"),
            1,
        ),
    ] {
        let said = format!("{} {}", one.recipient, other.recipient);
        let to = Recipients::new(vec![one, other], names());
        let (made, _) = to.carry_out(&to.plan(&[], NOW));
        let further: usize = made.iter().map(|fax| fax.further.len()).sum();
        assert_eq!((made.len(), made.len() + further), (faxes, 2), "{said}");
    }
}

#[test]
fn a_recipient_of_a_later_copy_joins_an_open_fax_and_no_other() {
    use Standing::*;
    let other = fax("b", "1+code-7@fax.local");
    let to = Recipients::new(vec![other.clone()], names());
    let copy = |standing| copy_of(&fax("a", "1@fax.local"), standing);
    let plan = to.plan(&[copy(Open)], NOW);
    assert_eq!(plan, [Disposition::Joins("a".into())]);
    let (faxes, joins) = to.carry_out(&plan);
    assert_eq!((faxes.len(), &joins[0].recipient), (0, &further(&other)));
    for over in [Delivered(NOW), GivenUp(NOW)] {
        assert_eq!(to.plan(&[copy(over)], NOW), [Disposition::New]);
    }
    // Two that lists made one address of, in one mail or in two.
    let alias = |id, name: &str| NewFax {
        orcpt: Some(format!("rfc822;{name}@example.com")),
        ..fax(id, "1@fax.local")
    };
    let to = Recipients::new(vec![alias("b", "bob")], names());
    let anna = copy_of(&alias("a", "anna"), Open);
    assert_eq!(to.plan(&[anna], NOW), [Disposition::Joins("a".into())]);
    let bob = copy_of(&alias("a", "bob"), Open);
    assert_eq!(to.plan(&[bob], NOW), [Disposition::Queued("a".into())]);
}

const LEASE: &str = "From: a@b.example\r\nSubject: the\r\n lease\r\n\r\nIt is signed.\r\n";

fn same(one: &str, other: &str) -> bool {
    is_same(one.as_bytes(), other.as_bytes())
}

#[test]
fn another_way_makes_no_other_mail() {
    let way = "Return-Path: <a@b.example>\r\nReceived: from x by y\r\n\twith ESMTP; now\r\nDKIM-Signature: v=1;\r\n t=2\r\n";
    assert!(same(LEASE, &format!("{way}{LEASE}")));
    assert!(same(
        &format!("ARC-Seal: i=1\r\nX-Spam-Level: *\r\n{LEASE}"),
        LEASE
    ));
    assert!(same("", "") && same("no header", "no header"));
}

#[test]
fn another_word_does() {
    for (here, there) in [
        ("signed", "Signed"),
        ("the\r\n lease", "the\r\n rent"),
        ("From: a@", "From: c@"),
        ("\r\n\r\nIt", "\r\nX-Fax-Cover: yes\r\n\r\nIt"),
    ] {
        assert!(!same(LEASE, &LEASE.replace(here, there)), "{there}");
    }
    // What stands behind the header is text, whatever it looks like.
    assert!(!same(LEASE, &format!("{LEASE}Received: x\r\n")));
}
