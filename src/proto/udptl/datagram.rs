//! One datagram, as T.38 annex A.2 writes it down in aligned PER.

/// Most repeats or parity fields accepted in a datagram; real ones have up to eight.
const MAX_FIELDS: usize = 64;

/// One datagram taken apart; the slices point into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Number of the primary packet.
    pub seq: u16,
    /// The primary IFP packet.
    pub primary: &'a [u8],
    /// What helps to recover earlier packets.
    pub recovery: Recovery<'a>,
}

/// The error recovery part of a datagram (T.38 9.1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery<'a> {
    /// Repeats of the packets before the primary, newest first.
    Redundancy(Vec<&'a [u8]>),
    /// Parity fields, each the exclusive or of `span` packets.
    Parity {
        /// Packets behind each field.
        span: usize,
        /// The fields.
        fields: Vec<&'a [u8]>,
    },
}

/// A datagram that is not UDPTL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends inside a field.
    #[error("ends inside a field")]
    Short,
    /// A field longer than a datagram can be (fragmented PER length).
    #[error("has a field of 16 KB or more")]
    LongField,
    /// The primary packet has no octets.
    #[error("has an empty primary packet")]
    EmptyPrimary,
    /// More repeats or parity fields than anyone sends.
    #[error("has more recovery fields than allowed")]
    TooManyFields,
    /// A parity span of 0 or above 255.
    #[error("has a parity span out of range")]
    BadSpan,
}

impl<'a> Datagram<'a> {
    /// Takes a datagram apart. Octets behind its end are ignored: some gateways pad.
    ///
    /// # Errors
    /// What makes it unusable.
    pub fn decode(octets: &'a [u8]) -> Result<Datagram<'a>, Malformed> {
        let mut reader = Reader(octets);
        let seq = u16::from_be_bytes([reader.octet()?, reader.octet()?]);
        let primary = reader.field()?;
        if primary.is_empty() {
            return Err(Malformed::EmptyPrimary);
        }
        // error-recovery is a CHOICE of two: one bit, then aligned.
        let recovery = match reader.octet() {
            // Some far ends leave the recovery part away altogether when they have nothing to repeat.
            Err(Malformed::Short) => Recovery::Redundancy(Vec::new()),
            Err(other) => return Err(other),
            Ok(choice) if choice & 0x80 == 0 => Recovery::Redundancy(reader.fields()?),
            Ok(_) => Recovery::Parity {
                span: reader.span()?,
                fields: reader.fields()?,
            },
        };
        Ok(Datagram {
            seq,
            primary,
            recovery,
        })
    }
}

/// One datagram with repeats, newest first; a packet of 16 KB or more does not exist in T.38.
pub(super) fn with_repeats(seq: u16, primary: &[u8], repeats: &[&[u8]]) -> Vec<u8> {
    let mut out = head(seq, primary);
    out.push(0);
    put_length(&mut out, repeats.len());
    for repeat in repeats {
        put_field(&mut out, repeat);
    }
    out
}

/// One datagram with parity fields, each over `span` packets.
pub(super) fn with_parity(seq: u16, primary: &[u8], span: usize, fields: &[Vec<u8>]) -> Vec<u8> {
    let mut out = head(seq, primary);
    // The second of a CHOICE; then an INTEGER of one octet, which `Reader::span` reads.
    out.extend_from_slice(&[0x80, 1, span as u8]);
    put_length(&mut out, fields.len());
    for field in fields {
        put_field(&mut out, field);
    }
    out
}

fn head(seq: u16, primary: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(size_without_repair(primary.len()) + 64);
    out.extend_from_slice(&seq.to_be_bytes());
    put_field(&mut out, primary);
    out
}

/// Octets of a datagram with this primary packet and no repeats.
pub(super) fn size_without_repair(primary: usize) -> usize {
    2 + size_of_field(primary) + 2
}

/// Octets of a datagram with this primary packet and parity fields of these lengths.
pub(super) fn size_with_parity(primary: usize, fields: impl Iterator<Item = usize>) -> usize {
    size_without_repair(primary) + 2 + fields.map(size_of_field).sum::<usize>()
}

/// Octets that a packet of this size takes in a datagram.
pub(super) fn size_of_field(len: usize) -> usize {
    len + if len < 128 { 1 } else { 2 }
}

fn put_field(out: &mut Vec<u8>, field: &[u8]) {
    put_length(out, field.len());
    out.extend_from_slice(field);
}

/// X.691 11.9: one octet below 128, two with the top bits 10 below 16384.
fn put_length(out: &mut Vec<u8>, len: usize) {
    debug_assert!(len < 0x4000, "no IFP packet has 16 KB");
    if len < 0x80 {
        out.push(len as u8);
    } else {
        out.extend_from_slice(&(0x8000 | (len as u16 & 0x3fff)).to_be_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn octet(&mut self) -> Result<u8, Malformed> {
        let (&first, rest) = self.0.split_first().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(first)
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        match self.octet()? {
            short @ 0..0x80 => Ok(usize::from(short)),
            high @ 0x80..0xc0 => Ok(usize::from(high & 0x3f) << 8 | usize::from(self.octet()?)),
            _ => Err(Malformed::LongField),
        }
    }

    fn field(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.length()?;
        let (field, rest) = self.0.split_at_checked(len).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(field)
    }

    fn fields(&mut self) -> Result<Vec<&'a [u8]>, Malformed> {
        let count = self.length()?;
        if count > MAX_FIELDS {
            return Err(Malformed::TooManyFields);
        }
        (0..count).map(|_| self.field()).collect()
    }

    /// `fec-npackets`, an unconstrained INTEGER: length, then the value; one octet says all there is to say.
    fn span(&mut self) -> Result<usize, Malformed> {
        match (self.length()?, self.octet()?) {
            (1, span @ 1..) => Ok(usize::from(span)),
            _ => Err(Malformed::BadSpan),
        }
    }
}
