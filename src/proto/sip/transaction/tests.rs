//! Each machine against the diagrams of RFC 3261 17 and RFC 6026 7, in virtual time.

use std::time::{Duration, Instant};

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Lets a machine run for so long; when it did what, in ms.
macro_rules! run {
    ($machine:expr, $start:expr, $ms:expr) => {{
        let mut seen = Vec::new();
        while let Some(at) = $machine.next_timeout() {
            if at > $start + MS($ms) {
                break;
            }
            while let Some(event) = $machine.handle_timeout(at) {
                seen.push(((at - $start).as_millis() as u64, event));
            }
        }
        seen
    }};
}

#[test]
fn an_invite_into_the_void_goes_out_seven_times() {
    let now = Instant::now();
    let mut invite = InviteClient::new(false, now);
    let seen = run!(invite, now, 100_000);
    let sent: Vec<u64> = seen
        .iter()
        .filter(|(_, event)| *event == Event::Retransmit)
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(sent, [500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(seen.last(), Some(&(32000, Event::TimedOut)));
    assert_eq!(invite.next_timeout(), None);
}

#[test]
fn nothing_is_sent_twice_over_tcp() {
    let now = Instant::now();
    let mut invite = InviteClient::new(true, now);
    assert_eq!(run!(invite, now, 100_000), [(32000, Event::TimedOut)]);
    let mut bye = Client::new(true, PATIENCE, now);
    assert_eq!(run!(bye, now, 100_000), [(32000, Event::TimedOut)]);
    let mut bye = Client::new(true, PATIENCE, now);
    assert_eq!(bye.handle_response(200, now), Some(Event::Deliver));
    assert_eq!(run!(bye, now, 100_000), [(0, Event::Terminated)]);
}

#[test]
fn a_100_stops_the_retransmissions_for_ever() {
    let now = Instant::now();
    let mut invite = InviteClient::new(false, now);
    assert_eq!(invite.handle_response(100, now), Some(Event::Deliver));
    assert_eq!(invite.next_timeout(), None);
    assert!(invite.give_up(now), "its final response is outstanding");
    assert_eq!(run!(invite, now, 100_000), [(32000, Event::TimedOut)]);
}

#[test]
fn repeated_refusals_are_acknowledged_and_not_heard_twice() {
    let now = Instant::now();
    let mut invite = InviteClient::new(false, now);
    let first = invite.handle_response(486, now);
    assert_eq!(first, Some(Event::DeliverAndAck));
    assert_eq!(invite.handle_response(486, now), Some(Event::Ack));
    assert_eq!(invite.handle_response(180, now), None);
    assert_eq!(invite.handle_response(200, now), None);
    assert_eq!(run!(invite, now, 100_000), [(32000, Event::Terminated)]);
}

#[test]
fn a_200_of_another_fork_reaches_the_user() {
    let now = Instant::now();
    let mut invite = InviteClient::new(false, now);
    for _ in 0..3 {
        assert_eq!(invite.handle_response(200, now), Some(Event::Deliver));
    }
    assert_eq!(invite.handle_response(486, now), None);
    assert_eq!(run!(invite, now, 100_000), [(32000, Event::Terminated)]);
}

#[test]
fn icmp_after_a_response_is_no_verdict() {
    let now = Instant::now();
    let mut invite = InviteClient::new(false, now);
    assert_eq!(invite.handle_unreachable(), Some(Event::TimedOut));
    let mut invite = InviteClient::new(false, now);
    invite.handle_response(100, now);
    assert_eq!(invite.handle_unreachable(), None);
}

#[test]
fn a_bye_goes_out_every_four_seconds_at_last() {
    let now = Instant::now();
    let mut bye = Client::new(false, PATIENCE, now);
    let seen = run!(bye, now, 100_000);
    let sent: Vec<u64> = seen[..seen.len() - 1].iter().map(|(at, _)| *at).collect();
    assert_eq!(
        sent,
        [
            500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500
        ]
    );
    assert_eq!(seen.last(), Some(&(32000, Event::TimedOut)));
}

#[test]
fn options_may_be_less_patient() {
    let now = Instant::now();
    let mut options = Client::new(false, MS(3000), now);
    assert_eq!(
        run!(options, now, 9000).last(),
        Some(&(3000, Event::TimedOut))
    );
}

#[test]
fn a_request_that_comes_again_gets_the_same_answer() {
    let now = Instant::now();
    let mut server = Server::new(false);
    assert_eq!(server.handle_request(), None, "nothing to say yet");
    assert!(server.respond(200, now));
    assert!(!server.respond(500, now), "one final response");
    assert_eq!(server.handle_request(), Some(Event::Retransmit));
    assert_eq!(run!(server, now, 100_000), [(32000, Event::Terminated)]);
}

#[test]
fn a_refusal_is_repeated_until_its_ack() {
    let now = Instant::now();
    let mut server = InviteServer::new(false);
    assert!(server.respond(180, now) && server.is_pending());
    assert_eq!(server.handle_request(), Some(Event::Retransmit));
    assert!(server.respond(486, now) && !server.is_pending());
    let seen = run!(server, now, 8000);
    let at: Vec<u64> = seen.iter().map(|(at, _)| *at).collect();
    assert_eq!(at, [500, 1500, 3500, 7500]);
    server.handle_ack(now + MS(8000));
    assert_eq!(server.handle_request(), None);
    assert_eq!(run!(server, now, 100_000), [(13000, Event::Terminated)]);
}

#[test]
fn an_accepted_invite_that_comes_again_is_the_users_matter() {
    let now = Instant::now();
    let mut server = InviteServer::new(false);
    assert!(server.respond(200, now));
    assert_eq!(server.handle_request(), None);
    assert!(
        !server.respond(487, now),
        "a CANCEL that came too late does nothing"
    );
    assert_eq!(run!(server, now, 100_000), [(32000, Event::Terminated)]);
}
