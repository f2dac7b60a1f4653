//! A call as it goes, in one line of the terminal; on anything else, one line a change of phase or page.

use std::convert::Infallible;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::context::{Context, Direction, LiveCall, Phase};

const PERIOD: Duration = Duration::from_millis(200);
const BAR: usize = 30;

/// Shows the gateway's calls.
pub struct Display {
    context: Arc<Context>,
    in_place: bool,
    last: String,
}

impl Display {
    pub fn new(context: Arc<Context>) -> Display {
        Display {
            context,
            in_place: std::io::stdout().is_terminal(),
            last: String::new(),
        }
    }

    /// Shows until it is dropped.
    pub async fn run(&mut self) -> Infallible {
        loop {
            if let Some(call) = self.context.live.calls().last() {
                self.show(call);
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if self.in_place {
            print!("\r\x1b[K");
            let _ = std::io::stdout().flush();
        }
    }

    fn show(&mut self, call: &LiveCall) {
        let what = what(call);
        let seconds = call.since.elapsed().as_secs();
        if self.in_place {
            print!("\r\x1b[K   {seconds:>3} s  {} {what}", bar(call));
        } else if what != self.last {
            println!("   {seconds:>3} s  {what}");
        }
        let _ = std::io::stdout().flush();
        self.last = what;
    }
}

fn what(call: &LiveCall) -> String {
    let verb = match call.direction {
        Direction::Out => "sending",
        Direction::In => "receiving",
    };
    match (call.phase, call.page, call.pages) {
        (Phase::Pages, 0, _) => format!("T.38, {} bit/s", call.far_end.bit_rate),
        (Phase::Pages, page, Some(pages)) => format!("{verb} page {page} of {pages}"),
        (Phase::Pages, page, None) => format!("{verb} page {page}"),
        (phase, ..) => phase.in_words().to_owned(),
    }
}

/// How much of the fax is through; while that is not known, how much of the page.
fn bar(call: &LiveCall) -> String {
    let within = call
        .of
        .filter(|of| *of > 0)
        .map_or(0.0, |of| (call.bytes as f64 / of as f64).min(1.0));
    let done = match call.pages {
        Some(pages) if pages > 0 => {
            (f64::from(call.page.saturating_sub(1)) + within) / f64::from(pages)
        }
        _ => within,
    };
    let filled = ((done * BAR as f64) as usize).min(BAR);
    format!("[{}{}]", "#".repeat(filled), ".".repeat(BAR - filled))
}
