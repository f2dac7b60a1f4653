//! Pages that a program wrote: text, rules, fills.

use super::sheet::{BLACK, Colour, Sheet, WHITE, grey};
use super::words::Words;

const LEFT: f64 = 62.0;

type Drawn = anyhow::Result<Sheet>;

pub fn letter_sans() -> Drawn {
    letter("Helvetica", 11.0, 84, 1)
}

pub fn letter_serif() -> Drawn {
    letter("Serif", 10.0, 80, 2)
}

fn letter(font: &str, points: f64, characters: usize, seed: u64) -> Drawn {
    let (mut sheet, mut words) = (Sheet::new(), Words::new(seed));
    sheet.text(
        "HelveticaBold",
        16.0,
        (0.1, 0.2, 0.5),
        (LEFT, 70.0),
        "Harbour Freight Agency",
    );
    sheet.line((0.1, 0.2, 0.5), 1.0, (LEFT, 80.0), (533.0, 80.0));
    sheet.text(
        "Helvetica",
        7.5,
        grey(0.4),
        (LEFT, 92.0),
        "12 Quay Road  telephone 555 0100  fax 555 0101  office hours Monday through Friday",
    );
    let mut y = sheet.lines(font, points, (LEFT, 140.0), &words.lines(4, 30)) + 30.0;
    for paragraph in [5, 7, 4, 6] {
        y = sheet.lines(font, points, (LEFT, y), &words.lines(paragraph, characters)) + 10.0;
    }
    sheet.text(font, points, BLACK, (LEFT, y + 10.0), "Yours sincerely");
    sheet.line(grey(0.3), 0.5, (LEFT, 790.0), (533.0, 790.0));
    sheet.text("Helvetica", 7.0, grey(0.35), (LEFT, 802.0), "Registered office and bank details: account number 4471 0092, payment within thirty days after receipt");
    Ok(sheet)
}

pub fn form() -> Drawn {
    let (mut sheet, mut words) = (Sheet::new(), Words::new(3));
    sheet.fill(grey(0.75), (LEFT, 50.0), (471.0, 22.0));
    sheet.text(
        "HelveticaBold",
        13.0,
        BLACK,
        (LEFT + 6.0, 66.0),
        "Application for a building permit",
    );
    for row in 0..26 {
        let y = 84.0 + f64::from(row) * 26.0;
        if row % 2 == 0 {
            sheet.fill(grey(0.88), (LEFT, y), (471.0, 26.0));
        }
        sheet.frame(0.25, (LEFT, y), (471.0, 26.0));
        sheet.line(BLACK, 0.25, (LEFT + 160.0, y), (LEFT + 160.0, y + 26.0));
        sheet.line(grey(0.5), 0.25, (LEFT + 330.0, y), (LEFT + 330.0, y + 26.0));
        sheet.text(
            "Helvetica",
            6.5,
            BLACK,
            (LEFT + 3.0, y + 8.0),
            &words.line(38),
        );
        sheet.text(
            "Helvetica",
            6.5,
            grey(0.3),
            (LEFT + 163.0, y + 8.0),
            &words.line(40),
        );
        if row % 3 != 0 {
            sheet.text(
                "Times",
                11.0,
                (0.0, 0.0, 0.5),
                (LEFT + 14.0, y + 21.0),
                &words.line(24),
            );
            sheet.text(
                "Times",
                11.0,
                BLACK,
                (LEFT + 174.0, y + 21.0),
                &words.line(24),
            );
        }
        sheet.frame(0.4, (LEFT + 340.0, y + 8.0), (9.0, 9.0));
        sheet.text(
            "Helvetica",
            7.0,
            BLACK,
            (LEFT + 354.0, y + 15.5),
            &words.line(24),
        );
    }
    Ok(sheet)
}

pub fn dense() -> Drawn {
    let (mut sheet, mut words) = (Sheet::new(), Words::new(4));
    sheet.lines("Times", 7.5, (50.0, 60.0), &words.lines(72, 74));
    sheet.lines("Helvetica", 6.5, (310.0, 60.0), &words.lines(80, 76));
    Ok(sheet)
}

pub fn table() -> Drawn {
    let mut sheet = Sheet::new();
    rows(&mut sheet, 5, 46, (LEFT, 90.0), 471.0);
    Ok(sheet)
}

pub fn landscape() -> Drawn {
    let mut sheet = Sheet::of((841.89, 595.28));
    rows(&mut sheet, 8, 28, (60.0, 70.0), 720.0);
    Ok(sheet)
}

/// A table with its first column of words, the others of figures.
fn rows(sheet: &mut Sheet, columns: u32, rows: u32, (left, top): (f64, f64), width: f64) {
    let mut words = Words::new(u64::from(columns));
    let (first, height) = (150.0, 15.0);
    let column = (width - first) / f64::from(columns - 1);
    sheet.fill((0.2, 0.3, 0.5), (left, top), (width, height));
    for row in 0..rows {
        let y = top + f64::from(row) * height;
        if row % 2 == 0 && row > 0 {
            sheet.fill((0.9, 0.94, 1.0), (left, y), (width, height));
        }
        sheet.line(
            grey(0.6),
            0.2,
            (left, y + height),
            (left + width, y + height),
        );
        let colour = if row == 0 { WHITE } else { BLACK };
        sheet.text("Sans", 8.0, colour, (left + 3.0, y + 10.5), &words.line(26));
        for n in 0..columns - 1 {
            let x = left + first + f64::from(n) * column;
            let entry = if row == 0 {
                words.word().to_owned()
            } else {
                words.figure()
            };
            sheet.text("Sans", 8.0, colour, (x + 6.0, y + 10.5), &entry);
        }
    }
    for n in 0..columns {
        let x = left + first + f64::from(n) * column;
        sheet.line(BLACK, 0.1, (x, top), (x, top + f64::from(rows) * height));
    }
}

pub fn coloured() -> Drawn {
    const PAIRS: [(Colour, Colour); 14] = [
        ((0.0, 0.0, 0.5), (1.0, 1.0, 0.7)),
        ((0.8, 0.0, 0.0), (1.0, 0.85, 0.85)),
        ((0.0, 0.45, 0.1), (0.8, 0.95, 0.8)),
        ((1.0, 1.0, 1.0), (0.1, 0.3, 0.7)),
        ((1.0, 1.0, 0.2), (0.1, 0.1, 0.1)),
        ((1.0, 1.0, 1.0), (0.85, 0.1, 0.1)),
        ((1.0, 1.0, 1.0), (0.95, 0.5, 0.1)),
        ((1.0, 1.0, 1.0), (0.3, 0.7, 0.3)),
        ((0.0, 0.0, 0.0), (0.4, 0.7, 0.9)),
        ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)),
        ((0.9, 0.4, 0.0), (1.0, 1.0, 1.0)),
        ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0)),
        ((0.3, 0.6, 0.9), (1.0, 1.0, 1.0)),
        ((1.0, 1.0, 1.0), (0.6, 0.6, 0.6)),
    ];
    let (mut sheet, mut words) = (Sheet::new(), Words::new(6));
    for (n, (ink, ground)) in (0..).zip(PAIRS) {
        let y = 60.0 + f64::from(n) * 51.0;
        sheet.fill(ground, (LEFT, y), (471.0, 46.0));
        for (row, font) in [(0, "Helvetica"), (1, "HelveticaBold"), (2, "Times")] {
            let at = (LEFT + 8.0, y + 14.0 + f64::from(row) * 13.0);
            sheet.text(font, 10.0, ink, at, &words.line(80));
        }
    }
    Ok(sheet)
}

pub fn reversed() -> Drawn {
    let (mut sheet, mut words) = (Sheet::new(), Words::new(7));
    for n in 0..7 {
        let y = 60.0 + f64::from(n) * 104.0;
        sheet.fill(grey(0.06 * f64::from(n)), (LEFT, y), (471.0, 20.0));
        sheet.text(
            "HelveticaBold",
            12.0,
            WHITE,
            (LEFT + 6.0, y + 14.5),
            &words.line(60),
        );
        sheet.fill(BLACK, (LEFT, y + 26.0), (150.0, 66.0));
        for row in 0..6 {
            let at = (LEFT + 5.0, y + 36.0 + f64::from(row) * 10.5);
            sheet.text("Helvetica", 7.5, WHITE, at, &words.line(34));
        }
        sheet.lines(
            "Helvetica",
            9.0,
            (LEFT + 162.0, y + 36.0),
            &words.lines(5, 64),
        );
    }
    Ok(sheet)
}

pub fn stamped() -> Drawn {
    const INK: Colour = (0.45, 0.6, 0.95);
    let (mut sheet, mut words) = (Sheet::new(), Words::new(8));
    sheet.lines("Helvetica", 11.0, (LEFT, 100.0), &words.lines(26, 84));
    let round = |centre: (f64, f64), radius: f64| {
        let turn = std::f64::consts::TAU / 60.0;
        move |n: u32| {
            let (sin, cos) = (f64::from(n) * turn).sin_cos();
            (centre.0 + radius * cos, centre.1 + radius * sin)
        }
    };
    for radius in [62.0, 58.0, 40.0] {
        let places: Vec<_> = (0..=60).map(round((430.0, 640.0), radius)).collect();
        sheet.path(INK, 1.2, &places);
    }
    sheet.text("HelveticaBold", 14.0, INK, (392.0, 637.0), "RECEIVED");
    sheet.text("Helvetica", 8.0, INK, (396.0, 650.0), "21 November 2026");
    sheet.text("Helvetica", 8.0, INK, (404.0, 620.0), "Port Office");
    // A signature: loops that wander to the right.
    let pen: Vec<_> = (0..240)
        .map(f64::from)
        .map(|n| {
            let (x, sway) = (
                LEFT + n * 0.6,
                (n * 0.31).sin() * (9.0 + 7.0 * (n * 0.043).cos()),
            );
            (x + 6.0 * (n * 0.31).cos(), 660.0 - sway)
        })
        .collect();
    sheet.path((0.4, 0.55, 0.9), 0.9, &pen);
    sheet.line(BLACK, 0.5, (LEFT, 684.0), (LEFT + 170.0, 684.0));
    sheet.text(
        "Helvetica",
        8.0,
        BLACK,
        (LEFT, 695.0),
        "Date and signature of the manager",
    );
    Ok(sheet)
}

pub fn poster() -> Drawn {
    let (mut sheet, mut words) = (Sheet::of((1683.8, 2383.9)), Words::new(9));
    sheet.fill((0.15, 0.25, 0.45), (0.0, 0.0), (1683.8, 260.0));
    sheet.text(
        "HelveticaBold",
        110.0,
        WHITE,
        (100.0, 170.0),
        "Annual report meeting",
    );
    for n in 0..5 {
        let y = 340.0 + f64::from(n) * 400.0;
        sheet.text(
            "HelveticaBold",
            56.0,
            (0.15, 0.25, 0.45),
            (100.0, y + 50.0),
            &words.line(40),
        );
        sheet.lines("Helvetica", 34.0, (100.0, y + 110.0), &words.lines(6, 80));
    }
    Ok(sheet)
}

pub fn chinese() -> Drawn {
    let mut sheet = Sheet::new();
    for (n, line) in [
        "尊敬的客户：",
        "您的订单已经收到，货物将于星期四上午送达。",
        "请在收货时检查包装，如有损坏，请立即通知我们。",
        "付款期限为收到发票后三十天。",
        "如有任何问题，请致电我们的办公室。",
        "此致",
        "敬礼",
    ]
    .iter()
    .enumerate()
    {
        sheet.chinese(14.0, (LEFT, 120.0 + n as f64 * 28.0), line);
        sheet.chinese(9.0, (LEFT, 420.0 + n as f64 * 16.0), line);
    }
    Ok(sheet)
}
