//! Postfax: a fax gateway for mail.
//!
//! Start reading at the two journeys, [`mail_to_fax`] and [`fax_to_mail`]; `ARCHITECTURE.md` has the drawing.
//!
//! | room | what it is |
//! |---|---|
//! | [`cli`] | the commands, one file each |
//! | [`gateway`] | starts and stops the parts; the only place that knows them all |
//! | [`config`] | `config.toml` to typed values, every error with its key and line |
//! | [`mail_to_fax`] | journey 1: accept, render, dial, report |
//! | [`fax_to_mail`] | journey 2: answer, keep, compose, deliver |
//! | [`carrier`] | the simulated carrier and its fax machines |
//! | [`status`] | the HTTP page and its JSON |
//! | [`queue`] | custody: the SQLite store, its schema, jobs, retry rules |
//! | [`letter`] | every mail the gateway writes: wording, headers, encodings (pure) |
//! | [`pages`] | documents to bilevel fax pages; fax pages to PDF (pure) |
//! | [`net`] | the drivers: sockets, TLS, the SIP stack, one fax call over real sockets |
//! | [`worker`] | the sandboxed child processes: a renderer, a call |
//! | [`call`] | one fax call from INVITE to BYE as a machine without I/O; its outcome |
//! | [`fax`] | the T.30 terminal over SpanDSP; its `ffi` module is the only unsafe code |
//! | [`proto`] | protocol cores without I/O: smtp, sdp, udptl, rtp |

#![deny(unsafe_code)]
#![warn(missing_docs)]

#[forbid(unsafe_code)]
pub mod call;
#[forbid(unsafe_code)]
pub mod carrier;
#[forbid(unsafe_code)]
pub mod cli;
#[forbid(unsafe_code)]
pub mod config;
pub mod fax;
#[forbid(unsafe_code)]
pub mod fax_to_mail;
#[forbid(unsafe_code)]
pub mod gateway;
#[forbid(unsafe_code)]
pub mod letter;
#[forbid(unsafe_code)]
pub mod mail_to_fax;
#[forbid(unsafe_code)]
pub mod net;
#[forbid(unsafe_code)]
pub mod pages;
#[forbid(unsafe_code)]
pub mod proto;
#[forbid(unsafe_code)]
pub mod queue;
#[forbid(unsafe_code)]
pub mod status;
#[forbid(unsafe_code)]
pub mod worker;
