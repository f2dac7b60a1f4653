//! The pages of a call: in memory files while SpanDSP has them, with the daemon before anything is confirmed.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};

use super::super::wire::FromCall;
use super::control::{Control, T2, Unheld};
use crate::fax::{Holder, NotKept};
use crate::pages::{FaxPage, tiff};

/// A file without a name in any folder, which SpanDSP opens by its descriptor.
pub(super) struct Paper(File);

impl Paper {
    pub(super) fn new(content: &[u8]) -> io::Result<Paper> {
        let mut file = File::from(memfd_create("pages", MemfdFlags::CLOEXEC)?);
        file.write_all(content)?;
        Ok(Paper(file))
    }

    /// The path under which this process can open it.
    pub(super) fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }

    /// How many pages there are, and the last one.
    pub(super) fn last_page(&self) -> io::Result<(usize, FaxPage)> {
        let len = usize::try_from(self.0.metadata()?.len()).map_err(io::Error::other)?;
        let mut octets = vec![0; len];
        self.0.read_exact_at(&mut octets, 0)?;
        tiff::read_last(&octets).map_err(io::Error::other)
    }
}

/// Holds what SpanDSP is about to confirm or to announce until the daemon has stored it.
#[derive(Clone)]
pub(super) struct Custody {
    pub(super) control: Rc<RefCell<Control>>,
    pub(super) paper: Rc<Paper>,
    /// Whether the end of a last page was let out.
    pub(super) announced: Rc<Cell<bool>>,
    /// For how long a far end was kept waiting that will not have waited.
    pub(super) late: Rc<Cell<Option<Duration>>>,
}

impl Custody {
    /// This process stood still while a page was under way: no end of that page is of use any more, where it was for long.
    pub(super) fn stood_still(&self, late: Duration) {
        if late > T2 {
            self.late.set(Some(late));
        }
    }

    /// A page is through, so the far end is there.
    pub(super) fn page_through(&self) {
        self.late.set(None);
    }

    fn hold(&self, message: &FromCall, blob: &[u8]) -> Result<bool, NotKept> {
        let began = Instant::now();
        let answer = self.control.borrow_mut().hold(message, blob);
        if answer == Err(Unheld::TooLate) {
            self.late.set(Some(began.elapsed()));
        }
        answer.map_err(|_| NotKept)
    }
}

impl Holder for Custody {
    fn page_received(&mut self, page: u32, last: bool, lost: u32) -> Result<(), NotKept> {
        let (pages, newest) = self.paper.last_page().map_err(|_| NotKept)?;
        // The TIFF must have exactly what SpanDSP counts; it goes on counting when a write failed.
        if pages != page as usize {
            return Err(NotKept);
        }
        let message = FromCall::PageReceived {
            page,
            last,
            width: newest.width,
            height: newest.height,
            x_dpi: newest.x_dpi,
            y_dpi: newest.y_dpi,
            lost_packets: lost,
        };
        self.hold(&message, &newest.g4).map(drop)
    }

    fn last_page_leaving(&mut self, page: u32) -> Result<bool, NotKept> {
        if self.late.get().is_some() {
            return Err(NotKept);
        }
        let goes_on = self.hold(&FromCall::LastPageLeaving { page }, &[])?;
        self.announced.set(true);
        Ok(goes_on)
    }
}
