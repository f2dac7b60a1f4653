//! The T.30 terminal over SpanDSP.
