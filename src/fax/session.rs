//! What one terminal knows of its call: the callbacks of SpanDSP report here, in safe code.
//!
//! It decides what may leave. Once silenced, nothing does, and SpanDSP is ended as soon as it has returned.

use std::collections::VecDeque;

use super::block::Block;
use super::dis::{self, Abilities};
use super::ending::{self, Cause, Ending};
use super::frames::{self, Frame, Link};
use super::mend::{Instead, Mend};
use super::plan::{Pages, Plan};
use super::thrift::Thrift;
use super::{Event, Holder, Ifp, NotKept, Progress, Role};

/// Packets that may leave in one call into SpanDSP. A hostile far end can make it loop; a real tick sends three.
const PACKETS_PER_TICK: u32 = 400;

/// Page counts of SpanDSP at the end of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    /// Pages confirmed to us.
    pub sent: u32,
    /// Pages written to the TIFF.
    pub received: u32,
    /// Whether error correction was on.
    pub ecm: bool,
    /// Whether writing the TIFF failed at some time.
    pub write_failed: bool,
}

pub(super) struct Session {
    role: Role,
    holder: Box<dyn Holder>,
    events: VecDeque<Event>,
    transmits: VecDeque<Ifp>,
    budget: u32,
    /// Nothing may leave any more.
    silenced: bool,
    /// Why we ended it ourselves.
    fault: Option<Cause>,
    ended: bool,
    link: Link,
    ident: Option<String>,
    said: Option<Abilities>,
    sub_address: Option<String>,
    /// The password that a sender must give, and the one it gave.
    passwords: [Option<String>; 2],
    /// The far end wanted to fetch a fax, and which.
    polled: bool,
    selective: Option<String>,
    heard_frame: bool,
    /// Packets lost since the page began.
    lost: u32,
    negotiated: Option<Link>,
    pages: u32,
    complete: bool,
    /// Senders: the documents of the call.
    plan: Plan,
    /// The one that modems have agreed for last, by the pages through before it.
    agreed_behind: Option<u32>,
    awaiting_last: bool,
    /// Senders: the end of a page left, and no answer to it came.
    awaits_verdict: bool,
    refused: bool,
    dcn_received: bool,
    dcn_leaving: bool,
    dcn_left: bool,
    /// FCF of the last frame that asks for a verdict on a page ended the procedure.
    end_of_procedure: bool,
    /// It ended that, or a document with another one behind it.
    end_of_document: bool,
    page_octets: u64,
    block: Block,
    headway: u64,
    mend: Mend,
    thrift: Thrift,
}

impl Session {
    pub(super) fn new(role: Role, holder: Box<dyn Holder>) -> Session {
        Session {
            role,
            holder,
            events: VecDeque::new(),
            transmits: VecDeque::new(),
            budget: PACKETS_PER_TICK,
            silenced: false,
            fault: None,
            ended: false,
            link: Link::default(),
            ident: None,
            said: None,
            sub_address: None,
            passwords: [None, None],
            polled: false,
            selective: None,
            heard_frame: false,
            lost: 0,
            negotiated: None,
            pages: 0,
            complete: false,
            plan: Plan::default(),
            agreed_behind: None,
            awaiting_last: false,
            awaits_verdict: false,
            refused: false,
            dcn_received: false,
            dcn_leaving: false,
            dcn_left: false,
            end_of_procedure: false,
            end_of_document: false,
            page_octets: 0,
            block: Block::default(),
            headway: 0,
            mend: Mend::new(role),
            thrift: Thrift::default(),
        }
    }

    // ---- for the terminals ----

    /// Receivers: takes pages from those only who give this password.
    pub(super) fn require(&mut self, password: Option<String>) {
        self.passwords[0] = password;
    }

    /// Senders: the pages of each document.
    pub(super) fn send_documents(&mut self, documents: &[u32]) {
        self.plan = Plan::of(documents);
    }

    /// Whether it sends pages.
    pub(super) fn sends(&self) -> bool {
        self.role == Role::Sender
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Ifp> {
        self.transmits.pop_front()
    }

    pub(super) fn progress(&self) -> Progress {
        Progress {
            page: self.pages + 1,
            bytes: self.page_octets,
            headway: self.headway,
        }
    }

    /// Whether SpanDSP must be ended, now that it is not on the stack.
    pub(super) fn must_end(&self) -> bool {
        self.fault.is_some() && !self.ended
    }

    pub(super) fn is_silenced(&self) -> bool {
        self.silenced
    }

    /// Whether our DCN is on its way.
    pub(super) fn dcn_leaving(&self) -> bool {
        self.dcn_leaving
    }

    /// Whether our DCN is on the wire, to its last bit (T.38 only).
    pub(super) fn dcn_left(&self) -> bool {
        self.dcn_left
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Lets nothing out from now on.
    pub(super) fn silence(&mut self) {
        self.silenced = true;
        self.transmits.clear();
    }

    /// What passes by, for [`Mend`].
    pub(super) fn mend(&mut self) -> &mut Mend {
        &mut self.mend
    }

    /// What leaves, for [`Thrift`].
    pub(super) fn thrift(&mut self) -> &mut Thrift {
        &mut self.thrift
    }

    pub(super) fn new_tick(&mut self) {
        self.budget = PACKETS_PER_TICK;
    }

    // ---- for the callbacks ----

    /// SpanDSP wants this packet sent, `count` times. False: stop.
    pub(super) fn transmit(&mut self, octets: &[u8], count: u32) -> bool {
        if self.budget == 0 {
            self.fail(Cause::Runaway);
            return false;
        }
        self.budget -= 1;
        self.dcn_left |= self.dcn_leaving && frames::ends_signal(octets);
        self.thrift.leaves(octets);
        self.mend.leaves(octets);
        if !self.silenced && !octets.is_empty() {
            self.transmits.push_back(Ifp {
                octets: octets.to_vec(),
                count: count.clamp(1, 8),
            });
        }
        true
    }

    /// A T.30 frame came in or is about to leave; returns what it should be instead. `page_is_bad`: see [`Mend::frame`].
    pub(super) fn frame(
        &mut self,
        incoming: bool,
        octets: &[u8],
        page_is_bad: bool,
    ) -> Option<Instead> {
        let from_sender = incoming == (self.role == Role::Receiver);
        let frame = frames::read(octets);
        self.heard_frame |= incoming;
        let instead = self.mend.frame(incoming, octets, frame, page_is_bad);
        if instead == Some(Instead::Nothing) {
            return instead;
        }
        if self.role == Role::Sender {
            match frame {
                Frame::EndOfProcedure | Frame::EndOfPage | Frame::EndOfDocument => {
                    self.awaits_verdict = true;
                }
                Frame::Negative | Frame::Dcn => self.awaits_verdict = false,
                _ => {}
            }
        }
        match frame {
            Frame::Ident(fif) if incoming => self.ident = frames::ident(fif),
            Frame::Dis(fif) if incoming => self.said(fif),
            Frame::Dtc if incoming => self.polled = true,
            Frame::SubAddress(fif) if incoming => self.sub_address = frames::ident(fif),
            Frame::Password(fif) if incoming => self.passwords[1] = frames::ident(fif),
            Frame::Selective(fif) if incoming => self.selective = frames::ident(fif),
            Frame::Dcs(fif) if from_sender => self.link = frames::dcs(fif),
            // In place of CFR goes DCN.
            Frame::Cfr if self.lacks_password() => self.fault = Some(Cause::WrongPassword),
            Frame::Cfr if !from_sender => self.agreed(),
            Frame::Fcd(number, octets) if from_sender => {
                self.page_octets += octets as u64;
                if self.block.is_new(number) {
                    self.headway += octets as u64;
                }
            }
            Frame::Mcf if !from_sender => self.block.confirmed(),
            Frame::EndOfProcedure if from_sender => {
                (self.end_of_procedure, self.end_of_document) = (true, true);
                if self.role == Role::Sender {
                    self.end_leaves();
                }
            }
            Frame::EndOfPage | Frame::EndOfDocument if from_sender => {
                self.end_of_procedure = false;
                self.end_of_document = frame == Frame::EndOfDocument;
            }
            Frame::Negative if incoming && self.role == Role::Sender => {
                self.awaiting_last = false;
                self.refused = true;
            }
            Frame::Dcn if incoming => self.dcn_received = true,
            Frame::Dcn => self.dcn_leaving = true,
            _ => {}
        }
        instead
    }

    /// The last page of a document is out: whether EOM is to leave, for another document to follow, or EOP.
    pub(super) fn another_follows(&mut self) -> bool {
        if !self.plan.has_more_behind(self.pages + 1) {
            // Asked for when EOP leaves.
            return false;
        }
        self.end_leaves();
        !self.silenced && self.plan.goes_on()
    }

    /// Senders: the pages that go out should both sides begin anew now; `None`: none of them.
    pub(super) fn next_pages(&self) -> Option<Pages> {
        self.plan.next(self.pages)
    }

    /// T.30 phase D: a page is over. The sender's count has grown if it was confirmed, the receiver's if written.
    pub(super) fn page_over(&mut self, counts: Counts) {
        self.page_octets = 0;
        self.awaits_verdict = false;
        match self.role {
            Role::Sender if counts.sent <= self.pages => self.plan.refused(),
            Role::Sender => self.pages_confirmed(counts.sent),
            Role::Receiver => self.page_written(counts),
        }
    }

    /// T.30 phase E: it is over.
    pub(super) fn over(&mut self, code: i32, words: &str) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let cause = match self.fault {
            Some(fault) => fault,
            None if self.polled => Cause::Polled,
            None => ending::cause(code),
        };
        let polled = self.polled.then(|| self.polling());
        let detail = match self.fault {
            None if self.polled => polled.as_deref().unwrap_or(words),
            Some(Cause::WrongPassword) => match self.passwords[1] {
                None => "the caller gave no password (SID)",
                Some(_) => "the caller gave another password (SID) than the one that is asked for",
            },
            Some(Cause::NotKept) => match self.role {
                Role::Receiver => "the pages could not be stored, so nothing was confirmed",
                Role::Sender => {
                    "that the last page leaves could not be written down, so its end was held back"
                }
            },
            Some(Cause::EmptyPage) => "a page without a readable row came in",
            Some(Cause::Runaway) => "the fax terminal ran away and was stopped",
            _ => words,
        };
        self.events.push_back(Event::Ended(Ending {
            cause,
            detail: detail.to_owned(),
            pages: self.pages,
            complete: self.complete,
            awaiting_last: self.awaiting_last,
            refused: self.refused,
            dcn_received: self.dcn_received,
        }));
    }

    /// A callback of ours panicked: our bug, one call's end.
    pub(super) fn panicked(&mut self) {
        self.fail(Cause::Runaway);
    }

    // ---- inside ----

    fn fail(&mut self, cause: Cause) {
        self.silence();
        self.fault.get_or_insert(cause);
    }

    fn polling(&self) -> String {
        let selective = self.selective.as_ref();
        let which = selective.map_or(String::new(), |sep| format!(", SEP {sep}"));
        format!("the caller wanted to fetch a fax (polling{which}), and none is offered")
    }

    /// Whether the sender should have given another password, or one at all: SID in front of DCS (T.30 5.3.6.1.2).
    fn lacks_password(&self) -> bool {
        let [required, given] = &self.passwords;
        self.role == Role::Receiver && required.is_some() && required != given
    }

    /// DIS came in, behind NSF where there is one.
    fn said(&mut self, fif: &[u8]) {
        let maker = self.said.take().unwrap_or_default();
        self.said = Some(Abilities {
            make: maker.make,
            model: maker.model,
            ..dis::read(fif)
        });
    }

    /// Who made the far end, where its NSF told.
    pub(super) fn made_by(&mut self, make: Option<String>, model: Option<String>) {
        let said = self.said.get_or_insert_default();
        said.make = make;
        said.model = model;
    }

    /// Whether the far end was asked for its verdict on a page, and has not answered.
    pub(super) fn awaits_verdict(&self) -> bool {
        self.awaits_verdict && !self.silenced && !self.ended
    }

    /// Packets of T.38 are lost for good.
    pub(super) fn lost(&mut self, packets: u32) {
        self.lost = self.lost.saturating_add(packets);
    }

    /// Whether a T.30 frame of the far end was heard.
    pub(super) fn heard_frame(&self) -> bool {
        self.heard_frame
    }

    fn agreed(&mut self) {
        self.lost = 0;
        let link = Link {
            ident: self.ident.clone(),
            said: self.said.clone(),
            sub_address: self.sub_address.clone(),
            ..self.link.clone()
        };
        // A retrain after each page (RTP) agrees anew; only news are told, and that another document begins.
        let document = self.plan.begun_behind(self.pages);
        let is_other = self.agreed_behind.replace(document) != Some(document);
        if is_other || self.negotiated.as_ref() != Some(&link) {
            self.negotiated = Some(link.clone());
            self.events.push_back(Event::Negotiated(link));
        }
    }

    /// EOP, or EOM behind a document, is about to leave. From here on a broken call is uncertain, so it must be written
    /// down first.
    fn end_leaves(&mut self) {
        let page = self.pages + 1;
        if self.silenced {
            return;
        }
        if !self.plan.has_left(page) {
            match self.holder.last_page_leaving(page) {
                Ok(goes_on) => self.plan.leaves(page, goes_on),
                Err(NotKept) => return self.fail(Cause::NotKept),
            }
        }
        self.awaiting_last = true;
    }

    fn pages_confirmed(&mut self, sent: u32) {
        while self.pages < sent {
            self.pages += 1;
            self.refused = false;
            self.awaiting_last = false;
            self.plan.confirmed();
            self.events
                .push_back(Event::PageConfirmed { page: self.pages });
            if self.end_of_procedure && self.pages == sent {
                self.complete = true;
            }
        }
    }

    /// A page is in the TIFF, and SpanDSP answers MCF as soon as this returns.
    fn page_written(&mut self, counts: Counts) {
        if self.silenced {
            return;
        }
        if counts.write_failed {
            return self.fail(Cause::NotKept);
        }
        if counts.received <= self.pages {
            // Without ECM a bad page is answered with RTN, which promises nothing. With ECM it would be MCF.
            if counts.ecm {
                self.fail(Cause::EmptyPage);
            }
            return;
        }
        // What ECM had not, it asked for again.
        let lost = match counts.ecm {
            true => 0,
            false => std::mem::take(&mut self.lost),
        };
        if self
            .holder
            .page_received(counts.received, self.end_of_procedure, lost)
            .is_err()
        {
            return self.fail(Cause::NotKept);
        }
        self.pages = counts.received;
        self.mend.page_taken();
        self.complete = self.end_of_procedure;
        if self.end_of_document {
            self.mend.last_page_confirmed();
        }
        self.events.push_back(Event::PageReceived {
            page: self.pages,
            last: self.complete,
        });
    }
}
