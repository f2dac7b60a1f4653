//! Who guesses passwords (AUTH), and who keeps others from logging in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use postfax::config::{Sender, User};

use crate::harness::smtp::Client;
use crate::harness::{Site, seed};

/// A site where strangers may log in, and its certificate.
struct Open {
    site: Site,
    pem: String,
}

impl Open {
    fn start() -> Open {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.expect("a certificate");
        let mut site = Site::prepared(|config| {
            config.queue.quiet_hours = vec!["00:00-24:00".into()];
            config.smtp.clients = vec!["127.0.0.1/32".parse().expect("a network")];
            config.users = vec![clerk()];
            config.senders = vec![Sender {
                pattern: "*@example.com".into(),
                ..Sender::default()
            }];
        });
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| site.path(name));
        std::fs::write(&certificate, made.cert.pem()).expect("it can be written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("it can be written");
        (site.config.smtp.tls_certificate, site.config.smtp.tls_key) =
            (Some(certificate), Some(key));
        site.start();
        Open {
            site,
            pem: made.cert.pem(),
        }
    }

    fn server(&self) -> SocketAddr {
        self.site.config.smtp.listen[0]
    }

    /// Connects; the code of the greeting.
    fn connect(&self, own: IpAddr) -> (Client, u16) {
        let mut client = Client::connect_from(own, self.server());
        let code = client.reply().code;
        (client, code)
    }

    /// A session under TLS. The place of the one before it may take a moment to be free.
    fn session(&self, own: IpAddr) -> Client {
        for _ in 0..100 {
            let (mut client, code) = self.connect(own);
            if code == 220 {
                client.expect("EHLO c", 250);
                let mut client = client.under_tls(&self.pem);
                client.expect("EHLO c", 250);
                return client;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{own} is not let in");
    }
}

/// A user whose hash is quickly tried.
fn clerk() -> User {
    let params = Params::new(64, 1, 1, None).expect("cheap ones");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    User {
        name: "clerk".into(),
        password: argon2.hash_password(b"right").expect("a hash").to_string(),
        senders: vec!["clerk@example.com".into()],
    }
}

fn plain(name: &str, password: &str) -> String {
    let message = STANDARD.encode(format!("\0{name}\0{password}"));
    format!("AUTH PLAIN {message}")
}

/// The code at the end of AUTH LOGIN.
fn login(client: &mut Client, name: &str, password: &str) -> u16 {
    client.expect("AUTH LOGIN", 334);
    client.expect(&STANDARD.encode(name), 334);
    client.say(&STANDARD.encode(password)).code
}

fn word(random: &mut Rng) -> String {
    (0..random.usize(5..15))
        .map(|_| random.lowercase())
        .collect()
}

fn address(random: &mut Rng) -> IpAddr {
    Ipv4Addr::new(127, random.u8(100..200), random.u8(..), random.u8(1..255)).into()
}

/// The codes of `attempts` guesses with names and passwords of their own.
fn guesses(open: &Open, own: IpAddr, random: &mut Rng, attempts: usize) -> Vec<u16> {
    let mut codes = Vec::new();
    while codes.len() < attempts {
        let mut client = open.session(own);
        // A session has three guesses.
        for _ in 0..2.min(attempts - codes.len()) {
            codes.push(client.say(&plain(&word(random), &word(random))).code);
        }
    }
    codes
}

#[test]
fn idle_connections_of_one_address_lock_nobody_out() {
    let mut random = seed("idle_connections_of_one_address_lock_nobody_out");
    let open = Open::start();
    let (attacker, honest) = (address(&mut random), address(&mut random));
    let idle: Vec<(Client, u16)> = (0..12).map(|_| open.connect(attacker)).collect();
    let taken = idle.iter().filter(|(_, code)| *code == 220).count();
    assert_eq!(taken, 3);
    let mut client = open.session(honest);
    client.expect(&plain("clerk", "right"), 235);
    // Who has logged in counts no longer.
    let more: Vec<Client> = (0..5)
        .map(|_| {
            let mut client = open.session(honest);
            client.expect(&plain("clerk", "right"), 235);
            client
        })
        .collect();
    drop((idle, more));
}

#[test]
fn twenty_failures_whatever_the_names_and_across_a_restart() {
    let mut random = seed("twenty_failures_whatever_the_names_and_across_a_restart");
    let mut open = Open::start();
    let (attacker, honest) = (address(&mut random), address(&mut random));
    assert_eq!(guesses(&open, attacker, &mut random, 12), [535; 12]);
    open.site.kill();
    open.site.start();
    let codes = guesses(&open, attacker, &mut random, 50);
    assert_eq!(codes[..8], [535; 8]);
    assert_eq!(codes[8..], [454; 42]);
    open.session(attacker).expect(&plain("clerk", "right"), 454);
    open.session(honest).expect(&plain("clerk", "right"), 235);
}

#[test]
fn parallel_guesses_are_counted_before_they_are_tried() {
    let mut random = seed("parallel_guesses_are_counted_before_they_are_tried");
    let open = Open::start();
    let attacker = address(&mut random);
    assert_eq!(guesses(&open, attacker, &mut random, 18), [535; 18]);
    let mut sessions: Vec<Client> = (0..3).map(|_| open.session(attacker)).collect();
    for client in &mut sessions {
        // The hash of a name that nobody has is slow.
        let guess = format!("{}\r\n", plain(&word(&mut random), &word(&mut random)));
        client.write(guess.as_bytes()).expect("it listens");
    }
    let mut codes: Vec<u16> = sessions.iter_mut().map(|it| it.reply().code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [454, 535, 535]);
}

#[test]
fn one_wrong_secret_by_plain_and_by_login_is_one_failure() {
    let mut random = seed("one_wrong_secret_by_plain_and_by_login_is_one_failure");
    let open = Open::start();
    let own = address(&mut random);
    for n in 0..19 {
        let secret = word(&mut random);
        let mut client = open.session(own);
        client.expect(&plain("clerk", &secret), 535);
        assert_eq!(login(&mut client, "clerk", &secret), 535, "{n}");
    }
    let mut client = open.session(own);
    client.expect(&plain("clerk", "right"), 235);
}

#[test]
fn one_user_logs_in_over_several_connections_at_once() {
    let mut random = seed("one_user_logs_in_over_several_connections_at_once");
    let open = Open::start();
    for _ in 0..10 {
        let own = address(&mut random);
        let mut sessions: Vec<Client> = (0..3).map(|_| open.session(own)).collect();
        for client in &mut sessions {
            let right = format!("{}\r\n", plain("clerk", "right"));
            client.write(right.as_bytes()).expect("it listens");
        }
        let codes: Vec<u16> = sessions.iter_mut().map(|it| it.reply().code).collect();
        assert_eq!(codes, [235; 3]);
    }
}
