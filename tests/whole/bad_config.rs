//! Configurations and arguments with something wrong: said with file, line and what to do, before anything starts.

use std::process::{Command, Output};

use crate::harness::process::PROGRAM;

/// A configuration, and what `postfax check` says of it behind the file's name.
const CONFIGURATIONS: &[(&str, &str)] = &[
    (
        "hostname = \"fax\"\n\n[fax]\nmax_page = 3\n",
        ":4: there is no key `max_page`; did you mean `max_pages`?",
    ),
    (
        "[trnk]\nserver = \"sip.example.com:5060\"\n",
        ":1: there is no key `trnk`; did you mean `trunk`?",
    ),
    (
        "[smtp]\nmax_size = \"big\"\n",
        ":2: max_size: invalid type: string \"big\", expected a whole number",
    ),
    (
        "[smtp]\nclients = [\"10.0.0.0/33\"]\n",
        ":2: clients: invalid IP address syntax",
    ),
    (
        "[smtp]\nlisten = [\"localhost:2525\"]\n",
        ":2: listen: invalid socket address syntax",
    ),
    (
        "[fax]\nresolution = \"finest\"\n",
        ":2: resolution: unknown variant `finest`, expected one of `standard`, `fine`, `superfine`",
    ),
    (
        "[fax]\nstation_id = \"call me\"\n",
        ":2: fax.station_id: \"call me\" must be at most 20 characters: digits, + and space (T.30 allows no more)",
    ),
    (
        "[fax]\nmax_bit_rate = 33600\n",
        ":2: fax.max_bit_rate: 33600 is none of 14400, 9600, 4800",
    ),
    (
        "[mail]\nrelay = \"127.0.0.1:25\"\nfrom = \"Fax office\"\n",
        ":3: mail.from: \"Fax office\" is no mail address; write fax@example.com, or with a name \"Fax office \
         <fax@example.com>\"",
    ),
    (
        "[receipts]\ncopy_to = \"archive\"\n",
        ":2: receipts.copy_to: \"archive\" is no mail address",
    ),
    (
        "[smtp]\nlisten_tls = [\"127.0.0.1:2465\"]\n",
        ":2: smtp.listen_tls: takes smtp.tls_certificate and smtp.tls_key",
    ),
    (
        "[smtp]\nbare_lf = [\"0.0.0.0/0\"]\n",
        ":2: smtp.bare_lf: 0.0.0.0/0 is everybody; name the copiers, and no mail server that takes mail from others",
    ),
    (
        "time_zone = \"Mars/Olympus\"\n",
        ":1: time_zone: \"Mars/Olympus\" is no known time zone; write it like \"Europe/Berlin\", or leave it empty",
    ),
    (
        "[dialing]\nallow = [\"NXX?\"]\n",
        ":2: dialing.allow: pattern \"NXX?\": only 0-9 + X Z N [..] (..|..) and . can stand here",
    ),
    (
        "[[trunk]]\nserver = \"carrier:sip\"\n",
        ":2: trunk.server: \"carrier:sip\" must be a host or host:port, such as \"sip.example.com\" or \"192.0.2.1:5060\"",
    ),
    (
        "[trunk]\nserver = \"carrier:5060\"\nlisten = \"0.0.0.0:5060\"\n",
        ":1: there may be several trunks now: write [[trunk]] instead of [trunk]; move listen to [sip] (channels over \
         all trunks are in [sip], too)",
    ),
    (
        "[[trunk]]\nserver = \"carrier\"\nlisten = \"0.0.0.0:5060\"\n",
        ":3: there is no key `listen` in [[trunk]]; it stands in [sip]",
    ),
    (
        "[[trunk]]\nserver = \"a.example\"\n[[trunk]]\nserver = \"b.example\"\nredundancy = 8\n",
        ":5: trunk.redundancy: at most 7",
    ),
    (
        "[[route]]\nnumber = \"5551234567\"\n",
        ":2: route.number: the route of \"5551234567\" needs `to` or `maildir`",
    ),
    (
        "[retry]\nbusy = { delays = [7200] }\nno_answer = { delays = [60] }\n",
        ":3: retry.no_answer: these delays allow more than 2 calls in a row to a number without an hour's rest, which 47 \
         CFR 68.318(b)(1) forbids; write an hour at least every second time, such as [300, 3600, 300, 3600]",
    ),
    (
        "\n\n[retry.no_answer]\nattempts = 5\ndelays = [300, 300, 3600]\n",
        ":3: retry.no_answer: these delays allow more than 2 calls in a row to a number without an hour's rest, which 47 \
         CFR 68.318(b)(1) forbids; write an hour at least every second time, such as [300, 3600, 300, 3600]",
    ),
    ("[smtp\n", ":1: unclosed table, expected `]`"),
];

/// Arguments, the exit code, and what is said.
const ARGUMENTS: &[(&[&str], i32, &str)] = &[
    (&[], 2, "Usage: postfax"),
    (&["dial"], 2, "unrecognized subcommand 'dial'"),
    (&["show"], 2, "<ID>"),
    (&["run", "--verbose"], 2, "unexpected argument '--verbose'"),
    (
        &["render", "a.pdf", "a.tiff", "--resolution", "huge"],
        2,
        "invalid value 'huge' for '--resolution <RESOLUTION>'",
    ),
    (&["carrier", "--send", "a.tiff"], 2, "--to <NUMBER>"),
    (
        &["render", "/nowhere.pdf", "a.tiff"],
        1,
        "postfax: cannot read /nowhere.pdf: No such file or directory",
    ),
    (
        &["to-pdf", "/dev/null", "a.pdf"],
        1,
        "postfax: cannot convert /dev/null: it is not a TIFF file",
    ),
    (
        &["--config", "/nowhere.toml", "run"],
        1,
        "postfax: /nowhere.toml: there is no such file; copy config.toml.example there, or name another file with \
         --config",
    ),
];

#[test]
fn check_says_what_is_wrong_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    for (text, wrong) in CONFIGURATIONS {
        std::fs::write(&file, text).unwrap();
        let name = file.to_str().unwrap();
        for command in ["check", "run"] {
            let done = postfax(&["--config", name, command]);
            assert_eq!(done.status.code(), Some(1), "{command} of {text}");
            assert_eq!(
                said(&done).trim_end(),
                format!("postfax: {name}{wrong}"),
                "{text}"
            );
        }
    }
}

#[test]
fn bad_arguments_have_their_exit_codes() {
    for (arguments, code, words) in ARGUMENTS {
        let done = postfax(arguments);
        let said = said(&done);
        assert_eq!(done.status.code(), Some(*code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?} says: {said}");
    }
}

#[test]
fn commands_beside_no_daemon_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let state = folder.path().join("state");
    std::fs::write(&file, format!("state_dir = {state:?}\n")).unwrap();
    for command in [
        &["queue"][..],
        &["show", "0123456789abc"],
        &["cancel", "0123456789abc"],
    ] {
        let done = postfax(&[&["--config", file.to_str().unwrap()], command].concat());
        assert_eq!(done.status.code(), Some(1), "{command:?}");
        let words = format!(
            "{}/queue.db is not there: the first `postfax run` makes it",
            state.display()
        );
        assert!(said(&done).contains(&words), "{command:?}: {}", said(&done));
        assert!(!state.exists(), "{command:?} made a state folder");
    }
}

fn postfax(arguments: &[&str]) -> Output {
    let done = Command::new(PROGRAM).args(arguments).output();
    done.expect("the program starts")
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}
