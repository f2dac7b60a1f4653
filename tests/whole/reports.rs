//! What other programs make of the reports that we write.

use std::io::Write;
use std::process::{Command, Stdio};

use postfax::pages::sample;

use crate::harness::{CLERK, Site, wait_until};

/// The fields of the report, one a line, as Python's `email` reads them, and the kinds of all parts.
const READ: &str = r#"
import email, email.policy, sys
mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
print("defects:", len(mail.defects))
print("kind:", mail.get_content_type(), mail.get_param("report-type"))
print("first:", mail.get_body(("plain",)).get_content().splitlines()[0])
print("html:", "was not delivered" in mail.get_body(("html",)).get_content())
parts = list(mail.iter_parts())
print("parts:", *[part.get_content_type() for part in parts])
for group in parts[1].get_payload():
    for name, value in group.items():
        print(name + ":", value)
"#;

/// What Python makes of a mail; `None`: there is no Python here.
fn read_by_python(mail: &[u8]) -> Option<String> {
    let python = Command::new("python3")
        .args(["-c", READ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut python = match python {
        Ok(python) => python,
        Err(e) => {
            eprintln!("NOT TESTED: python3 does not start ({e}), so nobody else reads our reports");
            return None;
        }
    };
    let mut stdin = python.stdin.take().expect("it is piped");
    stdin.write_all(mail).expect("it reads");
    drop(stdin);
    let said = python.wait_with_output().expect("it ends");
    assert!(said.status.success(), "python3 cannot read the mail");
    Some(String::from_utf8(said.stdout).expect("it prints UTF-8"))
}

#[test]
fn a_failure_is_a_report_that_others_can_read() {
    let site = Site::new();
    site.submit(&["5551230006"], &[sample::numbered_pages(1)]);
    wait_until("the receipt", 30, || site.receipts().len() == 1);
    let folder = site.path("Maildir-clerk/new");
    let mail = std::fs::read_dir(folder).expect("it is there").next();
    let mail = mail.expect("a mail").expect("it can be read").path();
    let mail = std::fs::read(mail).expect("it can be read");
    let Some(read) = read_by_python(&mail) else {
        return;
    };
    for line in [
        "defects: 0",
        "kind: multipart/report delivery-status",
        "html: True",
        "parts: multipart/alternative message/delivery-status text/rfc822-headers",
        "Final-Recipient: rfc822; 5551230006@fax.local",
        "Action: failed",
        "Status: 5.1.1",
    ] {
        assert!(read.lines().any(|it| it == line), "{line}\n{read}");
    }
    assert!(read.contains("first: Your fax \"Letter of intent\" to 5551230006 was not delivered"));
    assert!(
        read.contains("Diagnostic-Code: x-fax; not_in_service"),
        "{read}"
    );
}

#[test]
fn a_mail_to_many_is_reported_in_one() {
    let site = Site::with(|config| config.receipts.one_mail_over = 1);
    site.submit(&["5551230006", "5551240006"], &[sample::numbered_pages(1)]);
    wait_until("both are over", 60, || {
        site.faxes().iter().all(|fax| fax.ended_at.is_some())
    });
    wait_until("the report", 10, || !site.receipts().is_empty());
    let receipts = site.receipts();
    assert_eq!(receipts.len(), 1, "{receipts:?}");
    for number in ["5551230006", "5551240006"] {
        assert!(receipts[0].text.contains(number), "{}", receipts[0].text);
    }
    site.check();
}

#[test]
fn a_broken_template_of_the_site_is_told_of_and_costs_no_receipt() {
    let mut site = Site::prepared(|config| config.mail.from = String::new());
    let folder = site.path("templates");
    std::fs::create_dir(&folder).expect("the folder can be written");
    let broken = "{{ no_such_thing }}\n";
    std::fs::write(folder.join("receipt.txt"), broken).expect("the folder can be written");
    site.config.receipts.templates = Some(folder);
    site.start_carrier();
    site.start();
    let told = "the template receipt.txt, line 1: undefined value";
    assert!(site.log().text().contains(told), "{}", site.log().text());
    let check = site.command(&["check"]);
    assert!(!check.status.success());
    assert!(
        String::from_utf8_lossy(&check.stdout).contains(told),
        "{check:?}"
    );
    site.submit(&["5551230006"], &[sample::numbered_pages(1)]);
    wait_until("the receipt", 30, || site.receipts().len() == 1);
    let text = &site.receipts()[0].text;
    assert!(text.contains("was not delivered"), "{CLERK}: {text}");
}
