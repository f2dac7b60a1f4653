//! The ACKs that we sent: each 2xx that comes again gets its own again (RFC 3261 13.2.2.4).

use super::core::Core;
use crate::proto::sip::{Flow, Message};

/// More forks or re-INVITEs than this at a time do not happen to honest calls.
const MOST: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Acks {
    sent: Vec<Sent>,
}

#[derive(Debug)]
struct Sent {
    tag: String,
    number: u32,
    flow: Flow,
    octets: Vec<u8>,
}

impl Acks {
    /// Sends the ACK to this 2xx, and remembers it.
    pub fn send(&mut self, core: &mut Core, response: &Message, ack: Message, flow: &Flow) {
        let octets = core.send_ack(ack, flow);
        if self.sent.len() == MOST {
            self.sent.remove(0);
        }
        let (tag, number) = name(response);
        self.sent.push(Sent {
            tag,
            number,
            flow: flow.clone(),
            octets,
        });
    }

    /// Sends it again, if this 2xx had one.
    pub fn again(&self, core: &mut Core, response: &Message) -> bool {
        let (tag, number) = name(response);
        let mut sent = self.sent.iter();
        let Some(ack) = sent.find(|ack| ack.tag == tag && ack.number == number) else {
            return false;
        };
        core.transmit(&ack.flow, ack.octets.clone());
        true
    }
}

fn name(response: &Message) -> (String, u32) {
    let to = response.to();
    let tag = to.as_ref().and_then(|to| to.tag()).unwrap_or_default();
    let number = response.cseq().map_or(0, |cseq| cseq.number);
    (tag.to_owned(), number)
}
