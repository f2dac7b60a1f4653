//! The whole program: the real daemon and a simulated carrier as processes of their own, over real sockets, in real
//! time. Each module is a kind of mishap, each test one of them.
//!
//! A call takes its 20 seconds and more, so the tests run side by side, each on a site of its own.

mod bad_config;
mod bad_input;
mod both_journeys;
mod cancelled;
mod children;
mod clocks;
mod commands;
mod compiler;
mod converters;
mod copiers;
mod covers;
mod damaged;
mod disk_full;
mod documents;
mod door;
mod dsn;
mod floods;
mod guessing;
mod harness;
mod injected;
mod killed;
mod libtiff;
mod machines;
mod mail_servers;
mod media;
mod nat;
mod open_net;
mod orphans;
mod own_trouble;
mod postmaster;
mod relays;
mod reports;
mod resent;
mod rooms;
mod searchable;
mod shared;
mod spoofed;
mod stalled;
mod stops;
mod strangers;
mod tortured;
mod trunks;
mod voice;
mod walls;
