//! HTML to paragraphs: links with their address, tables with their columns, headings in bold.

use std::cell::RefCell;
use std::rc::Rc;

use html2text::config;
use html2text::render::{TaggedLine, TaggedLineElement, TextDecorator};

use mail_parser::decoders::html::html_to_text;

use super::plain::{self, is_columns};
use super::{Line, Span};
use crate::pages::DocumentRefusal;

/// Characters of a line; tables are set in this many columns.
const WIDTH: usize = 92;
/// Octets of the largest HTML: mailers write some kilobytes for a sentence, but not this.
const MAX_OCTETS: usize = 4 << 20;
/// Elements inside elements at most; beyond, recursion would end on the stack.
const MAX_DEPTH: usize = 400;
/// Characters of an address that are shown.
const MAX_URL: usize = 300;
/// Stands before headings until they are bold.
const HEADING: char = '\u{e000}';
/// Stands on both sides of a link's number.
const MARK: char = '\u{e001}';

/// The paragraphs of an HTML text.
///
/// # Errors
/// [`DocumentRefusal::TooMuchText`]; [`DocumentRefusal::Damaged`] for what is inside each other too deep.
pub(super) fn lines(html: &str) -> Result<Vec<Line>, DocumentRefusal> {
    let limit = super::MAX_CHARACTERS;
    if html.len() > MAX_OCTETS {
        return Err(DocumentRefusal::TooMuchText { limit });
    }
    // Our own marks are nobody else's.
    let html = &html.replace([HEADING, MARK], "");
    if depth(html) > MAX_DEPTH {
        return Err(DocumentRefusal::damaged(
            "HTML (too much of it is inside each other)",
        ));
    }
    // The crate counts columns below zero on a few broken lists and tables, and panics. The text is there all the same.
    let laid_out = std::panic::catch_unwind(|| laid_out(html)).unwrap_or(None);
    Ok(laid_out.unwrap_or_else(|| plain::lines(&html_to_text(html), false)))
}

fn laid_out(html: &str) -> Option<Vec<Line>> {
    let fax = Fax::default();
    let urls = Rc::clone(&fax.urls);
    let read = config::with_decorator(fax)
        .allow_width_overflow()
        .lines_from_read(html.as_bytes(), WIDTH)
        .ok()?;
    let mut links = Links::new(&urls.borrow(), &read);
    let lines = read.iter().map(|tagged| line(tagged, &mut links)).collect();
    Some(
        tidy(outlined(lines))
            .into_iter()
            .chain(links.list())
            .collect(),
    )
}

/// The most elements that are open at a time. Those that need no end are not counted, and neither is what closes by
/// itself: a guess that never is too low for what nests on purpose.
fn depth(html: &str) -> usize {
    const VOID: [&str; 14] = [
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "p", "li",
        "source", "wbr",
    ];
    let (mut depth, mut most) = (0usize, 0);
    for tag in html.split('<').skip(1) {
        if tag.starts_with('/') {
            depth = depth.saturating_sub(1);
            continue;
        }
        let name: String = tag
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        if !name.is_empty() && !VOID.contains(&name.as_str()) {
            depth += 1;
            most = most.max(depth);
        }
    }
    most
}

fn line(tagged: &TaggedLine<Vec<Look>>, links: &mut Links) -> Line {
    let mut spans: Vec<Span> = Vec::new();
    let (mut code, mut heading) = (false, false);
    for element in tagged.iter() {
        let TaggedLineElement::Str(piece) = element else {
            continue;
        };
        heading |= piece.s.contains(HEADING);
        code |= piece.tag.contains(&Look::Code);
        let bold = heading || piece.tag.contains(&Look::Bold);
        let text = links.numbered(&piece.s.replace(HEADING, ""));
        match spans.last_mut() {
            Some(last) if last.bold == bold => last.text += &text,
            _ => spans.push(Span { text, bold }),
        }
    }
    let mut line = Line {
        spans,
        columns: false,
        breaks: false,
    };
    line.columns = code || is_columns(&line.text());
    line
}

/// A line across a table, with or without the places where its columns meet it.
fn is_rule(line: &str) -> bool {
    !line.is_empty()
        && line
            .chars()
            .all(|c| "\u{2500}\u{252c}\u{2534}\u{253c}".contains(c))
}

/// With lines around its tables. What has one column is what mailers lay their text out with, and has none.
fn outlined(lines: Vec<Line>) -> Vec<Line> {
    let texts: Vec<String> = lines.iter().map(Line::text).collect();
    let mut lines = lines.into_iter().map(Some).collect::<Vec<_>>();
    let mut at = 0;
    while at < lines.len() {
        if !is_rule(&texts[at]) {
            at += 1;
            continue;
        }
        let last = end_of_table(&texts, at);
        let width = texts[at].chars().count();
        let has_columns = texts[at..=last]
            .iter()
            .any(|text| is_rule(text) && text.contains(['\u{252c}', '\u{2534}', '\u{253c}']));
        for n in at..=last {
            let ends = match (is_rule(&texts[n]), n) {
                (true, _) if !has_columns => {
                    lines[n] = None;
                    continue;
                }
                (false, _) if !has_columns => continue,
                (true, n) if n == at => ["\u{250c}", "\u{2510}"],
                (true, n) if n == last => ["\u{2514}", "\u{2518}"],
                (true, _) => ["\u{251c}", "\u{2524}"],
                (false, _) => ["\u{2502}", "\u{2502}"],
            };
            if let Some(line) = &mut lines[n] {
                outline(line, ends, width.saturating_sub(texts[n].chars().count()));
            }
        }
        at = last + 1;
    }
    lines.into_iter().flatten().collect()
}

/// The last rule of the table that begins with the rule at `first`.
fn end_of_table(texts: &[String], first: usize) -> usize {
    let width = texts[first].chars().count();
    let mut last = first;
    for (n, text) in texts.iter().enumerate().skip(first + 1) {
        if is_rule(text) && text.chars().count() == width {
            last = n;
        } else if text.trim().is_empty() || text.chars().count() > width {
            break;
        }
    }
    last
}

fn outline(line: &mut Line, [left, right]: [&str; 2], fill: usize) {
    let plain = |text: String| Span { text, bold: false };
    line.spans.insert(0, plain(left.to_owned()));
    line.spans.push(plain(" ".repeat(fill) + right));
    line.columns = true;
}

/// The addresses behind links, listed below the text but for those that the text shows anyway.
struct Links {
    urls: Vec<String>,
    /// The number in the list of each; none: it is not in the list.
    numbers: Vec<Option<usize>>,
}

impl Links {
    fn new(urls: &[String], lines: &[TaggedLine<Vec<Look>>]) -> Links {
        let mut texts = vec![String::new(); urls.len()];
        for element in lines.iter().flat_map(TaggedLine::iter) {
            let TaggedLineElement::Str(piece) = element else {
                continue;
            };
            let link = piece.tag.iter().find_map(|look| match look {
                Look::Link(n) => Some(*n),
                _ => None,
            });
            if let Some(text) = link.and_then(|n| texts.get_mut(n)) {
                text.push_str(piece.s.split(MARK).next().unwrap_or_default());
            }
        }
        let mut last = 0;
        let numbers = urls.iter().zip(&texts).map(|(url, text)| {
            let leads_elsewhere = !url.starts_with('#') && bare(url) != bare(text);
            leads_elsewhere.then(|| {
                last += 1;
                last
            })
        });
        Links {
            numbers: numbers.collect(),
            urls: urls.to_vec(),
        }
    }

    /// The text with `[1]` in the place of each mark.
    fn numbered(&self, text: &str) -> String {
        let mut pieces = text.split(MARK);
        let mut out = pieces.next().unwrap_or_default().to_owned();
        // Between two marks is the link's place in the list of all.
        while let (Some(place), Some(behind)) = (pieces.next(), pieces.next()) {
            let number = place
                .parse()
                .ok()
                .and_then(|n: usize| self.numbers.get(n).copied());
            if let Some(Some(number)) = number {
                out += &format!("\u{a0}[{number}]");
            }
            out += behind;
        }
        out
    }

    fn list(&self) -> Vec<Line> {
        let numbered = self.urls.iter().zip(&self.numbers);
        let listed = numbered.filter_map(|(url, number)| Some((url, (*number)?)));
        let mut lines: Vec<Line> = listed
            .map(|(url, number)| {
                let url: String = url.chars().take(MAX_URL).collect();
                Line::plain(&format!("[{number}] {url}"))
            })
            .collect();
        if !lines.is_empty() {
            lines.insert(0, Line::plain(""));
        }
        lines
    }
}

/// What of an address people write.
fn bare(url: &str) -> String {
    let mut url = url.trim().to_lowercase();
    for prefix in ["mailto:", "tel:", "https://", "http://", "www."] {
        url = url.strip_prefix(prefix).unwrap_or(&url).to_owned();
    }
    url.retain(|c| !c.is_whitespace());
    url.trim_end_matches('/').to_owned()
}

/// Without more than one blank line in a row, and none at the ends.
fn tidy(mut lines: Vec<Line>) -> Vec<Line> {
    let is_blank = |line: &Line| line.text().trim().is_empty();
    lines.dedup_by(|line, before| is_blank(line) && is_blank(before));
    let end = lines.iter().rposition(|line| !is_blank(line));
    lines.truncate(end.map_or(0, |end| end + 1));
    let start = lines.iter().position(|line| !is_blank(line)).unwrap_or(0);
    lines.split_off(start)
}

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Look {
    #[default]
    Plain,
    Bold,
    Code,
    /// It belongs to this link, counted from 0.
    Link(usize),
}

/// What stands around the elements of HTML on a fax.
#[derive(Debug, Clone, Default)]
struct Fax {
    /// Of every link so far; the blocks of a text share it.
    urls: Rc<RefCell<Vec<String>>>,
    /// The link that is open.
    open: usize,
}

impl TextDecorator for Fax {
    type Annotation = Look;

    fn decorate_link_start(&mut self, url: &str) -> (String, Look) {
        let mut urls = self.urls.borrow_mut();
        self.open = urls.len();
        urls.push(url.trim().to_owned());
        (String::new(), Look::Link(self.open))
    }

    fn decorate_link_end(&mut self) -> String {
        format!("{MARK}{}{MARK}", self.open)
    }

    fn decorate_em_start(&self) -> (String, Look) {
        (String::new(), Look::Plain)
    }

    fn decorate_em_end(&self) -> String {
        String::new()
    }

    fn decorate_strong_start(&self) -> (String, Look) {
        (String::new(), Look::Bold)
    }

    fn decorate_strong_end(&self) -> String {
        String::new()
    }

    fn decorate_strikeout_start(&self) -> (String, Look) {
        ("[struck out: ".to_owned(), Look::Plain)
    }

    fn decorate_strikeout_end(&self) -> String {
        "]".to_owned()
    }

    fn decorate_code_start(&self) -> (String, Look) {
        (String::new(), Look::Plain)
    }

    fn decorate_code_end(&self) -> String {
        String::new()
    }

    fn decorate_preformat_first(&self) -> Look {
        Look::Code
    }

    fn decorate_preformat_cont(&self) -> Look {
        Look::Code
    }

    fn decorate_image(&mut self, _src: &str, title: &str) -> (String, Look) {
        let shown = match title.trim() {
            "" => String::new(),
            title => format!("[{title}]"),
        };
        (shown, Look::Plain)
    }

    fn header_prefix(&self, _level: usize) -> String {
        HEADING.to_string()
    }

    fn quote_prefix(&self) -> String {
        "> ".to_owned()
    }

    // The crate counts it in octets.
    fn unordered_item_prefix(&self) -> String {
        "* ".to_owned()
    }

    fn ordered_item_prefix(&self, number: i64) -> String {
        format!("{number}. ")
    }

    fn make_subblock_decorator(&self) -> Fax {
        self.clone()
    }
}
