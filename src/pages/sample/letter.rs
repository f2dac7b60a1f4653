//! The letter of the demo: what an office faxes on a plain day.

use super::canvas::Canvas;

const LEFT: f64 = 70.0;
const RIGHT: f64 = 525.0;

/// Description, packages, kilograms.
const GOODS: [(&str, &str, &str); 9] = [
    ("Ceramic tiles, glazed, 30 x 60 cm", "24", "18,960.0"),
    ("Tile adhesive in bags of 25 kg", "6", "4,500.0"),
    ("Grout, grey, in buckets of 5 kg", "2", "1,240.0"),
    ("Hand tools for tiling, assorted", "3", "214.5"),
    ("Water pumps, electric, 1.1 kW", "8", "376.0"),
    ("Hoses, reinforced, rolls of 50 m", "5", "612.5"),
    ("Pipe fittings of brass, assorted", "4", "288.0"),
    ("Gaskets, sheets, 2 mm", "1", "41.2"),
    ("Spare parts as in the list enclosed", "1", "67.8"),
];

pub(super) fn first_page() -> Canvas {
    let mut page = Canvas::default();
    letterhead(&mut page);
    page.paragraph(
        LEFT,
        670.0,
        11.0,
        &[
            "To the Customs Office",
            "Import desk, Terminal 2",
            "By fax: 555 123 4567",
        ],
    );
    page.text(430.0, 670.0, 11.0, "3 November 2026");
    page.text(430.0, 654.6, 11.0, "Our ref. 26-11873");
    page.bold(
        LEFT,
        590.0,
        13.0,
        "Arrival of consignment 26-11873: request for clearance",
    );
    page.text(LEFT, 562.0, 11.0, "Dear colleagues,");
    let y = page.paragraph(
        LEFT,
        538.0,
        11.0,
        &[
            "the consignment below is due at your terminal on Thursday morning. We ask you to clear it on",
            "arrival; the packing list follows on page 2. Duty and handling are charged to our account.",
            "",
            "Please note that the goods in rows 1 to 3 of the list travel on one pallet each and must stay dry.",
            "If a package has to be opened, call the number above before you do so.",
        ],
    );
    charges(&mut page, y - 30.0);
    page.text(LEFT, 268.0, 11.0, "Yours faithfully,");
    signature(&mut page);
    page.text(LEFT, 196.0, 11.0, "Import department");
    boxes(&mut page);
    footer(&mut page, "1 of 2");
    page
}

pub(super) fn second_page() -> Canvas {
    let mut page = Canvas::default();
    page.bold(LEFT, 770.0, 13.0, "Packing list for consignment 26-11873");
    page.line_width(0.7);
    page.line((LEFT, 760.0), (RIGHT, 760.0));
    packing_list(&mut page, 722.0);
    page.bold(
        LEFT,
        478.0,
        11.0,
        "Weight by container position (tonnes, front to rear)",
    );
    bars(&mut page, 330.0);
    page.bold(LEFT, 280.0, 11.0, "Conditions");
    page.paragraph(
        LEFT,
        262.0,
        7.5,
        &[
            "1. The weights are those of the sender. 2. Packages are counted at the ramp; what is missing is noted on the waybill before the",
            "truck leaves. 3. Storage is free for three working days, then charged by the day as in the tariff at the gate. 4. Perishable and",
            "dangerous goods are never taken without notice in writing. 5. This sheet is printed in 7.5 points, as small print is: if you can",
            "read it on the page that came out of the machine, the line was good and the page was drawn well.",
        ],
    );
    footer(&mut page, "2 of 2");
    page
}

fn letterhead(page: &mut Canvas) {
    // A ship: hull, mast, sail.
    page.shape(&[
        (LEFT, 752.0),
        (LEFT + 56.0, 752.0),
        (LEFT + 46.0, 736.0),
        (LEFT + 10.0, 736.0),
    ]);
    page.line_width(1.6);
    page.line((LEFT + 26.0, 752.0), (LEFT + 26.0, 792.0));
    page.shape(&[
        (LEFT + 29.0, 757.0),
        (LEFT + 29.0, 790.0),
        (LEFT + 50.0, 757.0),
    ]);
    page.bold(LEFT + 72.0, 762.0, 22.0, "Quayside Freight Agency");
    page.text(
        LEFT + 72.0,
        744.0,
        9.0,
        "Import and export  -  Pier 4  -  Telephone 555 765 4321  -  Fax 555 765 4300",
    );
    page.line_width(1.2);
    page.line((LEFT, 724.0), (RIGHT, 724.0));
}

fn charges(page: &mut Canvas, top: f64) {
    let rows = [
        ("Charge", "Rate", "Amount"),
        ("Import duty", "6.5 %", "1,187.40"),
        ("Handling at the ramp", "per package", "432.00"),
        ("Inspection fee", "flat", "75.00"),
        ("Total", "", "1,694.40"),
    ];
    page.fill(LEFT, top - 6.0, RIGHT - LEFT, 20.0, 0.88);
    page.line_width(0.6);
    for (n, (charge, rate, amount)) in rows.into_iter().enumerate() {
        let y = top - 20.0 * n as f64;
        match n {
            0 => {
                page.bold(LEFT + 6.0, y, 10.0, charge);
                page.bold(300.0, y, 10.0, rate);
                page.bold(RIGHT - 44.0, y, 10.0, amount);
            }
            _ => {
                page.text(LEFT + 6.0, y, 10.0, charge);
                page.text(300.0, y, 10.0, rate);
                page.number(RIGHT - 6.0, y, 10.0, amount);
            }
        }
        page.line((LEFT, y - 6.0), (RIGHT, y - 6.0));
    }
    page.frame(LEFT, top - 86.0, RIGHT - LEFT, 100.0);
}

fn signature(page: &mut Canvas) {
    page.line_width(1.3);
    page.curve(
        (LEFT + 4.0, 226.0),
        &[
            [
                (LEFT + 20.0, 268.0),
                (LEFT + 34.0, 252.0),
                (LEFT + 26.0, 226.0),
            ],
            [
                (LEFT + 22.0, 210.0),
                (LEFT + 44.0, 262.0),
                (LEFT + 56.0, 238.0),
            ],
            [
                (LEFT + 62.0, 224.0),
                (LEFT + 70.0, 256.0),
                (LEFT + 84.0, 236.0),
            ],
            [
                (LEFT + 96.0, 220.0),
                (LEFT + 108.0, 250.0),
                (LEFT + 142.0, 232.0),
            ],
        ],
    );
}

/// Two boxes to tick, one ticked.
fn boxes(page: &mut Canvas) {
    page.line_width(1.0);
    for (n, label) in ["Documents enclosed", "Originals follow by post"]
        .into_iter()
        .enumerate()
    {
        let x = LEFT + 190.0 * n as f64;
        page.frame(x, 146.0, 11.0, 11.0);
        page.text(x + 18.0, 148.0, 10.0, label);
    }
    page.line((LEFT + 2.0, 152.0), (LEFT + 5.0, 148.0));
    page.line((LEFT + 5.0, 148.0), (LEFT + 12.0, 160.0));
}

fn packing_list(page: &mut Canvas, top: f64) {
    page.bold(LEFT + 4.0, top, 10.0, "No.");
    page.bold(LEFT + 34.0, top, 10.0, "Goods");
    page.bold(370.0, top, 10.0, "Packages");
    page.bold(RIGHT - 24.0, top, 10.0, "kg");
    for n in (0..GOODS.len()).step_by(2) {
        let y = top - 22.0 * (n + 1) as f64;
        page.fill(LEFT, y - 7.0, RIGHT - LEFT, 22.0, 0.93);
    }
    page.line_width(0.5);
    for (n, (goods, packages, weight)) in GOODS.into_iter().enumerate() {
        let y = top - 22.0 * (n + 1) as f64;
        page.number(LEFT + 18.0, y, 10.0, &(n + 1).to_string());
        page.text(LEFT + 34.0, y, 10.0, goods);
        page.number(410.0, y, 10.0, packages);
        page.number(RIGHT - 6.0, y, 10.0, weight);
        page.line((LEFT, y - 7.0), (RIGHT, y - 7.0));
    }
}

fn bars(page: &mut Canvas, base: f64) {
    let tonnes = [1.8, 3.2, 4.1, 4.4, 3.9, 3.1, 2.2, 1.2, 0.6];
    for (n, tonnes) in tonnes.into_iter().enumerate() {
        let x = LEFT + 14.0 + 49.0 * n as f64;
        let height = 28.0 * tonnes;
        // Every other bar is hatched.
        match n % 2 {
            0 => page.fill(x, base, 30.0, height, 0.0),
            _ => {
                page.line_width(0.8);
                page.frame(x, base, 30.0, height);
                let lines = (height / 6.0) as u32;
                for line in 1..=lines {
                    let y = base + f64::from(line) * 6.0;
                    page.line((x, y), (x + 30.0, y));
                }
            }
        }
        page.number(x + 20.0, base - 13.0, 9.0, &(n + 1).to_string());
    }
    page.line_width(1.0);
    page.line((LEFT, base), (RIGHT, base));
}

fn footer(page: &mut Canvas, number: &str) {
    page.line_width(0.5);
    page.line((LEFT, 62.0), (RIGHT, 62.0));
    page.text(
        LEFT,
        48.0,
        8.0,
        "Quayside Freight Agency  -  a sample document of Postfax, faxed by its demo",
    );
    page.text(RIGHT - 40.0, 48.0, 8.0, &format!("Page {number}"));
}
