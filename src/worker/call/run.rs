//! The loop of a call child: control channel, sockets, ticks.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::control::Control;
use super::custody::{Custody, Paper};
use super::headway::Headway;
use super::legs::{AudioLeg, Leg, T38Leg};
use super::verdict::{self, Stop};
use super::wire_end::WireEnd;
use crate::call::outcome::{FarEnd, FarSaid, Outcome};
use crate::fax::{Abilities, Cause, Ending, Event, Link, Options, Role};
use crate::pages::tiff;
use crate::worker::sandbox;
use crate::worker::stall::WORTH_A_WORD;
use crate::worker::wire::{
    self, AudioMedia, CallDone, FaxRole, FromCall, Mishap, StartCall, T38Media, ToCall,
};

/// The terminal's time goes on in these steps. Larger ones cost seconds a page, for SpanDSP rounds its pauses to them.
const TICK: Duration = Duration::from_millis(10);
/// Ticks that are done at once: it is waking up that costs, not ticking. A T.38 packet holds 30 ms of page.
const BEAT: u32 = 3;
/// The same while a page comes in: its end is seen a little later.
const PAGE_BEAT: u32 = 10;
/// The same while data goes either way and more is to follow, which nobody waits to have answered, and ...
const LONG_BEAT: u32 = 6;
/// ... after so many ticks in which nobody said anything: a preamble or a training goes on.
const QUIET: u32 = 30;
/// Ticks by which data leaves ahead of its time, so that with a long beat no packet is late: two leave at once, the
/// first when it is due, the second 30 ms before. A gateway plays it at the speed of the line, and has it in hand.
const LEAD: u32 = 3;
/// The same in audio, where a frame of 20 ms leaves each time.
const AUDIO_BEAT: u32 = 2;
/// The same while the telephone rings.
const IDLE_BEAT: u32 = 50;
/// Who wakes up this much later than he wanted to is on a machine that is too slow for its calls.
const LATE: Duration = Duration::from_millis(20);
/// Late ticks that are caught up with; more is a suspended process, and the far end has given up on us.
const CATCH_UP: u32 = 50;
/// Ticks between two looks at the socket that count as time without the far end; more are a stall of ours.
const AWAKE: u32 = 2;
/// Packets that leave before our 200 is acknowledged, to open a NAT: whoever sent the INVITE may not be who it says, and
/// its SDP may name somebody who never asked for a call.
const BEFORE_ACK: u32 = 2;
/// Ticks from one progress message to the next.
const PROGRESS_TICKS: u32 = 100;
/// Ticks for which audio pauses at most while a re-INVITE of ours is out: a far end that takes longer to answer it hears
/// us meanwhile.
const HUSH_TICKS: u32 = 200;
/// Ticks from one sign of life to the next.
const ALIVE_TICKS: u32 = 500;
/// How long the answer to a page that is out is waited for when the daemon is gone: the command goes out once more in it
/// (T.30 T4). `queue::call_files` waits for longer.
const LAST_ANSWER: Duration = Duration::from_secs(5);
/// Ticks to get DCN and its repeats out after an early end.
const FAREWELL_TICKS: u32 = 150;
/// Ticks after a regular end in audio, for what is still queued.
const REGULAR_TICKS: u32 = 10;
/// For [`Mishap::HangUpAfterPage`]: ticks that the page's MCF needs to leave.
const MCF_TICKS: u32 = 250;

/// Serves one call, controlled over standard input: the life of a process that the nursery forked.
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let Some((ToCall::Start(start), tiff, fds)) = wire::recv_first_frame(&socket)? else {
        return Err(io::Error::other("no start message"));
    };
    let mut call = Call::new(start, &tiff, fds, socket)?;
    sandbox::enter_call()?;
    call.tell(&FromCall::Ready);
    call.run();
    Ok(())
}

/// Who may have something for us.
struct Woken {
    by_daemon: bool,
    by_wire: bool,
}

/// How punctually we woke up.
#[derive(Default)]
struct Beats {
    all: u32,
    late: u32,
}

impl Beats {
    fn count(&mut self, until: Instant) {
        self.all += 1;
        self.late += u32::from(until.elapsed() > LATE);
    }
}

/// One call.
pub(super) struct Call {
    start: StartCall,
    role: Role,
    custody: Custody,
    rtp: WireEnd,
    udptl: WireEnd,
    leg: Option<Leg>,
    /// Octets of each page to send, as T.6.
    page_sizes: Vec<u64>,
    far_end: FarEnd,
    /// Pages confirmed, or received and stored.
    pages: u32,
    /// The daemon knows that T.38 comes in.
    t38_heard: bool,
    told: FromCall,
    ticks: u32,
    beats: Beats,
    /// For how long this process stood still, in all.
    stood_still: Duration,
    /// Ticks since anything came in or left.
    quiet: u32,
    /// Ticks since we last looked at the socket.
    unlooked: u32,
    media_since: Option<Instant>,
    last_sign: Instant,
    headway: Headway,
    mcf_ticks: Option<u32>,
    /// Ticks for which no audio is sent, while a re-INVITE of ours is out.
    hushed: u32,
    /// Packets that may leave before the ACK to our 200; `None`: any number, it came or is ours to send.
    before_ack: Option<u32>,
    /// Where the next daemon reads which pages were confirmed, should this one not live to write it down; while it is open,
    /// it waits for us.
    file: Option<File>,
    /// Since when the daemon is gone.
    alone_since: Option<Instant>,
    stop: Option<Stop>,
    ending: Option<Ending>,
}

impl Call {
    pub(super) fn new(
        start: StartCall,
        tiff: &[u8],
        fds: Vec<OwnedFd>,
        control: UnixStream,
    ) -> io::Result<Call> {
        let mut fds = fds;
        let file = (fds.len() == 3)
            .then(|| fds.pop())
            .flatten()
            .map(File::from);
        let [rtp, udptl] = <[OwnedFd; 2]>::try_from(fds)
            .map_err(|_| io::Error::other("two sockets must come with the start message"))?
            .map(UdpSocket::from);
        let role = match start.role {
            FaxRole::Sender => Role::Sender,
            FaxRole::Receiver => Role::Receiver,
        };
        let page_sizes = match role {
            Role::Receiver => Vec::new(),
            Role::Sender => sizes(tiff, &start)?,
        };
        Ok(Call {
            custody: Custody {
                control: Rc::new(RefCell::new(Control::new(control)?)),
                paper: Rc::new(Paper::new(tiff)?),
                announced: Rc::default(),
                late: Rc::default(),
            },
            rtp: WireEnd::new(rtp)?,
            udptl: WireEnd::new(udptl)?,
            role,
            leg: None,
            page_sizes,
            far_end: FarEnd::default(),
            pages: 0,
            t38_heard: false,
            told: FromCall::Ready,
            ticks: 0,
            beats: Beats::default(),
            stood_still: Duration::ZERO,
            quiet: 0,
            unlooked: 0,
            media_since: None,
            last_sign: Instant::now(),
            headway: Headway::new(start.min_rate),
            mcf_ticks: None,
            hushed: 0,
            before_ack: (!start.calling).then_some(BEFORE_ACK),
            file,
            alone_since: None,
            stop: None,
            ending: None,
            start,
        })
    }

    pub(super) fn run(&mut self) {
        let mut next_tick = Instant::now() + TICK;
        while self.ending.is_none() {
            let rest = TICK * (self.beat() - 1);
            let until = next_tick + rest - self.lead();
            let woken = self.wait(until);
            self.notice_stall(until.elapsed());
            let was_idle = self.leg.is_none();
            if woken.by_daemon {
                self.handle_control();
            }
            if was_idle && self.leg.is_some() {
                // The terminal's time begins now, not when we last woke up.
                next_tick = Instant::now() + TICK;
            }
            if woken.by_wire {
                self.receive();
                self.handle_events();
            }
            next_tick += self.lost_time();
            let mut due = 0;
            while next_tick <= Instant::now() + self.lead() && self.ending.is_none() {
                next_tick += TICK;
                due += 1;
                if due <= CATCH_UP {
                    self.tick();
                }
                next_tick += self.lost_time();
            }
            self.check_limits();
        }
        self.drain();
        self.report();
    }

    /// Time that the terminal was held, for which T.38 does not catch up: that would shorten the signal that follows.
    /// Audio must, for its listener plays by the clock.
    fn lost_time(&mut self) -> Duration {
        let held = self.custody.control.borrow_mut().take_held();
        self.excuse(held);
        match self.leg {
            Some(Leg::T38(_)) => held,
            _ => Duration::ZERO,
        }
    }

    /// Who woke up so late stood still: stopped, or on a machine that did. What the far end said meanwhile lies in the
    /// socket, and is heard before its silence is judged.
    fn notice_stall(&mut self, late: Duration) {
        if late >= WORTH_A_WORD {
            self.stood_still += late;
            self.excuse(late);
            // Behind a signal that was cut off the far end asks again; a page that was goes on for nobody.
            if self.role == Role::Sender && !self.far_end.compression.is_empty() {
                self.custody.stood_still(late);
            }
        }
    }

    /// Nobody could be heard for so long, which is not the far end's fault.
    fn excuse(&mut self, deaf: Duration) {
        self.last_sign += deaf;
        self.headway.excuse(deaf);
    }

    /// Ticks from one waking to the next.
    fn beat(&self) -> u32 {
        match &self.leg {
            Some(Leg::Audio(_)) => AUDIO_BEAT,
            Some(Leg::T38(leg)) if leg.takes_in_a_page() => PAGE_BEAT,
            Some(leg) if leg.takes_in_data() || leg.says_data() || self.quiet > QUIET => LONG_BEAT,
            Some(_) => BEAT,
            None => IDLE_BEAT,
        }
    }

    /// How far ahead of the clock the terminal's time may be.
    fn lead(&self) -> Duration {
        match &self.leg {
            Some(leg) if leg.says_data() => TICK * LEAD,
            _ => Duration::ZERO,
        }
    }

    /// Sleeps until `until`, or until something comes in that wants an answer.
    fn wait(&mut self, until: Instant) -> Woken {
        let control = self.custody.control.borrow();
        let mut fds = [
            PollFd::new(&*control, PollFlags::IN),
            PollFd::new(&self.udptl, PollFlags::IN),
        ];
        // Audio comes at every beat, and page data goes on: neither is worth waking up for.
        let listens = matches!(&self.leg, Some(Leg::T38(leg)) if !leg.takes_in_a_page());
        let first = usize::from(control.is_gone());
        let last = usize::from(listens);
        let left = until.saturating_duration_since(Instant::now());
        if let Ok(timeout) = left.try_into() {
            // An interrupted wait is a short one.
            let _ = poll(&mut fds[first..=last], Some(&timeout));
        }
        self.beats.count(until);
        let [daemon, wire] = fds.map(|fd| !fd.revents().is_empty());
        Woken {
            by_daemon: control.is_gone() || control.has_more() || daemon,
            by_wire: wire || !listens,
        }
    }

    fn tell(&self, message: &FromCall) {
        self.custody.control.borrow_mut().send(message, &[]);
    }

    // ---- what the daemon says ----

    fn handle_control(&mut self) {
        loop {
            let message = self.custody.control.borrow_mut().poll();
            match message {
                Some(ToCall::Audio(media)) => self.start_audio(&media),
                Some(ToCall::T38(media)) => self.start_t38(&media),
                Some(ToCall::HangUp) => self.stop(Stop::HangUp),
                Some(ToCall::FarEndGone) => self.stop(Stop::FarEndGone),
                Some(ToCall::Acknowledged) => self.before_ack = None,
                Some(ToCall::Hush) => self.hushed = HUSH_TICKS,
                Some(ToCall::Speak) => self.hushed = 0,
                // An answer that nobody waits for any more.
                Some(
                    ToCall::Start(_) | ToCall::Stored | ToCall::StoredAndEnough | ToCall::NotStored,
                ) => {}
                None => break,
            }
        }
        self.look_for_daemon();
    }

    /// Without a daemon no page is sent any more. One that is out may be confirmed at this very moment, and would be sent
    /// again: what the far end says to it is waited for.
    fn look_for_daemon(&mut self) {
        if !self.custody.control.borrow().is_gone() {
            return;
        }
        let since = *self.alone_since.get_or_insert_with(Instant::now);
        let is_asked = self.leg.as_mut().is_some_and(Leg::awaits_verdict);
        if !is_asked || since.elapsed() >= LAST_ANSWER {
            self.stop(Stop::DaemonGone);
        }
    }

    /// Audio before T.38, or in its place; behind pages that went over T.38 it is the far end's way to the BYE.
    fn start_audio(&mut self, media: &AudioMedia) {
        self.rtp.signal(media.remote, &media.sources);
        if let Some(Leg::Audio(leg)) = &mut self.leg {
            return leg.renegotiate(media);
        }
        if self.may_have_arrived() {
            return;
        }
        // The old terminal closes its TIFF before the new one opens it.
        self.leg = None;
        self.far_end.t38 = false;
        let holder = Box::new(self.custody.clone());
        match AudioLeg::new(&self.options(self.start.max_bit_rate), media, holder) {
            Ok(mut leg) => {
                if self.start.mishap == Some(Mishap::Talks) {
                    leg.talk();
                }
                self.begin(Leg::Audio(Box::new(leg)));
            }
            Err(error) => self.cannot_start(&error.to_string()),
        }
    }

    /// A fresh terminal takes over from audio. While T.38 runs, only the address and the repair may change.
    fn start_t38(&mut self, media: &T38Media) {
        self.udptl.signal(media.remote, &media.sources);
        if let Some(Leg::T38(leg)) = &mut self.leg {
            return leg.renegotiate(media);
        }
        if self.may_have_arrived() {
            return;
        }
        self.t38_heard = false;
        let rate = self.start.max_bit_rate.min(media.max_bit_rate.max(2400));
        let options = self.options(rate);
        let behind_audio = self.leg.take().is_some();
        let holder = Box::new(self.custody.clone());
        match T38Leg::new(&options, media, holder) {
            Ok(mut leg) => {
                if behind_audio {
                    leg.follow_audio(self.start.whole_ced);
                }
                self.far_end.t38 = true;
                self.begin(Leg::T38(Box::new(leg)));
            }
            Err(error) => self.cannot_start(&error.to_string()),
        }
    }

    /// Training may start anew in another medium, but not a fax that may have arrived: no page goes out twice.
    fn may_have_arrived(&self) -> bool {
        self.pages > 0 || self.custody.announced.get()
    }

    fn begin(&mut self, leg: Leg) {
        self.hushed = 0;
        self.leg = Some(leg);
        self.media_since.get_or_insert_with(Instant::now);
        self.last_sign = Instant::now();
    }

    fn options(&self, max_bit_rate: u32) -> Options {
        Options {
            role: self.role,
            calling: self.start.calling,
            ident: self.start.ident.clone(),
            tiff: self.custody.paper.path(),
            documents: self.start.documents.clone(),
            ecm: self.start.ecm,
            max_bit_rate,
            t85: self.start.t85 && self.role == Role::Sender,
            sub_address: self.start.sub_address.clone(),
            password: self.start.password.clone(),
        }
    }

    fn cannot_start(&mut self, detail: &str) {
        self.ending = Some(Ending::without_a_call(detail));
    }

    // ---- what the wire brings ----

    fn receive(&mut self) {
        self.unlooked = 0;
        if !self.take_in() {
            return;
        }
        self.quiet = 0;
        match self.start.mishap {
            Some(Mishap::Crash) => std::process::abort(),
            Some(Mishap::Hang) => loop {
                std::hint::spin_loop();
            },
            _ => {}
        }
        if matches!(self.leg, Some(Leg::T38(_))) && !std::mem::replace(&mut self.t38_heard, true) {
            self.tell(&FromCall::T38Heard);
        } else if self.leg.as_mut().is_some_and(Leg::take_tone) {
            self.tell(&FromCall::FaxToneHeard);
        }
    }

    /// What the socket has, into the leg; true if there was something.
    fn take_in(&mut self) -> bool {
        let Some(leg) = &mut self.leg else {
            return false;
        };
        let wire = match leg {
            Leg::T38(_) => &mut self.udptl,
            Leg::Audio(_) => &mut self.rtp,
        };
        let mut any = false;
        while let Some(packet) = wire.receive(|octets| leg.look(octets)) {
            any = true;
            let now = Instant::now();
            if leg.handle(&packet.octets, packet.moved, now) {
                self.last_sign = now;
            }
        }
        if let Some(from) = wire.take_stranger() {
            self.tell(&FromCall::StrangerHeard { from });
        }
        any
    }

    fn tick(&mut self) {
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(ALIVE_TICKS) {
            self.tell(&FromCall::Alive);
        }
        self.unlooked += 1;
        if self.before_ack == Some(0) {
            return;
        }
        let Some(leg) = &mut self.leg else { return };
        let wire = match leg {
            Leg::T38(_) if self.start.mishap == Some(Mishap::SilentInT38) => return,
            Leg::T38(_) => &mut self.udptl,
            Leg::Audio(_) => &mut self.rtp,
        };
        let now = Instant::now();
        self.quiet += 1;
        let speaks = leg.tick(self.unlooked <= AWAKE, now);
        if speaks {
            self.last_sign = now;
            self.quiet = 0;
        }
        // The far end may answer right behind the last packet of a signal, or a mere indicator.
        match &*leg {
            Leg::T38(leg) if !leg.says_data() => wire.transmit(None),
            _ if speaks => wire.transmit(Some(now)),
            _ => {}
        }
        let hushed = self.hushed > 0 && matches!(leg, Leg::Audio(_));
        self.hushed = self.hushed.saturating_sub(1);
        while self.before_ack != Some(0)
            && let Some(packet) = leg.poll_transmit()
        {
            if !hushed {
                wire.send(&packet);
                self.before_ack = self.before_ack.map(|left| left - 1);
            }
        }
        self.handle_events();
        if self.ticks.is_multiple_of(PROGRESS_TICKS) {
            self.tell_progress();
        }
        if let Some(left) = &mut self.mcf_ticks {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.stop(Stop::HangUp);
            }
        }
    }

    fn tell_progress(&mut self) {
        let Some(leg) = &mut self.leg else { return };
        let progress = leg.progress();
        let of = match (self.far_end.compression.as_str(), self.role) {
            ("T.6", Role::Sender) => self.page_sizes.get(progress.page as usize - 1).copied(),
            _ => None,
        };
        let message = FromCall::Progress {
            page: progress.page,
            // Repeats after errors count too, and ECM frames are padded.
            bytes: of.map_or(progress.bytes, |of| progress.bytes.min(of)),
            of,
        };
        if progress.bytes > 0 && message != self.told {
            self.tell(&message);
            self.told = message;
        }
    }

    // ---- what the terminal says ----

    fn handle_events(&mut self) {
        while let Some(event) = self.leg.as_mut().and_then(Leg::poll_event) {
            match event {
                Event::Negotiated(link) => self.negotiated(link),
                Event::PageReceived { page, last } => self.page_received(page, last),
                Event::PageConfirmed { page } => self.page_confirmed(page),
                Event::Ended(ending) => self.ending = Some(ending),
            }
        }
    }

    fn negotiated(&mut self, link: Link) {
        self.far_end = FarEnd {
            ident: link.ident,
            bit_rate: link.bit_rate,
            ecm: link.ecm,
            t38: self.far_end.t38,
            compression: link.compression.to_owned(),
            said: link.said.map(|abilities| Box::new(said(abilities))),
            sub_address: link.sub_address,
        };
        self.tell(&FromCall::Negotiated(self.far_end.clone()));
    }

    fn page_received(&mut self, page: u32, last: bool) {
        self.pages = page;
        if last && self.start.mishap == Some(Mishap::SilentBeforeLastMcf) {
            self.leg.as_mut().into_iter().for_each(Leg::silence);
        }
        if self.start.mishap == Some(Mishap::HangUpAfterPage(page)) {
            self.mcf_ticks = Some(MCF_TICKS);
        }
    }

    fn page_confirmed(&mut self, page: u32) {
        self.pages = page;
        self.custody.page_through();
        if let Some(file) = &mut self.file {
            // A disk that is full takes nothing; then the daemon alone knows.
            let _ = file.write_all(format!("{page}\n").as_bytes());
        }
        self.tell(&FromCall::PageConfirmed { page });
        if self.start.mishap == Some(Mishap::HangUpAfterPage(page)) {
            self.stop(Stop::HangUp);
        }
        self.look_for_daemon();
    }

    // ---- the end ----

    fn check_limits(&mut self) {
        let seconds = |s: u32| Duration::from_secs(s.into());
        let Some(since) = self.media_since else {
            return;
        };
        if self.last_sign.elapsed() > seconds(self.start.inactivity_seconds) {
            self.stop(Stop::Inactive);
        }
        if since.elapsed() > seconds(self.start.total_seconds) {
            self.stop(Stop::TimeUp);
        }
        if self.is_stuck() {
            self.stop(Stop::TooSlow);
        }
        let voice = self.start.voice_seconds;
        let listens = voice > 0 && !self.start.calling && since.elapsed() > seconds(voice);
        if listens && self.leg.as_mut().is_some_and(Leg::is_voice) {
            self.stop(Stop::Voice);
        }
    }

    /// Whether a page is under way and does not get on.
    fn is_stuck(&mut self) -> bool {
        let octets = match &mut self.leg {
            Some(leg) if !self.far_end.compression.is_empty() => leg.headway(self.far_end.ecm),
            _ => None,
        };
        octets.is_some_and(|octets| self.headway.is_lost(self.pages, octets, Instant::now()))
    }

    /// Ends the call early, but not before what has already come in is taken in: it may be the last MCF.
    fn stop(&mut self, stop: Stop) {
        if self.stop.is_some() || self.ending.is_some() {
            return;
        }
        self.receive();
        self.handle_events();
        if self.ending.is_some() {
            return;
        }
        self.stop = Some(stop);
        match &mut self.leg {
            Some(leg) => leg.terminate(),
            None => self.cannot_start(stop.in_words()),
        }
        self.handle_events();
    }

    /// Lets out what is still to be said.
    fn drain(&mut self) {
        let complete = self.ending.as_ref().is_some_and(|ending| ending.complete);
        let ticks = match (&self.leg, self.stop) {
            (None, _) => 0,
            // The far end has hung up behind a whole fax, perhaps before our DCN was through.
            (Some(_), Some(Stop::HangUp)) if complete => 0,
            (Some(_), Some(Stop::FarEndGone)) => 0,
            // Somebody who talks needs no DCN in the ear.
            (Some(leg), None) if leg.is_parting() => FAREWELL_TICKS,
            (Some(Leg::T38(_)), None) => 0,
            (Some(_), None | Some(Stop::Voice)) => REGULAR_TICKS,
            (Some(_), Some(_)) => FAREWELL_TICKS,
        };
        let mut due = Instant::now();
        for _ in 0..ticks {
            due += TICK;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.tick();
        }
    }

    fn report(&mut self) {
        let Some(ending) = self.ending.take() else {
            return;
        };
        let late = self.custody.late.get();
        let late = late.filter(|_| ending.cause == Cause::NotKept);
        let outcome = match (&self.leg, self.stop) {
            (None, None) => Outcome::ProtocolError,
            _ => match verdict::outcome(self.role, &ending, self.stop) {
                Outcome::StorageFailed if late.is_some() => Outcome::GatewayStalled,
                outcome => outcome,
            },
        };
        let detail = match (outcome, late, self.stop) {
            (Outcome::GatewayStalled, Some(late), _) => verdict::kept_waiting(late),
            // The daemon knows why better.
            (_, _, Some(Stop::HangUp | Stop::FarEndGone)) => String::new(),
            (_, _, Some(stop)) => stop.in_words().to_owned(),
            (_, _, None) => ending.detail,
        };
        self.tell(&FromCall::Done(CallDone {
            outcome,
            detail,
            pages: ending.pages,
            unanswered: ending.awaiting_last,
            far_end: self.far_end.clone(),
            wire_bytes: self.rtp.octets() + self.udptl.octets(),
            beats: self.beats.all,
            late_beats: self.beats.late,
            stood_still: self.stood_still.as_secs() as u32,
        }));
        self.custody.control.borrow_mut().finish();
    }
}

fn said(abilities: Abilities) -> FarSaid {
    let words = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect();
    FarSaid {
        make: abilities.make,
        model: abilities.model,
        bit_rate: abilities.bit_rate,
        resolutions: words(abilities.resolutions),
        paper: words(abilities.paper),
        ecm: abilities.ecm,
        two_dimensional: abilities.two_dimensional,
        t6: abilities.t6,
        t85: abilities.t85,
        sub_address: abilities.sub_address,
        password: abilities.password,
        polling: abilities.polling,
    }
}

/// The size of each page of the TIFF to send, which must have as many as was said, and its documents as well.
fn sizes(file: &[u8], start: &StartCall) -> io::Result<Vec<u64>> {
    let sizes = tiff::sizes(file).map_err(io::Error::other)?;
    let in_documents = match start.documents.as_slice() {
        [] => start.pages,
        documents => documents.iter().sum(),
    };
    match sizes.len() == start.pages as usize && in_documents == start.pages {
        true => Ok(sizes),
        false => Err(io::Error::other(
            "the TIFF has another number of pages than was said",
        )),
    }
}
