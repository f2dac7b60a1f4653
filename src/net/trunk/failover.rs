//! Which refusals of an INVITE send it to the next server. RFC 3263 4.3 knows silence, transport errors and 503; the
//! rest is what carriers' engineers set: whatever says that the call did not reach the called network goes on,
//! whatever says something of the called number stands.

/// Why an INVITE came to nothing before anything rang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No response, ICMP, no connection, no TLS.
    Unreachable,
    /// A final response, with the Q.850 cause of its `Reason`, where there was one.
    Response {
        /// Status code.
        code: u16,
        /// Q.850 cause.
        q850: Option<u16>,
    },
}

/// Whether the next server is tried.
pub fn tries_next(refusal: Refusal) -> bool {
    match refusal {
        Refusal::Unreachable => true,
        Refusal::Response { q850, .. } if q850.is_some_and(speaks_of_the_number) => false,
        Refusal::Response { code, .. } => match code {
            // It did not know us: nobody was called.
            401 | 407 => true,
            // Nothing rang, or the server's own next hop did not answer it.
            408 | 504 => true,
            // The server is broken, its next hop is, or it has no capacity left.
            500 | 502 | 503 => true,
            // The number or its owner has spoken, or the same request would fare no better elsewhere.
            _ => false,
        },
    }
}

/// Q.850 causes of the called side; a gateway may fold them into any 5xx (RFC 3398 7.2.4.1).
fn speaks_of_the_number(cause: u16) -> bool {
    // unallocated, busy, no answer, absent, rejected, changed, out of order, invalid, incompatible
    matches!(cause, 1 | 17..=22 | 27 | 28 | 88)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let table: [(u16, Option<u16>, bool); 38] = [
            (300, None, false),
            (302, None, false),
            (400, None, false),
            (401, None, true),
            (403, None, false),
            (404, None, false),
            (405, None, false),
            (407, None, true),
            (408, None, true),
            (408, Some(102), true),
            (408, Some(18), false),
            (410, None, false),
            (415, None, false),
            (420, None, false),
            (480, None, false),
            (483, None, false),
            (484, None, false),
            (486, None, false),
            (487, None, false),
            (488, None, false),
            (500, None, true),
            (500, Some(41), true),
            (500, Some(17), false),
            (501, None, false),
            (502, None, true),
            (502, Some(1), false),
            (503, None, true),
            (503, Some(34), true),
            (503, Some(17), false),
            (504, None, true),
            (505, None, false),
            (513, None, false),
            (580, None, false),
            (600, None, false),
            (603, None, false),
            (604, None, false),
            (606, None, false),
            (999, None, false),
        ];
        assert!(tries_next(Refusal::Unreachable));
        for (code, q850, next) in table {
            let refusal = Refusal::Response { code, q850 };
            assert_eq!(tries_next(refusal), next, "{code} {q850:?}");
        }
    }
}
