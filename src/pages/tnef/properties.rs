//! The properties of a message or of an attachment (MS-OXTNEF 2.1.3.4).

use super::Octets;

/// Properties of one object at most.
const MAX_PROPERTIES: u32 = 10_000;
/// Identifiers from here on have a name.
const NAMED: u16 = 0x8000;
const MULTIPLE: u16 = 0x1000;

// Types (MS-OXCDATA 2.11.1).
const NULL: u16 = 0x0001;
const INTEGER_16: u16 = 0x0002;
const INTEGER_32: u16 = 0x0003;
const FLOATING_32: u16 = 0x0004;
const FLOATING_64: u16 = 0x0005;
const CURRENCY: u16 = 0x0006;
const FLOATING_TIME: u16 = 0x0007;
const ERROR: u16 = 0x000A;
const BOOLEAN: u16 = 0x000B;
const OBJECT: u16 = 0x000D;
const INTEGER_64: u16 = 0x0014;
const STRING_8: u16 = 0x001E;
const STRING: u16 = 0x001F;
const TIME: u16 = 0x0040;
const GUID: u16 = 0x0048;
const BINARY: u16 = 0x0102;

/// A value of a kind that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'o> {
    Number(u32),
    /// In the code page of the message.
    Narrow(&'o [u8]),
    /// UTF-16.
    Wide(&'o [u8]),
    Octets(&'o [u8]),
}

/// The properties that have an identifier of their own.
#[derive(Debug, Default)]
pub(super) struct Properties<'o>(Vec<(u16, Value<'o>)>);

impl<'o> Properties<'o> {
    /// `None` where they do not end as they begin.
    pub(super) fn read(octets: &'o [u8]) -> Option<Properties<'o>> {
        let mut rest = Octets(octets);
        let count = rest.u32()?;
        if count > MAX_PROPERTIES {
            return None;
        }
        let mut found = Vec::new();
        for _ in 0..count {
            let (kind, id) = (rest.u16()?, rest.u16()?);
            if id >= NAMED {
                rest.take(16)?;
                if rest.u32()? == 1 {
                    let length = rest.u32()? as usize;
                    padded(&mut rest, length)?;
                } else {
                    rest.u32()?;
                }
            }
            let value = value(&mut rest, kind)?;
            if let Some(value) = value.filter(|_| id < NAMED) {
                found.push((id, value));
            }
        }
        Some(Properties(found))
    }

    pub(super) fn get(&self, id: u16) -> Option<Value<'o>> {
        let found = self.0.iter().find(|(known, _)| *known == id);
        found.map(|(_, value)| *value)
    }

    pub(super) fn number(&self, id: u16) -> Option<u32> {
        match self.get(id) {
            Some(Value::Number(number)) => Some(number),
            _ => None,
        }
    }
}

/// The first value of a property; `Some(None)` of a kind that is not asked for.
fn value<'o>(rest: &mut Octets<'o>, kind: u16) -> Option<Option<Value<'o>>> {
    let single = kind & !MULTIPLE;
    let has_length = matches!(single, OBJECT | STRING_8 | STRING | BINARY);
    let count = match has_length || kind & MULTIPLE != 0 {
        true => rest.u32()?,
        false => 1,
    };
    let mut first = None;
    for n in 0..count {
        // Even the least takes octets: a count that is a lie ends.
        let value = match single {
            NULL => return Some(None),
            INTEGER_16 | INTEGER_32 | FLOATING_32 | ERROR | BOOLEAN => {
                Some(Value::Number(rest.u32()?))
            }
            FLOATING_64 | CURRENCY | FLOATING_TIME | INTEGER_64 | TIME => {
                rest.take(8)?;
                None
            }
            GUID => {
                rest.take(16)?;
                None
            }
            _ if has_length => {
                let length = rest.u32()? as usize;
                let octets = padded(rest, length)?;
                Some(match single {
                    STRING_8 => Value::Narrow(octets),
                    STRING => Value::Wide(octets),
                    _ => Value::Octets(octets),
                })
            }
            _ => return None,
        };
        if n == 0 {
            first = value;
        }
    }
    Some(first)
}

/// So many octets, and what fills them up to a multiple of four; at the very end that may be missing.
fn padded<'o>(rest: &mut Octets<'o>, length: usize) -> Option<&'o [u8]> {
    let octets = rest.take(length)?;
    let fill = length.next_multiple_of(4) - length;
    rest.take(fill.min(rest.0.len()))?;
    Some(octets)
}
