//! Trunks in virtual time.

use std::net::SocketAddr;
use std::time::Duration;

use super::health::Sign;
use super::lookup::Places;
use super::*;

fn trunks(text: &str) -> Trunks {
    Trunks::of(&Config::parse(text, "config.toml").unwrap())
}

const TWO: &str = "[[trunk]]\nname = \"a\"\nserver = [\"192.0.2.1\", \"192.0.2.2:5080\"]\nchannels = 1\n\
                   calls_per_second = 1.0\n[[trunk]]\nname = \"b\"\nserver = \"198.51.100.1\"\npriority = 20\n\
                   peers = [\"203.0.113.0/24\"]\n";

fn name(reserved: Result<Reservation, NotNow>) -> Result<String, NotNow> {
    reserved.map(|it| it.channel.trunk().config.name.clone())
}

#[tokio::test]
async fn a_full_trunk_leaves_the_call_to_the_next_and_gets_its_channel_back() {
    let (trunks, now) = (trunks(TWO), Instant::now());
    let first = trunks.reserve_at("+1", |_| true, now).ok().unwrap();
    assert_eq!(first.channel.trunk().config.name, "a");
    assert_eq!(name(trunks.reserve_at("+1", |_| true, now)), Ok("b".into()));
    drop(first);
    let later = now + Duration::from_secs(1);
    assert_eq!(
        name(trunks.reserve_at("+1", |_| true, later)),
        Ok("a".into())
    );
    assert!(trunks.iter().all(|trunk| trunk.calls() == 0));
}

#[tokio::test]
async fn a_dearer_trunk_without_overflow_is_for_when_the_other_is_down() {
    let text = format!("{TWO}overflow = false\n");
    let (trunks, now) = (trunks(&text), Instant::now());
    let first = trunks.reserve_at("+1", |_| true, now).ok().unwrap();
    assert_eq!(
        name(trunks.reserve_at("+1", |_| true, now)),
        Err(NotNow::Busy)
    );
    let others: Vec<_> = first.others.iter().map(|it| &*it.config.name).collect();
    assert_eq!(others, ["b"], "where the first refuses");
    drop(first);
    let a = trunks.all[0].clone();
    a.look_up(now).await;
    for server in ["192.0.2.1:5060", "192.0.2.2:5080"] {
        a.heard(server.parse().unwrap(), Sign::Rest(30), now);
    }
    assert_eq!(name(trunks.reserve_at("+1", |_| true, now)), Ok("b".into()));
}

#[tokio::test]
async fn a_fax_waits_for_its_second_and_does_not_take_the_dearer_trunk() {
    let (trunks, now) = (trunks(TWO), Instant::now());
    drop(trunks.reserve_at("+1", |_| true, now).ok().unwrap());
    let again = trunks.reserve_at("+1", |_| true, now).err();
    assert_eq!(again, Some(NotNow::Until(now + Duration::from_secs(1))));
}

#[tokio::test]
async fn a_server_that_asked_for_rest_is_skipped_and_a_trunk_of_such_waits() {
    let (trunks, now) = (trunks(TWO), Instant::now());
    let a = trunks.all[0].clone();
    a.look_up(now).await;
    let [one, two] = ["192.0.2.1:5060", "192.0.2.2:5080"].map(|it| it.parse().unwrap());
    a.heard(one, Sign::Rest(30), now);
    let seats = a.seats(now);
    assert_eq!((seats.len(), seats[0].address), (1, two));
    a.heard(two, Sign::Rest(20), now);
    assert_eq!(name(trunks.reserve_at("+1", |_| true, now)), Ok("b".into()));
    let b = &trunks.all[1];
    b.look_up(now).await;
    b.heard("198.51.100.1:5060".parse().unwrap(), Sign::Rest(10), now);
    let until = now + Duration::from_secs(10);
    assert!(
        matches!(trunks.reserve_at("+1", |_| true, now), Err(NotNow::Until(at)) if at >= until)
    );
}

#[tokio::test]
async fn a_dead_server_is_tried_last_and_again_after_a_minute_without_options() {
    let (trunks, now) = (
        trunks("[[trunk]]\nserver = [\"192.0.2.1\", \"192.0.2.2\"]\noptions_seconds = 0\n"),
        Instant::now(),
    );
    let trunk = trunks.all[0].clone();
    trunk.look_up(now).await;
    let dead = "192.0.2.1:5060".parse().unwrap();
    trunk.heard(dead, Sign::Nothing("no response".into()), now);
    assert_eq!(trunk.seats(now).last().unwrap().address, dead);
    assert!(!trunk.is_down_at(now));
    assert_eq!(trunk.seats(now + Duration::from_secs(60))[0].address, dead);
}

#[tokio::test]
async fn calls_come_from_peers_and_servers_and_nobody_else() {
    let trunks = trunks(TWO);
    for trunk in trunks.iter() {
        trunk.look_up(Instant::now()).await;
    }
    let whose = |ip: &str| {
        trunks
            .whose(ip.parse().unwrap())
            .map(|it| it.config.name.as_str())
    };
    assert_eq!(whose("192.0.2.2"), Some("a"));
    assert_eq!(whose("::ffff:192.0.2.2"), Some("a"));
    assert_eq!(whose("203.0.113.77"), Some("b"));
    assert_eq!(whose("192.0.2.3"), None);
}

#[tokio::test]
async fn a_name_that_cannot_be_looked_up_keeps_its_addresses() {
    let (trunks, now) = (
        trunks("[[trunk]]\nserver = \"sip.invalid\"\n"),
        Instant::now(),
    );
    let trunk = trunks.all[0].clone();
    let address: SocketAddr = "192.0.2.1:5060".parse().unwrap();
    let place = lookup::Place {
        server: "sip.invalid".into(),
        address,
        name: None,
    };
    trunk.set_places(Places {
        found: vec![place],
        ..Places::default()
    });
    trunk.heard(address, Sign::Options(200), now);
    trunk.set_places(Places {
        missing: vec!["no such name".into()],
        ..Places::default()
    });
    let targets = trunk.targets();
    assert_eq!((targets.len(), targets[0].health.is_up()), (1, Some(true)));
    assert!(!trunk.is_down_at(now) && trunk.trouble().is_some());
}

#[test]
fn a_number_that_no_trunk_carries_says_so() {
    let trunks = trunks("[[trunk]]\nserver = \"a\"\nprefixes = [\"+1\"]\n");
    assert_eq!(
        name(trunks.reserve_at("+49", |_| true, Instant::now())),
        Err(NotNow::NoTrunk)
    );
}
