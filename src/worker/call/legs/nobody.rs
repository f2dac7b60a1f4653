//! A terminal that nobody stands behind, for tests of the wire.

use crate::fax::{Holder, NotKept, Options, Role};

pub(in crate::worker::call) struct Nobody;

impl Holder for Nobody {
    fn page_received(&mut self, _: u32, _: bool) -> Result<(), NotKept> {
        Err(NotKept)
    }

    fn last_page_leaving(&mut self) -> Result<(), NotKept> {
        Err(NotKept)
    }
}

pub(in crate::worker::call) fn options() -> Options {
    Options {
        role: Role::Receiver,
        calling: true,
        ident: String::new(),
        tiff: "/dev/null".into(),
        ecm: true,
        max_bit_rate: 14400,
    }
}
