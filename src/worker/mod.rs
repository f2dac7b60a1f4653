//! The sandboxed child processes: one per document to convert or to render, one per call.
//!
//! Takes over: strangers' bytes that are parsed in C or C++ (PDFium, SpanDSP, libtiff).
//! Promises: a child has no file, no network and no time but what it was handed.
//! When it dies: one attempt fails with an outcome of its own; the daemon goes on.

pub mod call;
pub mod convert;
pub mod host;
pub mod mishaps;
pub mod nursery;
pub mod render;
pub mod sandbox;
pub mod stall;
pub mod wire;
