//! The task that owns the endpoint and its sockets.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use super::transport::{Arrival, Transports};
use super::{
    Endpoint, Holds, IncomingCall, IncomingInvite, Invite, Message, NoResponse, OutOfDialog,
    Shared, SipCall, SipCommand, SipEvent, is_allowed,
};
use crate::proto::sip::endpoint::{CallId, Output, RequestId};
use crate::worker::stall::RunningTime;

/// How long the answers to our last BYEs are waited for.
const FAREWELL: Duration = Duration::from_secs(1);

/// Behind a stall of this process no timer runs out for so long: the answers that came meanwhile are to be read first.
/// Otherwise a trunk that has answered long ago is passed over for the next one, and a session that its far end has
/// refreshed is ended.
const SETTLE: Duration = Duration::from_millis(250);

/// What the holders of an endpoint want of it.
#[derive(Debug)]
pub(super) enum Order {
    Invite {
        number: u64,
        invite: Box<Invite>,
        events: mpsc::UnboundedSender<SipEvent>,
    },
    Command(u64, SipCommand),
    Request(Box<OutOfDialog>, Answer),
    Allow(Vec<IpNet>),
    Holds(oneshot::Sender<Holds>),
    /// The last holder is gone.
    Stop,
}

type Answer = oneshot::Sender<Result<Message, NoResponse>>;

pub(super) struct Driver {
    endpoint: Endpoint,
    transports: Transports,
    allowed: Vec<IpNet>,
    incoming: mpsc::Sender<IncomingCall>,
    orders: mpsc::WeakUnboundedSender<Order>,
    /// The calls by the number that their holders have.
    numbers: HashMap<u64, CallId>,
    calls: HashMap<CallId, Held>,
    requests: HashMap<RequestId, Answer>,
    /// How many calls there are, and the next number, for all to see.
    count: Arc<AtomicUsize>,
    next_number: Arc<AtomicUsize>,
    /// The last holder is gone: when the task ends.
    stop_at: Option<Instant>,
}

/// A call that somebody holds.
struct Held {
    number: u64,
    events: mpsc::UnboundedSender<SipEvent>,
}

impl Driver {
    pub fn new(
        endpoint: Endpoint,
        transports: Transports,
        allowed: Vec<IpNet>,
        incoming: mpsc::Sender<IncomingCall>,
        shared: &Shared,
    ) -> Driver {
        Driver {
            endpoint,
            transports,
            allowed,
            incoming,
            orders: shared.orders.downgrade(),
            numbers: HashMap::new(),
            calls: HashMap::new(),
            requests: HashMap::new(),
            count: shared.calls.clone(),
            next_number: shared.numbers.clone(),
            stop_at: None,
        }
    }

    pub async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut clock = RunningTime::new(Instant::now());
        let mut settled_at = Instant::now();
        loop {
            self.carry_out();
            if self.is_done() {
                return;
            }
            let due = [self.endpoint.next_timeout(), self.stop_at];
            let due = due.into_iter().flatten().min();
            let mut is_over = false;
            tokio::select! {
                Some(order) = orders.recv() => self.obey(order),
                arrival = self.transports.recv() => self.hear(arrival),
                () = at(due.map(|due| due.max(settled_at))) => is_over = true,
                () = at(due.map(|_| clock.next_look())) => {}
            }
            let now = Instant::now();
            if due.is_none() {
                clock.restart(now);
            } else if clock.look(now).is_some() {
                settled_at = now + SETTLE;
            } else if is_over {
                self.endpoint.handle_timeout(now);
            }
        }
    }

    fn hear(&mut self, arrival: Arrival) {
        let now = Instant::now();
        match arrival {
            Arrival::Octets { flow, octets, .. } => {
                // Judged here again: whoever was allowed when it was queued may not be any longer.
                let trusted = is_allowed(&self.allowed, flow.remote);
                self.endpoint.handle_message(&octets, &flow, trusted, now);
            }
            Arrival::Lost { flow, why } => {
                tracing::debug!(%flow, why, "lost");
                self.endpoint.handle_unreachable(&flow, &why, now);
            }
        }
    }

    fn obey(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Invite {
                number,
                invite,
                events,
            } => {
                let id = self.endpoint.invite(*invite, now);
                self.hold(id, number, events);
            }
            Order::Command(number, command) => {
                if let Some(id) = self.numbers.get(&number) {
                    self.endpoint.command(*id, command, now);
                }
            }
            Order::Request(request, answer) => {
                let id = self.endpoint.request(*request, now);
                self.requests.insert(id, answer);
            }
            Order::Allow(allowed) => {
                self.transports.set_peers(allowed.clone());
                self.allowed = allowed;
            }
            Order::Holds(answer) => {
                let _ = answer.send(self.endpoint.holds());
            }
            Order::Stop => self.stop_at = Some(now + FAREWELL),
        }
    }

    /// Does what the endpoint wants done.
    fn carry_out(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Transmit { to, octets } => self.transports.send(&to, octets),
                Output::Call(id, event) => {
                    if let Some(held) = self.calls.get(&id) {
                        let _ = held.events.send(event);
                    }
                }
                Output::Over(id) => self.let_go(id),
                Output::Incoming(id, invite) => self.announce(id, *invite),
                Output::Response(id, response) => {
                    if let Some(answer) = self.requests.remove(&id) {
                        let _ = answer.send(response.map(|message| *message));
                    }
                }
            }
        }
    }

    /// A call came in: somebody has to take it.
    fn announce(&mut self, id: CallId, invite: IncomingInvite) {
        let Some(orders) = self.orders.upgrade() else {
            return;
        };
        let (events, receiver) = mpsc::unbounded_channel();
        let number = self.next_number.fetch_add(1, Ordering::Relaxed) as u64;
        let call = SipCall {
            number,
            orders,
            events: receiver,
        };
        let source: SocketAddr = invite.source.remote;
        self.hold(id, number, events);
        if self
            .incoming
            .try_send(IncomingCall::new(invite, call))
            .is_err()
        {
            tracing::warn!(%source, "INVITE refused: nobody takes calls");
            let now = Instant::now();
            self.endpoint.command(id, SipCommand::Reject(503), now);
        }
    }

    fn hold(&mut self, id: CallId, number: u64, events: mpsc::UnboundedSender<SipEvent>) {
        self.numbers.insert(number, id);
        self.calls.insert(id, Held { number, events });
        self.count.store(self.calls.len(), Ordering::Relaxed);
    }

    fn let_go(&mut self, id: CallId) {
        if let Some(held) = self.calls.remove(&id) {
            self.numbers.remove(&held.number);
            self.count.store(self.calls.len(), Ordering::Relaxed);
        }
    }

    /// The last holder is gone, and so are its calls, or nobody answers our BYEs.
    fn is_done(&self) -> bool {
        let Some(stop_at) = self.stop_at else {
            return false;
        };
        let holds = self.endpoint.holds();
        (holds.calls == 0 && holds.hanging_up == 0) || stop_at <= Instant::now()
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
