//! What every call does at its start, done once by the nursery, so that no call has to.

use crate::fax::{AudioTerminal, Holder, NotKept, Options, Role, T38Terminal, ToneEar};

/// Ticks that reach the first packets and tones.
const TICKS: usize = 50;
/// Samples in a tick.
const TICK: usize = 80;

/// Runs terminals of each kind for a moment, in no call: their code is read from disk, and what SpanDSP and its
/// libraries make once is made. What is forked then shares it.
pub fn warm_up() {
    for role in [Role::Sender, Role::Receiver] {
        let options = Options {
            role,
            calling: role == Role::Sender,
            ident: String::new(),
            tiff: "/dev/null".to_owned(),
            documents: Vec::new(),
            ecm: true,
            max_bit_rate: 14400,
            t85: true,
            sub_address: None,
            password: None,
        };
        if let Ok(mut terminal) = T38Terminal::new(&options, 0, Box::new(Nobody)) {
            (0..TICKS).for_each(|_| terminal.tick(TICK as u32));
        }
        if let Ok(mut terminal) = AudioTerminal::new(&options, Box::new(Nobody)) {
            for _ in 0..TICKS {
                terminal.transmit(&mut [0; TICK]);
                terminal.receive(&mut [0; TICK]);
            }
        }
        if let Ok(mut ear) = ToneEar::new(options.calling) {
            ear.hear(&[0; TICK]);
        }
    }
}

/// There is no call, so there is nothing to keep.
struct Nobody;

impl Holder for Nobody {
    fn page_received(&mut self, _: u32, _: bool, _: u32) -> Result<(), NotKept> {
        Err(NotKept)
    }

    fn last_page_leaving(&mut self, _page: u32) -> Result<bool, NotKept> {
        Err(NotKept)
    }
}
