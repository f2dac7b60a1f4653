//! The whole program: the real daemon and a simulated carrier as processes of their own, over real sockets, in real
//! time. Each module is a kind of mishap, each test one of them.
//!
//! A call takes its 20 seconds and more, so the tests run side by side, each on a site of its own.

mod both_journeys;
mod commands;
mod harness;
mod killed;
mod relays;
mod walls;
