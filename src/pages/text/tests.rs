use super::*;
use crate::pages::bitmap::Bitmap;
use crate::pages::g4;

fn set(source: &TextSource, text: &str) -> TextPages {
    let set = TextPages::set(source, text.as_bytes(), Paper::Letter);
    set.unwrap().unwrap_or_else(|why| panic!("{why}"))
}

fn html() -> TextSource {
    TextSource {
        html: true,
        ..TextSource::default()
    }
}

fn text_of(html: &str) -> Vec<String> {
    html::lines(html).unwrap().iter().map(Line::text).collect()
}

fn drawn(pages: &mut TextPages, number: u32, resolution: Resolution) -> Bitmap {
    let page = pages.page(number, resolution);
    g4::decode(&page.g4, page.width, page.height).unwrap()
}

/// Black pels in the rows from `top` to `bottom`, in hundredths of the page.
fn ink(page: &Bitmap, top: u32, bottom: u32) -> u32 {
    let rows = page.height() * top / 100..page.height() * bottom / 100;
    rows.flat_map(|y| page.row(y))
        .map(|octet| octet.count_ones())
        .sum()
}

#[test]
fn a_letter_has_ink_at_its_top_and_none_below_at_every_resolution() {
    let mut letter = set(
        &TextSource::default(),
        "Dear Dr Smith,\n\nwe cancel our order.\n",
    );
    assert_eq!(letter.pages(), 1);
    for resolution in [
        Resolution::Standard,
        Resolution::Fine,
        Resolution::Superfine,
    ] {
        let page = drawn(&mut letter, 1, resolution);
        assert_eq!(ink(&page, 0, 5), 0, "the header line has its place");
        assert!(ink(&page, 5, 20) > 500);
        assert_eq!(ink(&page, 20, 100), 0);
    }
}

#[test]
fn a_long_text_goes_on_on_the_next_page_and_loses_no_line() {
    let lines: Vec<String> = (0..120).map(|n| format!("line {n}")).collect();
    let mut pages = set(&TextSource::default(), &lines.join("\n"));
    assert_eq!(pages.pages(), 3);
    let first = drawn(&mut pages, 1, Resolution::Fine);
    assert!(ink(&first, 90, 95) > 0);
    assert_eq!(set(&TextSource::default(), "one\u{c}two").pages(), 2);
}

#[test]
fn html_keeps_links_tables_lists_and_headings() {
    let text = text_of(
        "<h2>Offer</h2><p>See <a href='https://a.example/x'>the <b>web</b> site</a>, or \
         <a href='mailto:j@a.example'>j@a.example</a>.</p>\
         <table><tr><th>Item</th><th>Price</th></tr><tr><td>Toner</td><td>89.00</td></tr></table>\
         <ul><li>one</li></ul><style>p{}</style><script>alert(1)</script>",
    );
    let whole = text.join("\n");
    assert!(
        whole.contains("See the web site\u{a0}[1], or j@a.example."),
        "{whole}"
    );
    assert!(
        whole.contains("[1] https://a.example/x") && !whole.contains("[2]"),
        "{whole}"
    );
    let row = text.iter().find(|line| line.contains("Toner")).unwrap();
    assert!(row.contains("89.00") && row.contains('\u{2502}'), "{row}");
    assert!(whole.contains("* one"), "{whole}");
    assert!(
        !whole.contains("alert") && !whole.contains("p{}"),
        "{whole}"
    );
    let heading = html::lines("<h1>Offer</h1>").unwrap();
    assert!(heading[0].spans.iter().all(|span| span.bold), "{heading:?}");
    assert_eq!(set(&html(), "<p>x y z</p>").pages(), 1);
}

#[test]
fn tables_have_lines_around_them_and_what_is_laid_out_with_one_has_none() {
    let table = "<table border=1><tr><th colspan=2>Order 4711</th></tr><tr><td>Insulin pen</td><td>20</td></tr></table>";
    for (html, bordered) in [
        (format!("<p>before</p>{table}<p>behind</p>"), true),
        (
            "<table><tr><td><p>before</p><p>behind</p></td></tr></table>".to_owned(),
            false,
        ),
        (
            format!("<table><tr><td><p>before</p>{table}<p>behind</p></td></tr></table>"),
            true,
        ),
    ] {
        let text = text_of(&html);
        let whole = text.join("\n");
        let corners = ['\u{250c}', '\u{2510}', '\u{2514}', '\u{2518}'];
        assert_eq!(
            corners.iter().all(|corner| whole.contains(*corner)),
            bordered,
            "{whole}"
        );
        let rows: Vec<&String> = text
            .iter()
            .filter(|line| line.starts_with('\u{2502}'))
            .collect();
        assert_eq!(rows.len(), if bordered { 2 } else { 0 }, "{whole}");
        let width = |line: &&String| line.chars().count();
        assert!(
            rows.iter()
                .all(|row| row.ends_with('\u{2502}') && width(row) == width(&rows[0])),
            "{whole}"
        );
        let has = |word: &str| text.iter().any(|line| line.trim() == word);
        assert!(has("before") && has("behind"), "{whole}");
    }
}

#[test]
fn html_that_cannot_be_laid_out_still_shows_its_text() {
    let broken = format!("<table><tr><td>before</td><td><ul><{}", "\0".repeat(50));
    assert!(text_of(&broken).join(" ").contains("before"));
}

#[test]
fn bombs_of_text_meet_their_limits() {
    let book = "word ".repeat(MAX_CHARACTERS / 4);
    let refused = TextPages::set(&TextSource::default(), book.as_bytes(), Paper::A4).err();
    assert_eq!(
        refused,
        Some(DocumentRefusal::TooMuchText {
            limit: MAX_CHARACTERS
        })
    );
    let nested = "<div>".repeat(100_000);
    let refused = TextPages::set(&html(), nested.as_bytes(), Paper::A4).err();
    assert!(
        matches!(refused, Some(DocumentRefusal::Damaged { .. })),
        "{refused:?}"
    );
    let tables = "<table><tr><td>".repeat(120) + "x";
    let set = TextPages::set(&html(), tables.as_bytes(), Paper::A4);
    assert!(set.is_ok());
}

#[test]
fn a_text_without_a_font_is_refused_and_an_emoji_is_no_box() {
    // Letters that no font has: a block of private use.
    let strange: String = ('\u{f0000}'..'\u{f0040}').collect();
    let refused = TextPages::set(&TextSource::default(), strange.as_bytes(), Paper::A4).err();
    assert!(
        matches!(&refused, Some(DocumentRefusal::NoFont { scripts }) if scripts.starts_with("other letters (")),
        "{refused:?}"
    );
    // One letter in many is a box, and a remark.
    let text = format!("{}\u{f0000}", "a letter of many words ".repeat(20));
    let pages = set(&TextSource::default(), &text);
    assert_eq!(
        pages.remark(1).map(|remark| remark.to_string()),
        Some(
            "page 1 has letters that no font of the gateway has, and shows boxes in their place: other letters (\u{f0000})"
                .to_owned()
        )
    );
    let mut pages = set(&TextSource::default(), "fine, thank you \u{1fae8}");
    let page = drawn(&mut pages, 1, Resolution::Fine);
    let mut without = set(&TextSource::default(), "fine, thank you");
    assert_eq!(page, drawn(&mut without, 1, Resolution::Fine));
}

#[test]
fn the_heading_stands_above_its_rule() {
    let source = TextSource {
        heading: vec![("Subject".into(), "Letter of intent".into())],
        ..TextSource::default()
    };
    let mut pages = set(&source, "text");
    let page = drawn(&mut pages, 1, Resolution::Standard);
    let is_rule = |y: u32| (300..1400).all(|x| page.get(x, y));
    assert!((0..page.height()).any(is_rule));
}
