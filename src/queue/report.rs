//! How a call ended, and what it taught of the far end: columns that `attempts` and `received` share.

use rusqlite::{Connection, ToSql, params_from_iter};

use super::Millis;
use crate::call::outcome::{CallReport, FarEnd, FarSaid};

/// Where a call is written down.
pub(super) enum Row<'a> {
    /// A call that we placed.
    Attempt(i64),
    /// One that came in.
    Received(&'a str),
}

/// Writes down how a call ended.
pub(super) fn ended(
    db: &Connection,
    row: &Row<'_>,
    report: &CallReport,
    now: Millis,
) -> rusqlite::Result<()> {
    const COMMON: &str =
        "ended_at = ?2, outcome = ?3, detail = ?4, far_ident = ?5, far_said = ?6, bit_rate = ?7,
        ecm = ?8, t38 = ?9, compression = ?10, seconds = ?11, wire_bytes = ?12";
    let far = &report.far_end;
    let (outcome, said) = (report.outcome.name(), said_to_json(far));
    let (update, id, own): (_, &dyn ToSql, Vec<&dyn ToSql>) = match row {
        Row::Attempt(id) => (
            "UPDATE attempts SET sip_code = ?13, q850 = ?14, trunk = ?15, target = ?16",
            id,
            vec![
                &report.sip_code,
                &report.q850,
                &report.trunk,
                &report.target,
            ],
        ),
        Row::Received(id) => (
            "UPDATE received SET sub_address = ?13, owner = NULL",
            id,
            vec![&far.sub_address],
        ),
    };
    let common: [&dyn ToSql; 12] = [
        id,
        &now.0,
        &outcome,
        &report.detail,
        &far.ident,
        &said,
        &far.bit_rate,
        &far.ecm,
        &far.t38,
        &far.compression,
        &report.seconds,
        &report.wire_bytes,
    ];
    db.prepare_cached(&format!("{update}, {COMMON} WHERE id = ?1"))?
        .execute(params_from_iter(common.into_iter().chain(own)))?;
    Ok(())
}

/// What the far end said of itself, as its column holds it.
fn said_to_json(far: &FarEnd) -> Option<String> {
    let said = far.said.as_ref()?;
    Some(serde_json::to_string(said).expect("plain data serialises"))
}

/// What stands in such a column; what a later version wrote there counts as nothing.
pub(super) fn said_from_json(text: Option<String>) -> Option<Box<FarSaid>> {
    serde_json::from_str(&text?).ok()
}
