//! Dots per inch, where a picture's file tells.

const PER_METRE: f64 = 0.0254;
const PER_CENTIMETRE: f64 = 2.54;

/// The chunk pHYs (ISO 15948 11.3.5.3).
pub(super) fn of_png(octets: &[u8]) -> Option<(f64, f64)> {
    let mut rest = octets.strip_prefix(b"\x89PNG\r\n\x1A\n")?;
    loop {
        let len = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let (name, data) = (rest.get(4..8)?, rest.get(8..)?);
        match name {
            b"pHYs" => {
                let x = u32::from_be_bytes(*data.first_chunk()?);
                let y = u32::from_be_bytes(*data.get(4..)?.first_chunk()?);
                let in_metres = data.get(8) == Some(&1);
                return sane(x, y, PER_METRE).filter(|_| in_metres);
            }
            b"IDAT" | b"IEND" => return None,
            // The checksum follows the data.
            _ => rest = data.get(len.checked_add(4)?..)?,
        }
    }
}

/// The segment JFIF (ITU-T T.871 10.1), which is the first.
pub(super) fn of_jpeg(octets: &[u8]) -> Option<(f64, f64)> {
    if octets.get(2..4)? != b"\xFF\xE0" || octets.get(6..11)? != b"JFIF\0" {
        return None;
    }
    let number = |at: usize| {
        Some(u32::from(u16::from_be_bytes([
            *octets.get(at)?,
            *octets.get(at + 1)?,
        ])))
    };
    let (x, y) = (number(14)?, number(16)?);
    match octets.get(13)? {
        1 => sane(x, y, 1.0),
        2 => sane(x, y, PER_CENTIMETRE),
        _ => None,
    }
}

/// biXPelsPerMeter and biYPelsPerMeter, which a header of 40 octets and more has.
pub(super) fn of_bmp(octets: &[u8]) -> Option<(f64, f64)> {
    let number = |at: usize| Some(u32::from_le_bytes(*octets.get(at..)?.first_chunk()?));
    let has_density = number(14)? >= 40;
    sane(number(38)?, number(42)?, PER_METRE).filter(|_| has_density)
}

fn sane(x: u32, y: u32, factor: f64) -> Option<(f64, f64)> {
    let dpi = (f64::from(x) * factor, f64::from(y) * factor);
    let fits = |dots: f64| (20.0..5000.0).contains(&dots);
    (fits(dpi.0) && fits(dpi.1)).then_some(dpi)
}
