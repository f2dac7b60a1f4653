//! The session against frames by hand: what is asked of the holder, and what leaves.

mod scripted;

use std::cell::RefCell;
use std::rc::Rc;

use super::session::{Counts, Session};
use super::*;

const PPS_EOP: [u8; 7] = [0xff, 0x13, 0xbf, 0x2f, 0, 0, 9];
const PPS_EOP_TO_US: [u8; 7] = [0xff, 0x13, 0xbe, 0x2e, 0, 0, 9];
const RTN: [u8; 3] = [0xff, 0x13, 0x4c];

/// Writes down what it is asked, and refuses on demand, or lets no other document follow.
struct Notes(Rc<RefCell<Vec<String>>>, bool, bool);

impl Notes {
    fn note(&self, what: String) -> Result<(), NotKept> {
        self.0.borrow_mut().push(what);
        if self.1 { Err(NotKept) } else { Ok(()) }
    }
}

impl Holder for Notes {
    fn page_received(&mut self, page: u32, _last: bool, _lost: u32) -> Result<(), NotKept> {
        self.note(format!("page {page}"))
    }

    fn last_page_leaving(&mut self, page: u32) -> Result<bool, NotKept> {
        self.note(format!("page {page} leaving")).map(|()| self.2)
    }
}

fn session(role: Role, refuse: bool) -> (Session, Rc<RefCell<Vec<String>>>) {
    let notes = Rc::default();
    let holder = Notes(Rc::clone(&notes), refuse, true);
    (Session::new(role, Box::new(holder)), notes)
}

fn counts(sent: u32, received: u32) -> Counts {
    Counts {
        sent,
        received,
        ecm: true,
        write_failed: false,
    }
}

fn ending(session: &mut Session) -> Ending {
    loop {
        match session.poll_event() {
            Some(Event::Ended(ending)) => return ending,
            Some(_) => {}
            None => panic!("no end"),
        }
    }
}

#[test]
fn end_of_procedure_is_asked_for_once_however_often_it_leaves() {
    let (mut session, notes) = session(Role::Sender, false);
    session.frame(false, &PPS_EOP, false);
    session.frame(false, &PPS_EOP, false);
    assert_eq!(*notes.borrow(), ["page 1 leaving"]);
    session.over(0, "");
    assert!(ending(&mut session).awaiting_last);
}

#[test]
fn refused_end_of_procedure_lets_nothing_out() {
    let (mut session, _) = session(Role::Sender, true);
    session.frame(false, &PPS_EOP, false);
    assert!(session.must_end());
    session.transmit(&[1], 1);
    assert_eq!(session.poll_transmit(), None);
    session.over(0, "");
    let ending = ending(&mut session);
    assert_eq!(ending.cause, Cause::NotKept);
    assert!(!ending.awaiting_last);
}

#[test]
fn rtn_to_the_last_page_is_a_no_and_not_uncertain() {
    let (mut session, _) = session(Role::Sender, false);
    session.frame(false, &PPS_EOP, false);
    session.frame(true, &RTN, false);
    session.page_over(counts(0, 0));
    session.over(0, "");
    let ending = ending(&mut session);
    assert!(ending.refused && !ending.awaiting_last && !ending.complete);
}

/// A sender of two faxes, of a page each.
fn two_faxes(goes_on: bool, refuse: bool) -> (Session, Rc<RefCell<Vec<String>>>) {
    let notes = Rc::default();
    let holder = Notes(Rc::clone(&notes), refuse, goes_on);
    let mut session = Session::new(Role::Sender, Box::new(holder));
    session.send_documents(&[1, 1]);
    (session, notes)
}

#[test]
fn end_of_each_fax_is_asked_for_once_however_often_its_page_is_refused() {
    let (mut session, notes) = two_faxes(true, false);
    for _ in 0..2 {
        assert!(session.another_follows(), "EOM and not EOP");
        session.frame(false, &[0xff, 0x13, 0x8f], false);
        session.frame(true, &RTN, false);
        session.page_over(counts(0, 0));
        assert_eq!(session.next_pages().map(|pages| pages.first), Some(0));
    }
    assert!(session.another_follows());
    session.page_over(counts(1, 0));
    let next = session.next_pages().map(|pages| (pages.first, pages.last));
    assert_eq!(next, Some((1, Some(1))));
    assert!(!session.another_follows(), "the last one");
    session.frame(false, &PPS_EOP, false);
    assert_eq!(*notes.borrow(), ["page 1 leaving", "page 2 leaving"]);
    session.over(0, "");
    let ending = ending(&mut session);
    assert!(ending.awaiting_last && !ending.complete);
    assert_eq!(ending.pages, 1);
}

#[test]
fn call_that_breaks_behind_a_confirmed_fax_leaves_nothing_uncertain() {
    let (mut session, _) = two_faxes(true, false);
    assert!(session.another_follows());
    session.page_over(counts(1, 0));
    session.over(0, "");
    let ending = ending(&mut session);
    assert!(!ending.awaiting_last && !ending.complete);
}

#[test]
fn eop_leaves_where_no_other_fax_is_to_follow() {
    let (mut session, notes) = two_faxes(false, false);
    assert!(!session.another_follows());
    session.frame(false, &PPS_EOP, false);
    session.page_over(counts(1, 0));
    session.over(0, "");
    assert!(ending(&mut session).complete);
    assert_eq!(*notes.borrow(), ["page 1 leaving"]);
}

#[test]
fn refused_end_of_a_fax_lets_nothing_out() {
    let (mut session, _) = two_faxes(true, true);
    assert!(!session.another_follows());
    assert!(session.must_end());
    session.transmit(&[1], 1);
    assert_eq!(session.poll_transmit(), None);
}

#[test]
fn page_that_was_not_written_is_not_confirmed_with_ecm() {
    let (mut session, notes) = session(Role::Receiver, false);
    session.frame(true, &PPS_EOP_TO_US, false);
    session.page_over(counts(0, 0));
    assert!(notes.borrow().is_empty());
    session.transmit(&[1], 1);
    assert_eq!(session.poll_transmit(), None);
    session.over(0, "");
    assert_eq!(ending(&mut session).cause, Cause::EmptyPage);
}

#[test]
fn tiff_that_could_not_be_written_is_not_confirmed() {
    let (mut session, notes) = session(Role::Receiver, false);
    session.page_over(Counts {
        write_failed: true,
        ..counts(0, 1)
    });
    assert!(notes.borrow().is_empty());
    session.over(0, "");
    assert_eq!(ending(&mut session).cause, Cause::NotKept);
}

#[test]
fn sending_without_end_is_stopped() {
    let (mut session, _) = session(Role::Sender, false);
    let sent = (0..1000).take_while(|_| session.transmit(&[0], 1)).count();
    assert_eq!(sent, 400);
    session.over(0, "");
    assert_eq!(ending(&mut session).cause, Cause::Runaway);
}

#[test]
fn tone_ear_hears_cng_and_not_silence() {
    let mut ear = ToneEar::new(false).unwrap();
    let tone = |n: usize| {
        // 1100 Hz (T.30 4.2), half a second.
        let phase = n as f64 * 1100.0 / 8000.0 * std::f64::consts::TAU;
        (phase.sin() * 8000.0) as i16
    };
    let mut frames = vec![vec![0i16; 160]; 25];
    frames.extend((0..25).map(|f| (0..160).map(|n| tone(f * 160 + n)).collect()));
    frames.extend(vec![vec![0i16; 160]; 25]);
    let heard: Vec<usize> = (0..)
        .zip(&frames)
        .filter(|(_, samples)| ear.hear(samples))
        .map(|(at, _)| at)
        .collect();
    assert_eq!(heard.len(), 1);
    assert!(heard[0] >= 25, "heard before it was there");
}
