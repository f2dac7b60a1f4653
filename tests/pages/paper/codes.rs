//! QR and bar codes, of the sizes that parcels and forms have.

use std::process::Command;

use anyhow::Context as _;

use super::sheet::{BLACK, Sheet};

/// Bars and gaps of Code 128, set B (ISO/IEC 15417), by value.
const CODE_128: &str = "212222222122222221121223121322131222122213122312132212221213221312231212112232122132122231\
    113222123122123221223211221132221231213212223112312131311222321122321221312212322112322211212123212321232121111323\
    131123131321112313132113132311211313231113231311112133112331132131113123113321133121313121211331231131213113213311\
    213131311123311321331121312113312311332111314111221411431111111224111422121124121421141122141221112214112412122114\
    122411142112142211241211221114413111241112134111111242121142121241114212124112124211411212421112421211212141214121\
    412121111143111341131141114113114311411113411311113141114131311141411131211412211214211232";
const STOP: &str = "2331112";

/// Three of each, from large to small.
pub fn codes() -> anyhow::Result<Sheet> {
    let mut sheet = Sheet::new();
    for (n, module) in (0..).zip([2.4, 1.6, 1.2]) {
        let y = 80.0 + f64::from(n) * 210.0;
        let text = format!("https://office.example/permit/{}", 4711 + n);
        square(&mut sheet, (70.0, y), module, &text)?;
        bars(
            &mut sheet,
            (260.0, y + 10.0),
            module * 0.6,
            &format!("PARCEL-{}", 8800 + n),
        );
        sheet.text("Helvetica", 9.0, BLACK, (260.0, y + 100.0), &text);
    }
    Ok(sheet)
}

fn square(sheet: &mut Sheet, (x, y): (f64, f64), module: f64, text: &str) -> anyhow::Result<()> {
    let out = Command::new("qrencode")
        .args(["-t", "ASCII", "-m", "0", "-o", "-", text])
        .output()
        .context("qrencode")?;
    for (row, line) in String::from_utf8(out.stdout)?.lines().enumerate() {
        // Two characters a module.
        for (column, cell) in line.as_bytes().chunks(2).enumerate() {
            if cell == b"##" {
                let at = (x + column as f64 * module, y + row as f64 * module);
                sheet.fill(BLACK, at, (module, module));
            }
        }
    }
    Ok(())
}

fn bars(sheet: &mut Sheet, (x, y): (f64, f64), module: f64, text: &str) {
    const START_B: usize = 104;
    let values: Vec<usize> = text.bytes().map(|octet| usize::from(octet) - 32).collect();
    let weighed: usize = (1..).zip(&values).map(|(place, value)| place * value).sum();
    let check = (START_B + weighed) % 103;
    let symbols = [START_B].into_iter().chain(values).chain([check]);
    let widths: String = symbols.map(|value| &CODE_128[value * 6..][..6]).collect();
    let mut x = x;
    for (n, digit) in (widths + STOP).bytes().enumerate() {
        let width = f64::from(digit - b'0') * module;
        if n % 2 == 0 {
            sheet.fill(BLACK, (x, y), (width, 60.0));
        }
        x += width;
    }
}
