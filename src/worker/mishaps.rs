//! What the next children are told to suffer, so that tests can see a real daemon survive it.
//!
//! Said in the environment, never in the configuration: `call:crash`, `call:hang`, `render:crash`, `render:hang`, and
//! behind it how many children it befalls (`render:crash:2`; without a number, one).

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::wire::Mishap;

/// The variable that tests set.
const VARIABLE: &str = "POSTFAX_MISHAP_FOR_TESTS";

/// The kinds of children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One call.
    Call,
    /// One document.
    Render,
}

/// Mishaps still to come. None in real life.
#[derive(Debug, Default)]
pub struct Mishaps {
    what: Option<(Kind, Mishap)>,
    left: AtomicU32,
}

impl Mishaps {
    /// What the environment asks for; `None` in real life.
    ///
    /// # Errors
    /// When it asks for something that there is not.
    pub fn from_environment() -> anyhow::Result<Option<Mishaps>> {
        let Some(said) = std::env::var_os(VARIABLE) else {
            return Ok(None);
        };
        let said = said.to_string_lossy();
        let mishaps = Mishaps::read(&said)
            .ok_or_else(|| anyhow::anyhow!("{VARIABLE}={said}: there is no such mishap"))?;
        tracing::warn!("{VARIABLE}={said}: processes will fail on purpose");
        Ok(Some(mishaps))
    }

    fn read(said: &str) -> Option<Mishaps> {
        let mut words = said.split(':');
        let kind = match words.next()? {
            "call" => Kind::Call,
            "render" => Kind::Render,
            _ => return None,
        };
        let mishap = match words.next()? {
            "crash" => Mishap::Crash,
            "hang" => Mishap::Hang,
            _ => return None,
        };
        let left = words.next().map_or(Ok(1), str::parse).ok()?;
        Some(Mishaps {
            what: Some((kind, mishap)),
            left: left.into(),
        })
    }

    /// What a child of this kind is told to suffer.
    pub(super) fn next(&self, kind: Kind) -> Option<Mishap> {
        let (_, mishap) = self.what.filter(|(befallen, _)| *befallen == kind)?;
        let one_less = |left: u32| left.checked_sub(1);
        let befalls = self.left.fetch_update(Relaxed, Relaxed, one_less).is_ok();
        befalls.then_some(mishap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mishap_befalls_as_many_as_were_named_and_no_other_kind() {
        let mishaps = Mishaps::read("render:crash:2").unwrap();
        assert_eq!(mishaps.next(Kind::Call), None);
        for expected in [Some(Mishap::Crash), Some(Mishap::Crash), None] {
            assert_eq!(mishaps.next(Kind::Render), expected);
        }
        assert_eq!(Mishaps::default().next(Kind::Call), None);
    }

    #[test]
    fn a_mishap_that_there_is_not_is_no_mishap_at_all() {
        for said in ["", "call", "call:sulk", "cal:hang", "call:hang:x"] {
            assert!(Mishaps::read(said).is_none(), "{said}");
        }
    }
}
