//! SpanDSP behind safe functions: the only unsafe code of the project.
//!
//! A terminal owns the C state and a [`Desk`], which the callbacks of that C state get as their user data. The C
//! code calls back only while one of the functions below runs, on the same thread. None of them holds a reference
//! into the desk while it is in C, so that a callback's exclusive reference is the only one.

use std::ffi::{CStr, CString, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use spandsp_sys as c;

use super::frames::FINAL;
use super::mend::{Instead, Remedy};
use super::session::{Counts, Session};
use super::{Options, Role, SetUpFailed};

// Of t4_rx.h, which the bindings leave out.
const T4_1D: c_int = 0x02;
const T4_2D: c_int = 0x04;
const T6: c_int = 0x08;
const T85: c_int = 0x10;
/// FCF of DIS (DTC has the X bit).
const DIS: u8 = 0x80;
/// FCF of PSA. With a frame that is not the last of its series SpanDSP does nothing but note what it says, and nobody asks
/// for this one.
const PSA: u8 = 0x61;
/// R8 and R16 with standard, fine and superfine lines; 200 x 100, 200, 400; 300; 400 dpi.
const RESOLUTIONS: c_int = 0x01 | 0x02 | 0x04 | 0x08 | 0x20 | 0x40 | 0x80 | 0x100 | 0x400;
/// A4, B4 and A3 wide; any length.
const SIZES: c_int = 0x01 | 0x02 | 0x04 | 0x10000;

/// How often a command is sent in audio. T.30 5.4.2 says three times, for lines that hum; where packets get lost, half a
/// percent of them spoil every fourth PPR (a second of V.21), and a call has several.
const AUDIO_TRIES: c_int = 5;

// Of async.h: what a modem says in place of a bit.
const CARRIER_DOWN: c_int = -1;
const CARRIER_UP: c_int = -2;
const TRAINING_BEGUN: c_int = -3;
const TRAINING_SUCCEEDED: c_int = -4;

// Of modem_connect_tones.h.
const TONE_NONE: c_int = 0;
const TONE_CNG: c_int = 1;
const TONE_CED_OR_PREAMBLE: c_int = 7;

/// What the callbacks get.
struct Desk {
    t30: *mut c::t30_state_t,
    /// Path of the TIFF that is sent.
    tiff: CString,
    session: Session,
}

impl Desk {
    fn new(session: Session) -> *mut Desk {
        Box::into_raw(Box::new(Desk {
            t30: ptr::null_mut(),
            tiff: CString::default(),
            session,
        }))
    }

    /// NSF has been read by the time that DIS comes.
    fn note_maker(&mut self) {
        let text = |text: *const std::ffi::c_char| {
            // SAFETY: NULL, or static text in C's tables.
            let text = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) });
            text.map(|text| text.to_string_lossy().into_owned())
        };
        // SAFETY: a callback runs, so the T.30 state is alive.
        let (make, model) = unsafe {
            (
                text(c::t30_get_rx_vendor(self.t30)),
                text(c::t30_get_rx_model(self.t30)),
            )
        };
        self.session.made_by(make, model);
    }

    /// Lays out what SpanDSP sends when both sides begin anew: behind EOM the next document, or once more the page that
    /// was refused. By itself it would go on behind that page.
    fn lay_out(&self) {
        let (file, first, last) = match self.session.next_pages() {
            Some(pages) => (
                self.tiff.as_c_str(),
                pages.first as c_int,
                pages.last.map_or(-1, |last| last as c_int),
            ),
            // With nothing to send, it answers DIS with DCN.
            None => (c"", -1, -1),
        };
        // SAFETY: a callback runs, or C does not; the T.30 state is alive, and C copies the path.
        unsafe { c::t30_set_tx_file(self.t30, file.as_ptr(), first, last) };
    }

    /// Whether SpanDSP answers the page that came in with RTN: it has no rows, or too many bad ones (`copy_quality` in
    /// t30.c).
    fn page_is_bad(&self) -> bool {
        let mut stats = c::t30_stats_t::default();
        // SAFETY: a callback runs, so the T.30 state is alive; the function reads it and fills `stats`.
        unsafe { c::t30_get_transfer_statistics(self.t30, &mut stats) };
        let (bad, rows) = (i64::from(stats.bad_rows), i64::from(stats.length));
        !(bad == 0 && rows != 0) && bad * 20 >= rows * 3
    }

    fn counts(&self) -> Counts {
        let mut stats = c::t30_stats_t::default();
        // SAFETY: a callback runs, so the T.30 state is alive; the functions read it and fill `stats`.
        let write_error = unsafe {
            c::t30_get_transfer_statistics(self.t30, &mut stats);
            c::t30_receive_output_error(self.t30)
        };
        Counts {
            sent: stats.pages_tx.max(0) as u32,
            received: stats.pages_rx.max(0) as u32,
            ecm: stats.error_correcting_mode != 0,
            write_failed: write_error != 0,
        }
    }
}

/// Runs a callback's body; a panic must not unwind into C.
///
/// # Safety
/// `user` is the [`Desk`] of a live terminal, and no other reference into it exists.
unsafe fn at_desk<R>(user: *mut c_void, fallback: R, body: impl FnOnce(&mut Desk) -> R) -> R {
    // SAFETY: promised by the caller.
    let desk = unsafe { &mut *user.cast::<Desk>() };
    match catch_unwind(AssertUnwindSafe(|| body(desk))) {
        Ok(result) => result,
        Err(_) => {
            desk.session.panicked();
            fallback
        }
    }
}

/// The octets that C hands over.
///
/// # Safety
/// `octets` points to `len` readable octets, or `len` is not positive.
unsafe fn octets<'a>(octets: *const u8, len: c_int) -> &'a [u8] {
    match usize::try_from(len) {
        // SAFETY: promised by the caller.
        Ok(len) if len > 0 && !octets.is_null() => unsafe {
            std::slice::from_raw_parts(octets, len)
        },
        _ => &[],
    }
}

unsafe extern "C" fn on_transmit(
    _core: *mut c::t38_core_state_t,
    user: *mut c_void,
    buf: *const u8,
    len: c_int,
    count: c_int,
) -> c_int {
    // SAFETY: user data is the desk (see the module's head); C hands over `len` octets.
    unsafe {
        let packet = octets(buf, len);
        at_desk(user, -1, |desk| {
            match desk.session.transmit(packet, count.max(0) as u32) {
                true => 0,
                false => -1,
            }
        })
    }
}

unsafe extern "C" fn on_frame(user: *mut c_void, incoming: bool, msg: *const u8, len: c_int) {
    // SAFETY: user data is the desk (see the module's head); C hands over `len` octets.
    unsafe {
        let frame = octets(msg, len);
        if incoming && frame.get(2) == Some(&DIS) {
            at_desk(user, (), Desk::note_maker);
        }
        let instead = at_desk(user, None, |desk| {
            let page_is_bad = incoming && !desk.session.sends() && desk.page_is_bad();
            desk.session.frame(incoming, frame, page_is_bad)
        });
        // What comes in is in the buffer of a modem, and a frame whose FCF we change on its way out, an answer to a page,
        // in one of its sender: both are const for the receiver of a frame only.
        let octets = msg.cast_mut();
        match instead.filter(|_| len > 2) {
            Some(Instead::Fcf(fcf)) => *octets.add(2) = fcf,
            Some(Instead::Nothing) => {
                *octets.add(1) &= !FINAL;
                *octets.add(2) = PSA;
            }
            None => {}
        }
    }
}

unsafe extern "C" fn on_phase_d(user: *mut c_void, _fcf: c_int) -> c_int {
    // SAFETY: user data is the desk (see the module's head).
    unsafe {
        at_desk(user, (), |desk| {
            let counts = desk.counts();
            desk.session.page_over(counts);
            if desk.session.sends() {
                desk.lay_out();
            }
        });
    }
    0
}

/// Behind the last page of a document: whether another one follows.
unsafe extern "C" fn on_document_end(user: *mut c_void, _status: c_int) -> c_int {
    // SAFETY: user data is the desk (see the module's head).
    let follows = unsafe { at_desk(user, false, |desk| desk.session.another_follows()) };
    c_int::from(follows)
}

unsafe extern "C" fn on_phase_e(user: *mut c_void, code: c_int) {
    // SAFETY: user data is the desk (see the module's head); the text is static in C.
    unsafe {
        let words = CStr::from_ptr(c::t30_completion_code_to_str(code)).to_string_lossy();
        at_desk(user, (), |desk| desk.session.over(code, &words));
    }
}

/// Everything that T.30 needs to know, the same for both terminals.
///
/// # Safety
/// `t30` and `desk` belong to one terminal that is alive and not in C.
unsafe fn configure(
    t30: *mut c::t30_state_t,
    desk: *mut Desk,
    options: &Options,
) -> Result<(), SetUpFailed> {
    let tiff = CString::new(options.tiff.as_str()).map_err(|_| SetUpFailed)?;
    let ident = CString::new(options.ident.as_str()).map_err(|_| SetUpFailed)?;
    let text = |text: &Option<String>| text.as_deref().map(CString::new).transpose();
    let sub_address = text(&options.sub_address).map_err(|_| SetUpFailed)?;
    let password = text(&options.password).map_err(|_| SetUpFailed)?;
    let user = desk.cast::<c_void>();
    // SAFETY: both pointers are alive; the strings are copied by C before the calls return.
    unsafe {
        (*desk).t30 = t30;
        (*desk).tiff = tiff;
        c::t30_set_phase_d_handler(t30, Some(on_phase_d), user);
        c::t30_set_phase_e_handler(t30, Some(on_phase_e), user);
        c::t30_set_real_time_frame_handler(t30, Some(on_frame), user);
        c::t30_set_tx_ident(t30, ident.as_ptr());
        c::t30_set_ecm_capability(t30, options.ecm);
        c::t30_set_supported_modems(t30, modems(options.max_bit_rate));
        // T.85 and colour stay off on receipt: a crafted height makes SpanDSP ask for 273 GB.
        let t85 = if options.t85 { T85 } else { 0 };
        let compressions = T4_1D | T4_2D | T6 | t85;
        c::t30_set_supported_t30_features(
            t30,
            (c::T30_SUPPORT_IDENTIFICATION | c::T30_SUPPORT_SUB_ADDRESSING) as c_int,
        );
        if let Some(sub_address) = &sub_address {
            c::t30_set_tx_sub_address(t30, sub_address.as_ptr());
        }
        // SpanDSP says PWD in front of DTC only; with pages, SID is the password (T.30 5.3.6.1.2).
        if let Some(password) = &password {
            c::t30_set_tx_sender_ident(t30, password.as_ptr());
        }
        c::t30_set_supported_compressions(t30, compressions);
        c::t30_set_supported_output_compressions(t30, T6);
        c::t30_set_supported_bilevel_resolutions(t30, RESOLUTIONS);
        c::t30_set_supported_image_sizes(t30, SIZES);
        match options.role {
            Role::Sender => {
                c::t30_set_document_handler(t30, Some(on_document_end), user);
                (*desk).lay_out();
            }
            Role::Receiver => c::t30_set_rx_file(t30, (*desk).tiff.as_ptr(), -1),
        }
    }
    Ok(())
}

fn modems(max_bit_rate: u32) -> c_int {
    let modems = match max_bit_rate {
        12000.. => c::T30_SUPPORT_V17 | c::T30_SUPPORT_V29 | c::T30_SUPPORT_V27TER,
        7200.. => c::T30_SUPPORT_V29 | c::T30_SUPPORT_V27TER,
        _ => c::T30_SUPPORT_V27TER,
    };
    modems as c_int
}

/// Tells T.30 what no modem does.
///
/// # Safety
/// `t30` is alive, and C is not running.
unsafe fn apply(t30: *mut c::t30_state_t, remedy: Remedy) {
    let t30 = t30.cast();
    // SAFETY: promised by the caller; a status has no octets.
    unsafe {
        match remedy {
            Remedy::TrainingBegun => c::t30_non_ecm_put_bit(t30, TRAINING_BEGUN),
            Remedy::TrainingFailed => {
                c::t30_non_ecm_put_bit(t30, TRAINING_SUCCEEDED);
                c::t30_non_ecm_put_bit(t30, CARRIER_DOWN);
            }
            Remedy::CarrierUp => c::t30_hdlc_accept(t30, ptr::null(), CARRIER_UP, 1),
            Remedy::CarrierDown => c::t30_hdlc_accept(t30, ptr::null(), CARRIER_DOWN, 1),
        }
    }
}

// ---- T.38 ----

/// A T.38 terminal of SpanDSP.
pub(super) struct T38Engine {
    state: *mut c::t38_terminal_state_t,
    desk: *mut Desk,
}

impl T38Engine {
    pub(super) fn new(
        options: &Options,
        version: u8,
        session: Session,
    ) -> Result<T38Engine, SetUpFailed> {
        let desk = Desk::new(session);
        // SAFETY: NULL asks C to allocate; `desk` outlives the state (see `drop`).
        let state = unsafe {
            c::t38_terminal_init(
                ptr::null_mut(),
                options.calling,
                Some(on_transmit),
                desk.cast(),
            )
        };
        if state.is_null() {
            // SAFETY: from `Desk::new`, and nothing else points to it.
            drop(unsafe { Box::from_raw(desk) });
            return Err(SetUpFailed);
        }
        let engine = T38Engine { state, desk };
        // SAFETY: state and desk are alive, and C is not running.
        unsafe {
            configure(c::t38_terminal_get_t30_state(state), desk, options)?;
            c::t38_set_t38_version(c::t38_terminal_get_t38_core_state(state), version.into());
            c::t38_set_fastest_image_data_rate(
                c::t38_terminal_get_t38_core_state(state),
                options.max_bit_rate as c_int,
            );
        }
        Ok(engine)
    }

    pub(super) fn session(&mut self) -> &mut Session {
        // SAFETY: `desk` is alive as long as `self`; C is not running while the borrow lives.
        unsafe { &mut (*self.desk).session }
    }

    pub(super) fn handle_ifp(&mut self, ifp: &[u8], seq: u16) {
        // SAFETY: the state is alive; C reads `len` octets and keeps none.
        unsafe {
            let core = c::t38_terminal_get_t38_core_state(self.state);
            c::t38_core_rx_ifp_packet(core, ifp.as_ptr(), ifp.len() as c_int, seq);
        }
    }

    /// Tells T.30 what the packets do not.
    pub(super) fn apply(&mut self, remedy: Remedy) {
        // SAFETY: the state is alive, and C is not running.
        unsafe { apply(c::t38_terminal_get_t30_state(self.state), remedy) };
    }

    pub(super) fn tick(&mut self, samples: u32) {
        // SAFETY: the state is alive.
        unsafe { c::t38_terminal_send_timeout(self.state, samples as c_int) };
    }

    pub(super) fn terminate(&mut self) {
        // SAFETY: the state is alive, and C is not running.
        unsafe { c::t30_terminate(c::t38_terminal_get_t30_state(self.state)) };
    }
}

impl Drop for T38Engine {
    fn drop(&mut self) {
        // SAFETY: both come from `new`; the state goes first, as it may call back to the desk.
        unsafe {
            c::t38_terminal_free(self.state);
            drop(Box::from_raw(self.desk));
        }
    }
}

// ---- audio ----

/// An audio terminal of SpanDSP.
pub(super) struct AudioEngine {
    state: *mut c::fax_state_t,
    desk: *mut Desk,
}

impl AudioEngine {
    pub(super) fn new(options: &Options, session: Session) -> Result<AudioEngine, SetUpFailed> {
        // SAFETY: NULL asks C to allocate.
        let state = unsafe { c::fax_init(ptr::null_mut(), options.calling) };
        if state.is_null() {
            return Err(SetUpFailed);
        }
        let desk = Desk::new(session);
        let engine = AudioEngine { state, desk };
        // SAFETY: state and desk are alive, and C is not running.
        unsafe {
            configure(c::fax_get_t30_state(state), desk, options)?;
            c::fax_set_transmit_on_idle(state, 1);
            c::t30_set_max_command_tries(c::fax_get_t30_state(state), AUDIO_TRIES);
        }
        Ok(engine)
    }

    pub(super) fn session(&mut self) -> &mut Session {
        // SAFETY: `desk` is alive as long as `self`; C is not running while the borrow lives.
        unsafe { &mut (*self.desk).session }
    }

    /// C restores the DC level in place.
    pub(super) fn receive(&mut self, samples: &mut [i16]) {
        // SAFETY: the state is alive; C reads and writes `len` samples and keeps none.
        unsafe { c::fax_rx(self.state, samples.as_mut_ptr(), samples.len() as c_int) };
    }

    pub(super) fn fill_in(&mut self, samples: usize) {
        // SAFETY: the state is alive.
        unsafe { c::fax_rx_fillin(self.state, samples as c_int) };
    }

    /// Tells T.30 what no modem does.
    pub(super) fn apply(&mut self, remedy: Remedy) {
        // SAFETY: the state is alive, and C is not running.
        unsafe { apply(c::fax_get_t30_state(self.state), remedy) };
    }

    pub(super) fn transmit(&mut self, samples: &mut [i16]) -> usize {
        // SAFETY: the state is alive; C writes at most `len` samples.
        let done = unsafe { c::fax_tx(self.state, samples.as_mut_ptr(), samples.len() as c_int) };
        done.max(0) as usize
    }

    pub(super) fn terminate(&mut self) {
        // SAFETY: the state is alive, and C is not running.
        unsafe { c::t30_terminate(c::fax_get_t30_state(self.state)) };
    }
}

impl Drop for AudioEngine {
    fn drop(&mut self) {
        // SAFETY: both come from `new`; the state goes first, as it may call back to the desk.
        unsafe {
            c::fax_free(self.state);
            drop(Box::from_raw(self.desk));
        }
    }
}

// ---- tones ----

/// A detector for the tone of the far end.
pub(super) struct ToneDetector(*mut c::modem_connect_tones_rx_state_t);

impl ToneDetector {
    /// Listens for CNG where `calling` is the far end's part, else for CED or V.21 flags.
    pub(super) fn new(far_end_calls: bool) -> Result<ToneDetector, SetUpFailed> {
        let tone = match far_end_calls {
            true => TONE_CNG,
            false => TONE_CED_OR_PREAMBLE,
        };
        // SAFETY: NULL asks C to allocate; without a callback there is no user data to keep alive.
        let state =
            unsafe { c::modem_connect_tones_rx_init(ptr::null_mut(), tone, None, ptr::null_mut()) };
        match state.is_null() {
            true => Err(SetUpFailed),
            false => Ok(ToneDetector(state)),
        }
    }

    /// Whether the tone was heard in these samples.
    pub(super) fn hear(&mut self, samples: &[i16]) -> bool {
        // SAFETY: the state is alive; C reads `len` samples and keeps none.
        unsafe {
            c::modem_connect_tones_rx(self.0, samples.as_ptr(), samples.len() as c_int);
            c::modem_connect_tones_rx_get(self.0) != TONE_NONE
        }
    }
}

impl Drop for ToneDetector {
    fn drop(&mut self) {
        // SAFETY: from `new`.
        unsafe { c::modem_connect_tones_rx_free(self.0) };
    }
}
