//! How a terminal ended, in T.30's own terms.

use spandsp_sys::t30_err_e::{self as t30, *};

/// How a terminal ended, with all it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub cause: Cause,
    /// The T.30 status in words, for the admin.
    pub detail: String,
    /// Pages confirmed: by the far end (sender) or by us (receiver).
    pub pages: u32,
    /// Receiver: the last page (EOP) was taken. Sender: the last page was confirmed.
    pub complete: bool,
    /// Sender: EOP left, and no answer to it came.
    pub awaiting_last: bool,
    /// Sender: the last thing the far end said of a page was no (RTN, PPR, ERR).
    pub refused: bool,
    /// A DCN came in.
    pub dcn_received: bool,
}

impl Ending {
    /// The end of a call in which no terminal ever spoke.
    pub fn without_a_call(detail: &str) -> Ending {
        Ending {
            cause: Cause::Dropped,
            detail: detail.to_owned(),
            pages: 0,
            complete: false,
            awaiting_last: false,
            refused: false,
            dcn_received: false,
        }
    }
}

/// Why a terminal ended: the completion codes of SpanDSP by kind, and what our own side decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// T.30 ran to its regular end. (Which a call without a single page can do too.)
    Regular,
    /// Nothing that T.30 knows was heard before T0 or T1 ran out.
    NoFax,
    /// No speed worked.
    CannotTrain,
    /// The far end cannot do what this fax needs.
    Incompatible,
    /// The far end wanted to fetch a fax from us (DTC); we have none to give.
    Polled,
    /// An answer that T.30 does not allow there.
    Protocol,
    /// No answer, or the carrier was lost.
    Silence,
    /// DCN came before its time.
    Disconnected,
    /// A command or page was repeated until the tries ran out.
    TriesOver,
    /// The TIFF could not be read or written.
    File,
    /// The call was dropped, or we ended it.
    Dropped,
    /// The caller did not give the password that we ask for.
    WrongPassword,
    /// [`Holder`](super::Holder) refused.
    NotKept,
    /// A received page has no readable rows, so it was not confirmed.
    EmptyPage,
    /// SpanDSP wanted to send without end, or a callback of ours failed.
    Runaway,
}

/// The kind of a completion code of SpanDSP; a code it does not define counts as a broken rule.
pub(super) fn cause(code: i32) -> Cause {
    CODES
        .iter()
        .find(|(known, _)| *known as i32 == code)
        .map_or(Cause::Protocol, |(_, cause)| *cause)
}

/// Every completion code (`t30.h`) and its kind.
const CODES: [(t30, Cause); 62] = [
    (T30_ERR_OK, Cause::Regular),
    (T30_ERR_CEDTONE, Cause::NoFax),
    (T30_ERR_T0_EXPIRED, Cause::NoFax),
    (T30_ERR_T1_EXPIRED, Cause::NoFax),
    (T30_ERR_T3_EXPIRED, Cause::Silence),
    (T30_ERR_HDLC_CARRIER, Cause::Protocol),
    (T30_ERR_CANNOT_TRAIN, Cause::CannotTrain),
    (T30_ERR_OPER_INT_FAIL, Cause::Protocol),
    (T30_ERR_INCOMPATIBLE, Cause::Incompatible),
    (T30_ERR_RX_INCAPABLE, Cause::Incompatible),
    (T30_ERR_TX_INCAPABLE, Cause::Incompatible),
    (T30_ERR_NORESSUPPORT, Cause::Incompatible),
    (T30_ERR_NOSIZESUPPORT, Cause::Incompatible),
    (T30_ERR_UNEXPECTED, Cause::Protocol),
    (T30_ERR_TX_BADDCS, Cause::CannotTrain),
    (T30_ERR_TX_BADPG, Cause::Disconnected),
    (T30_ERR_TX_ECMPHD, Cause::Protocol),
    (T30_ERR_TX_GOTDCN, Cause::Disconnected),
    (T30_ERR_TX_INVALRSP, Cause::Protocol),
    (T30_ERR_TX_NODIS, Cause::Protocol),
    (T30_ERR_TX_PHBDEAD, Cause::Silence),
    (T30_ERR_TX_PHDDEAD, Cause::Silence),
    (T30_ERR_TX_T5EXP, Cause::Silence),
    (T30_ERR_RX_ECMPHD, Cause::Protocol),
    (T30_ERR_RX_GOTDCS, Cause::Protocol),
    (T30_ERR_RX_INVALCMD, Cause::Protocol),
    (T30_ERR_RX_NOCARRIER, Cause::Silence),
    (T30_ERR_RX_NOEOL, Cause::Silence),
    (T30_ERR_RX_NOFAX, Cause::Silence),
    (T30_ERR_RX_T2EXPDCN, Cause::Silence),
    (T30_ERR_RX_T2EXPD, Cause::Silence),
    (T30_ERR_RX_T2EXPFAX, Cause::Silence),
    (T30_ERR_RX_T2EXPMPS, Cause::Silence),
    (T30_ERR_RX_T2EXPRR, Cause::Silence),
    (T30_ERR_RX_T2EXP, Cause::Silence),
    (T30_ERR_RX_DCNWHY, Cause::Disconnected),
    (T30_ERR_RX_DCNDATA, Cause::Disconnected),
    (T30_ERR_RX_DCNFAX, Cause::Disconnected),
    (T30_ERR_RX_DCNPHD, Cause::Disconnected),
    (T30_ERR_RX_DCNRRD, Cause::Disconnected),
    (T30_ERR_RX_DCNNORTN, Cause::Disconnected),
    (T30_ERR_FILEERROR, Cause::File),
    (T30_ERR_NOPAGE, Cause::File),
    (T30_ERR_BADTIFF, Cause::File),
    (T30_ERR_BADPAGE, Cause::File),
    (T30_ERR_BADTAG, Cause::File),
    (T30_ERR_BADTIFFHDR, Cause::File),
    (T30_ERR_NOMEM, Cause::File),
    (T30_ERR_RETRYDCN, Cause::TriesOver),
    (T30_ERR_CALLDROPPED, Cause::Dropped),
    (T30_ERR_NOPOLL, Cause::Protocol),
    (T30_ERR_IDENT_UNACCEPTABLE, Cause::Protocol),
    (T30_ERR_SUB_UNACCEPTABLE, Cause::Protocol),
    (T30_ERR_SEP_UNACCEPTABLE, Cause::Protocol),
    (T30_ERR_PSA_UNACCEPTABLE, Cause::Protocol),
    (T30_ERR_SID_UNACCEPTABLE, Cause::Protocol),
    (T30_ERR_PWD_UNACCEPTABLE, Cause::Protocol),
    (T30_ERR_TSA_UNACCEPTABLE, Cause::Protocol),
    (T30_ERR_IRA_UNACCEPTABLE, Cause::Protocol),
    (T30_ERR_CIA_UNACCEPTABLE, Cause::Protocol),
    (T30_ERR_ISP_UNACCEPTABLE, Cause::Protocol),
    (T30_ERR_CSA_UNACCEPTABLE, Cause::Protocol),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_a_call_can_end_with_is_in_the_table() {
        for code in 0..CODES.len() as i32 {
            assert_eq!(CODES[code as usize].0 as i32, code);
        }
        assert_eq!(cause(T30_ERR_TX_PHDDEAD as i32), Cause::Silence);
        assert_eq!(cause(4711), Cause::Protocol);
        assert_eq!(cause(-1), Cause::Protocol);
    }
}
