//! Real mail servers around the gateway: swaks is the clerk's program, Postfix relays to us by SMTP and by LMTP and takes
//! our receipts, Dovecot holds the mailboxes. Each with a configuration of its own, on loopback; root, and Debian's
//! packages (`make test` installs them). Elsewhere this says that nothing was tested.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use postfax::config::Socket;
use postfax::pages::sample;

use crate::harness::smtp::Client;
use crate::harness::{Site, wait_for, wait_until};

/// A number that makes a receipt without a call.
const NOT_IN_SERVICE: &str = "5551230006";

const NEEDED: [&str; 5] = [
    "/usr/sbin/postfix",
    "/usr/sbin/dovecot",
    "/usr/lib/dovecot/lmtp",
    "/usr/lib/dovecot/imap",
    "/usr/bin/swaks",
];

#[test]
fn postfix_relays_by_smtp_and_lmtp_and_dovecot_holds_the_receipts() {
    let Some(office) = Office::open() else { return };
    let bad = "555123@fax.local";
    let to = |domain: &str| format!("{NOT_IN_SERVICE}@{domain}");
    // One mail, a good number and a bad one: the good one is faxed, the bad one comes back with our sentence.
    office.clerk_sends(&[&to("fax.local"), bad]);
    wait_until("the fax that came by SMTP", 60, || {
        office.site.faxes().len() == 1
    });
    let returned = office.mail_with("555123");
    assert!(
        returned.contains("digits are missing"),
        "the sentence of our 550 is not in it: {returned}"
    );
    // The same by LMTP: a reply for each recipient.
    office.clerk_sends(&[&to("lmtp.local"), "nobody@lmtp.local"]);
    wait_until("the fax that came by LMTP", 60, || {
        office.site.faxes().len() == 2
    });
    let returned = office.mail_with("nobody@lmtp.local");
    assert!(returned.contains("is not a fax number"), "{returned}");
    for fax in office.site.faxes() {
        let number = fax.number.trim_start_matches('+').to_owned();
        assert!(number.ends_with(NOT_IN_SERVICE), "{number}");
        wait_until("its receipt at Postfix", 60, || {
            let mails = office.site.mails_about(&fax.id);
            mails.iter().any(|mail| mail.state == "delivered")
        });
    }
    // Two receipts, two bounces.
    wait_until("all of it at Dovecot", 60, || office.inbox().len() == 4);
    office.site.check();
}

#[test]
fn postfix_hands_on_what_a_clerk_wants_to_be_told() {
    let Some(office) = Office::open() else { return };
    for domain in ["fax.local", "lmtp.local"] {
        office.says(&[
            "MAIL FROM:<clerk@example.com> RET=HDRS ENVID=QQ+2B314",
            &format!(
                "RCPT TO:<5551230006@{domain}> NOTIFY=FAILURE ORCPT=rfc822;dr+2Bsmith@{domain}"
            ),
            &format!("RCPT TO:<5551240006@{domain}> NOTIFY=NEVER"),
            "DATA",
        ]);
    }
    wait_until("all four are over", 60, || {
        let faxes = office.site.faxes();
        faxes.len() == 4 && faxes.iter().all(|fax| fax.ended_at.is_some())
    });
    wait_until("both reports at Dovecot", 60, || office.inbox().len() == 2);
    for domain in ["fax.local", "lmtp.local"] {
        let original = format!("Original-Recipient: rfc822; dr+smith@{domain}");
        let report = office
            .inbox()
            .into_iter()
            .find(|mail| mail.contains(&original));
        let report = report.unwrap_or_else(|| panic!("no {original}"));
        for field in [
            "Original-Envelope-Id: QQ+314",
            "Action: failed",
            "text/rfc822-headers",
            &format!("Final-Recipient: rfc822; 5551230006@{domain}"),
        ] {
            assert!(report.contains(field), "{field}\n{report}");
        }
    }
    office.site.check();
}

/// The site and the servers around it; they end with it.
struct Office {
    imap: SocketAddr,
    smtp: SocketAddr,
    postfix: PathBuf,
    dovecot: Child,
    site: Site,
}

impl Office {
    /// `None`, and loudly: it cannot be tried here.
    fn open() -> Option<Office> {
        let missing = NEEDED.iter().find(|path| !Path::new(path).exists());
        let is_root = rustix::process::getuid().is_root();
        if missing.is_some() || !is_root {
            let why = missing.map_or("this is not root".to_owned(), |it| {
                format!("there is no {it}")
            });
            eprintln!(
                "NOT TESTED with Postfix, Dovecot and swaks: {why}; `make test` installs them"
            );
            return None;
        }
        let mut site = Site::prepared(|config| {
            config.mail.maildir = None;
            config.smtp.domains.push("lmtp.local".into());
        });
        let (smtp, imap) = (site.address(2527), site.address(2143));
        site.config.smtp.lmtp = vec![Socket::Address(site.address(2424))];
        site.config.smtp.clients = vec!["127.0.0.0/8".parse().expect("a network")];
        site.config.mail.relay = smtp.to_string();
        site.start_carrier();
        site.start();
        // Theirs from the first child on, so that none is left where the next does not start.
        let office = Office {
            imap,
            smtp,
            postfix: site.path("postfix/conf"),
            dovecot: start_dovecot(&site, imap),
            site,
        };
        start_postfix(&office.site, smtp, &office.postfix);
        Some(office)
    }

    /// A mail with a PDF, by swaks.
    fn clerk_sends(&self, recipients: &[&str]) {
        let pdf = self.site.path("letter.pdf");
        std::fs::write(&pdf, sample::numbered_pages(1)).expect("the folder can be written");
        let sent = Command::new("/usr/bin/swaks")
            .args(["--server", &self.smtp.ip().to_string()])
            .args(["--port", &self.smtp.port().to_string()])
            .args(["--from", "clerk@example.com", "--to", &recipients.join(",")])
            .args(["--header", "Subject: Letter of intent"])
            .args(["--attach-type", "application/pdf"])
            .arg("--attach")
            .arg(format!("@{}", pdf.display()))
            .output()
            .expect("swaks runs");
        let said = String::from_utf8_lossy(&sent.stdout);
        assert!(sent.status.success(), "swaks: {said}");
    }

    /// A letter, word by word: swaks knows no DSN.
    fn says(&self, commands: &[&str]) {
        let mut client = Client::connect(self.smtp);
        client.expect("EHLO clerk.example.com", 250);
        for command in commands {
            let reply = client.say(command);
            assert!(reply.code < 400, "{command}: {reply:?}");
        }
        let letter = "From: clerk@example.com\r\nSubject: an order\r\n\r\nTwelve pens, please.\r\n";
        assert_eq!(client.data(letter.as_bytes()).code, 250);
    }

    /// The mail in the clerk's inbox that has this in it.
    fn mail_with(&self, words: &str) -> String {
        wait_for(&format!("a mail with {words}"), 60, || {
            let mut inbox = self.inbox().into_iter();
            // A folded line is one line.
            let plain = |mail: String| mail.replace("\r\n    ", " ");
            inbox
                .find(|mail| mail.contains(words) && mail.contains("MAILER-DAEMON"))
                .map(plain)
        })
    }

    /// The clerk's mails, as IMAP shows them.
    fn inbox(&self) -> Vec<String> {
        let stream = TcpStream::connect(self.imap).expect("Dovecot listens");
        let mut imap = Imap(BufReader::new(stream));
        imap.line();
        imap.say("a LOGIN clerk@example.com secret");
        let seen = imap.say("b SELECT INBOX");
        let count = seen.iter().find_map(|line| {
            line.strip_prefix("* ")?
                .strip_suffix(" EXISTS")?
                .parse()
                .ok()
        });
        (1..=count.unwrap_or(0usize))
            .map(|n| imap.say(&format!("c FETCH {n} BODY.PEEK[]")).join("\r\n"))
            .collect()
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        let stopped = Command::new("/usr/sbin/postfix")
            .arg("-c")
            .arg(&self.postfix)
            .arg("stop")
            .output();
        drop(stopped);
        let id = i32::try_from(self.dovecot.id()).expect("an identifier");
        let _ = Command::new("kill").arg(id.to_string()).status();
        let _ = self.dovecot.wait();
        if std::thread::panicking() {
            for log in ["postfix.log", "dovecot.log"] {
                let said = std::fs::read_to_string(self.site.path(log)).unwrap_or_default();
                eprintln!("---- {log}\n{said}");
            }
        }
    }
}

/// A client that reads up to the end of a command.
struct Imap(BufReader<TcpStream>);

impl Imap {
    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.0
            .read_until(b'\n', &mut line)
            .expect("Dovecot answers");
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    fn say(&mut self, command: &str) -> Vec<String> {
        let line = format!("{command}\r\n");
        self.0
            .get_mut()
            .write_all(line.as_bytes())
            .expect("Dovecot listens");
        let end = format!("{} ", &command[..1]);
        let mut said = Vec::new();
        loop {
            let line = self.line();
            if line.starts_with(&end) {
                assert!(line.starts_with(&format!("{end}OK")), "{command}: {line}");
                return said;
            }
            said.push(line);
        }
    }
}

/// Dovecot as a child: LMTP in a folder for Postfix, IMAP for us, mailboxes of nobody's.
fn start_dovecot(site: &Site, imap: SocketAddr) -> Child {
    let home = site.path("dovecot");
    std::fs::create_dir_all(home.join("mail")).expect("the folder can be made");
    let (folder, log) = (home.display(), site.path("dovecot.log"));
    // Other users walk through the folders to their sockets and mails.
    open_up(&site.path(""));
    open_up(&home);
    let configuration = format!(
        "base_dir = {folder}/run
state_dir = {folder}/state
log_path = {}
protocols = imap lmtp
ssl = no
disable_plaintext_auth = no
auth_username_format = %Lu
default_internal_user = nobody
default_login_user = nobody
default_internal_group = nogroup
first_valid_uid = 1
mail_location = maildir:~/Maildir
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/mail/%u allow_all_users=yes
}}
service lmtp {{
  unix_listener {folder}/lmtp {{
    mode = 0666
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = {}
    port = {}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  unix_listener stats-reader {{
    mode = 0666
  }}
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
",
        log.display(),
        imap.ip(),
        imap.port()
    );
    let file = home.join("dovecot.conf");
    std::fs::write(&file, configuration).expect("the folder can be written");
    let given = Command::new("chown")
        .arg("nobody:nogroup")
        .arg(home.join("mail"))
        .status();
    assert!(given.is_ok_and(|status| status.success()), "chown");
    let dovecot = Command::new("/usr/sbin/dovecot")
        .args(["-F", "-c"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("dovecot runs");
    wait_until("Dovecot listens", 30, || {
        TcpStream::connect(imap).is_ok() && home.join("lmtp").exists()
    });
    dovecot
}

/// Postfix with a queue of its own and its configuration in `conf`; its transport map leads to us.
fn start_postfix(site: &Site, smtp: SocketAddr, conf: &Path) {
    let home = site.path("postfix");
    for folder in ["queue", "data", "conf"] {
        std::fs::create_dir_all(home.join(folder)).expect("the folder can be made");
    }
    open_up(&home);
    open_up(&home.join("queue"));
    let given = Command::new("chown")
        .arg("postfix")
        .arg(home.join("data"))
        .status();
    assert!(given.is_ok_and(|status| status.success()), "chown");
    let gateway = site.config.smtp.listen[0];
    let Socket::Address(lmtp) = site.config.smtp.lmtp[0] else {
        panic!("LMTP has an address here");
    };
    let folder = home.display();
    let write = |name: &str, text: String| {
        std::fs::write(conf.join(name), text).expect("the folder can be written");
    };
    write(
        "transport",
        format!(
            "fax.local smtp:[{}]:{}\nlmtp.local lmtp:inet:{lmtp}\n",
            gateway.ip(),
            gateway.port()
        ),
    );
    write(
        "main.cf",
        format!(
            "compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {}
maillog_file_prefixes = /
myhostname = mail.example.com
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = all
inet_protocols = ipv4
smtp_bind_address =
relay_domains = fax.local, lmtp.local
transport_maps = texthash:{folder}/conf/transport
virtual_mailbox_domains = example.com
virtual_mailbox_maps =
virtual_transport = lmtp:unix:{}
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = permit_mynetworks, reject
smtp_host_lookup = native
disable_dns_lookups = yes
smtp_tls_security_level = none
lmtp_tls_security_level = none
smtpd_tls_security_level = none
alias_maps =
alias_database =
biff = no
",
            site.path("postfix.log").display(),
            site.path("dovecot/lmtp").display(),
        ),
    );
    let services = [
        "pickup unix n - n 60 1 pickup",
        "cleanup unix n - n - 0 cleanup",
        "qmgr unix n - n 300 1 qmgr",
        "rewrite unix - - n - - trivial-rewrite",
        "bounce unix - - n - 0 bounce",
        "defer unix - - n - 0 bounce",
        "trace unix - - n - 0 bounce",
        "verify unix - - n - 1 verify",
        "flush unix n - n 1000? 0 flush",
        "proxymap unix - - n - - proxymap",
        "smtp unix - - n - - smtp",
        "relay unix - - n - - smtp",
        "lmtp unix - - n - - lmtp",
        "error unix - - n - - error",
        "retry unix - - n - - error",
        "discard unix - - n - - discard",
        "anvil unix - - n - 1 anvil",
        "scache unix - - n - 1 scache",
        "showq unix n - n - - showq",
        "postlog unix-dgram n - n - 1 postlogd",
    ];
    let listener = format!("{}:{} inet n - n - - smtpd", smtp.ip(), smtp.port());
    write(
        "master.cf",
        format!("{listener}\n{}\n", services.join("\n")),
    );
    let started = Command::new("/usr/sbin/postfix")
        .arg("-c")
        .arg(conf)
        .arg("start")
        .output();
    let started = started.expect("postfix runs");
    let said = String::from_utf8_lossy(&started.stderr);
    assert!(started.status.success(), "postfix start: {said}");
    wait_until("Postfix listens", 30, || TcpStream::connect(smtp).is_ok());
}

/// Lets other users through a folder.
fn open_up(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, open).expect("it is ours");
}
