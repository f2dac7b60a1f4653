//! `postfax show --number NUMBER`: what calls to a number have taught, and how the next one goes.

use std::process::ExitCode;

use jiff::tz::TimeZone;

use crate::cli::table::{Sheet, print, tame, time};
use crate::cli::wait_for;
use crate::config::{Config, numbers};
use crate::context::now;
use crate::queue::Store;
use crate::queue::memory::{Begin, Memory};

/// Shows or forgets the memory of a number, which may be written in any form.
pub(super) fn run(
    store: &Store,
    config: &Config,
    written: &str,
    forget: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let bare: String = written.chars().filter(|c| !" -.()".contains(*c)).collect();
    let number = numbers::canonical(config, &bare);
    let shown = tame(&number, 40);
    if forget {
        anyhow::ensure!(
            wait_for(store.forget(&number))??,
            "nothing is remembered of {shown}"
        );
        print(&format!(
            "{shown} is forgotten: its next call goes as the configuration says.\n"
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let memory = wait_for(store.memory(&number, now()))??;
    print(&match (memory, json) {
        (memory, true) => format!(
            "{}\n",
            serde_json::json!({"number": number, "memory": memory})
        ),
        (None, false) => {
            format!(
                "Nothing is remembered of {shown}: its next call goes as the configuration says.\n"
            )
        }
        (Some(memory), false) => text(&memory, &config.time_zone()),
    });
    Ok(ExitCode::SUCCESS)
}

pub(super) fn text(memory: &Memory, zone: &TimeZone) -> String {
    let mut sheet = Sheet::default();
    sheet.field("number", tame(&memory.number, 40));
    let begin = match memory.begin {
        Some(Begin::Audio) => "in audio; T.38 is not used",
        Some(Begin::T38) | None => "as the trunk is set",
    };
    sheet.field("next call", begin);
    if let Some(rate) = memory.max_bit_rate {
        sheet.field("speed", format!("at most {rate} bit/s"));
    }
    if memory.ecm == Some(false) {
        sheet.field("ECM", "off");
    }
    if !memory.why.is_empty() {
        sheet.field("because", tame(&memory.why, 200));
    }
    sheet.field("last call", memory.outcome.in_words());
    if let Some(worked) = &memory.worked {
        let way = if worked.t38 { "T.38" } else { "audio" };
        let ecm = if worked.ecm { ", ECM" } else { "" };
        let (rate, at) = (worked.bit_rate, time(worked.at, zone));
        sheet.field("worked", format!("{way}, {rate} bit/s{ecm}, {at}"));
        if let Some(ident) = &worked.ident {
            sheet.field("far end", tame(ident, 22));
        }
    }
    sheet.field("learned", time(memory.learned_at, zone));
    sheet.field("forgotten", time(memory.expires_at, zone));
    sheet.into_text()
}
