//! The tables, and the last line.

use std::collections::BTreeSet;

use postfax::pages::Resolution;

use crate::figures::Figures;
use crate::long_run::LongRun;
use crate::made::{Made, Run, Settings};
use crate::reading::Read;
use crate::tools::{self, Tool};

/// Points by which a text page may be worse than Ghostscript's.
const WORSE: f64 = 0.2;

/// What many runs of one converter come to. Each document counts once, as each is a fax: a book does not outweigh the
/// letters.
#[derive(Default)]
struct Sum {
    documents: usize,
    pages: usize,
    /// Of the documents, KB of a page.
    kb: f64,
    /// Of the documents, milliseconds of a page.
    cpu_ms: f64,
    rss_mb: f64,
    failures: usize,
    read: Read,
}

impl Sum {
    fn of<'a>(runs: impl Iterator<Item = &'a Run>) -> Sum {
        let mut sum = Sum::default();
        for run in runs {
            sum.rss_mb = sum.rss_mb.max(run.cost.rss_mb);
            sum.failures += usize::from(run.cost.failure.is_some());
            run.read.iter().for_each(|(_, read)| sum.read.add(read));
            if !run.octets.is_empty() {
                let pages = run.octets.len() as f64;
                sum.documents += 1;
                sum.pages += run.octets.len();
                sum.kb += run.octets.iter().sum::<usize>() as f64 / 1024.0 / pages;
                sum.cpu_ms += run.cost.cpu_ms / pages;
            }
        }
        sum
    }

    fn kb(&self) -> f64 {
        self.kb / self.documents.max(1) as f64
    }

    fn cpu_ms(&self) -> f64 {
        self.cpu_ms / self.documents.max(1) as f64
    }
}

/// Prints everything.
pub fn print(settings: &Settings, made: &[Made], long_run: &LongRun) {
    for &resolution in &settings.resolutions {
        print_table(settings, made, resolution);
    }
    print_failures(made);
    let worse = print_text_pages(made);
    print_codes(made);
    println!("\n20 pages in one run, fine: ms of CPU a page");
    for &tool in &settings.tools {
        println!("  {:12} {:7.1}", tool.name(), long_run.cpu_ms(tool));
    }
    if let Some(ms) = long_run.pdf_ms {
        println!("\n200 received pages to a PDF: {ms:.1} ms");
    }
    if let Some(ratio) = long_run.g4_ratio {
        println!("\nour T.6 encoder takes {ratio:.2} of libtiff's CPU");
    }
    println!("\nRESULT {}", result(settings, made, long_run, worse));
}

fn print_table(settings: &Settings, made: &[Made], resolution: Resolution) {
    println!(
        "\n{}: KB of T.6 and ms of CPU a page, peak MB, missed words and wrong characters in a hundred; each document counts once",
        tools::name(resolution)
    );
    println!(
        "{:12} {:12} {:>6} {:>7} {:>8} {:>6} {:>7} {:>7} {:>5}",
        "", "", "pages", "KB", "ms", "MB", "words", "chars", "fail"
    );
    let kinds: BTreeSet<&str> = made.iter().map(Made::kind).collect();
    for kind in kinds.into_iter().map(Some).chain([None]) {
        for &tool in &settings.tools {
            let of_kind = made
                .iter()
                .filter(|made| kind.is_none_or(|kind| made.kind() == kind));
            let sum = Sum::of(of_kind.filter_map(|made| made.run(tool, resolution)));
            let words = match sum.read.words {
                0 => format!("{:>7} {:>7}", "-", "-"),
                _ => format!(
                    "{:>7.2} {:>7.2}",
                    sum.read.missed_percent(),
                    sum.read.wrong_percent()
                ),
            };
            println!(
                "{:12} {:12} {:6} {:7.1} {:8.1} {:6.0} {words} {:5}",
                if tool == Tool::Ours {
                    kind.unwrap_or("ALL")
                } else {
                    ""
                },
                tool.name(),
                sum.pages,
                sum.kb(),
                sum.cpu_ms(),
                sum.rss_mb,
                sum.failures,
            );
        }
    }
}

fn print_failures(made: &[Made]) {
    println!("\nwhat failed, and pages without ink");
    for made in made {
        for run in &made.runs {
            let what = |what: &str| {
                let at = tools::name(run.resolution);
                println!("  {:12} {at:8} {}: {what}", run.tool.name(), made.name);
            };
            if let Some(why) = &run.cost.failure {
                what(why);
            }
            if !run.blank.is_empty() {
                what(&format!("blank: {:?}", run.blank));
            }
        }
    }
}

/// A page with a text layer, as two converters have it.
struct TextPage<'a> {
    name: &'a str,
    resolution: Resolution,
    number: usize,
    ours: Read,
    theirs: Read,
}

impl TextPage<'_> {
    /// By how many words in a hundred ours is worse.
    fn worse_by(&self) -> f64 {
        self.ours.missed_percent() - self.theirs.missed_percent()
    }
}

fn text_pages(made: &[Made]) -> Vec<TextPage<'_>> {
    let mut pages = Vec::new();
    for (made, ours) in made
        .iter()
        .flat_map(|made| made.runs.iter().map(move |run| (made, run)))
        .filter(|(_, run)| run.tool == Tool::Ours)
    {
        let Some(theirs) = made.run(Tool::Ghostscript, ours.resolution) else {
            continue;
        };
        for (number, read) in &ours.read {
            if let Some((_, its)) = theirs.read.iter().find(|(its, _)| its == number) {
                pages.push(TextPage {
                    name: &made.name,
                    resolution: ours.resolution,
                    number: *number,
                    ours: *read,
                    theirs: *its,
                });
            }
        }
    }
    pages.sort_by(|a, b| b.worse_by().total_cmp(&a.worse_by()));
    pages
}

/// Prints the text pages, those that Ghostscript has better first; says how many these are.
fn print_text_pages(made: &[Made]) -> usize {
    println!("\ntext pages: words missed of ours, of Ghostscript's, and how many there are");
    let pages = text_pages(made);
    for page in &pages {
        println!(
            "  {:8} {:5} {:5} {:5} {:+7.2} {} page {}",
            tools::name(page.resolution),
            page.ours.missed,
            page.theirs.missed,
            page.ours.words,
            page.worse_by(),
            page.name,
            page.number,
        );
    }
    pages.iter().filter(|page| page.worse_by() > WORSE).count()
}

fn print_codes(made: &[Made]) {
    let runs = made.iter().filter(|made| made.name.starts_with("code"));
    for run in runs.flat_map(|made| &made.runs) {
        println!(
            "codes read, {} {}: {} {:?}",
            run.tool.name(),
            tools::name(run.resolution),
            run.codes.len(),
            run.codes
        );
    }
}

fn result(settings: &Settings, made: &[Made], long_run: &LongRun, worse: usize) -> Figures {
    let mut figures = Figures::default();
    let ratio = |ours: f64, theirs: f64| format!("{:.3}", ours / theirs);
    // Of documents that both made the same number of pages of: nothing else compares.
    let sum = |tool: Tool, resolutions: &[Resolution]| {
        let both = made.iter().filter(|made| {
            let pages = |tool| made.run(tool, resolutions[0]).map(|run| run.octets.len());
            pages(Tool::Ours) == pages(Tool::Ghostscript)
        });
        Sum::of(both.flat_map(|made| resolutions.iter().filter_map(move |r| made.run(tool, *r))))
    };
    let (ours, theirs) = (
        sum(Tool::Ours, &[Resolution::Fine]),
        sum(Tool::Ghostscript, &[Resolution::Fine]),
    );
    figures.note("bytes_ratio", ratio(ours.kb(), theirs.kb()));
    figures.note(
        "words_ratio_fine",
        ratio(ours.read.missed_percent(), theirs.read.missed_percent()),
    );
    if settings.resolutions.contains(&Resolution::Standard) {
        let (ours, theirs) = (
            sum(Tool::Ours, &[Resolution::Standard]),
            sum(Tool::Ghostscript, &[Resolution::Standard]),
        );
        figures.note("bytes_ratio_std", ratio(ours.kb(), theirs.kb()));
        figures.note(
            "words_ratio_std",
            ratio(ours.read.missed_percent(), theirs.read.missed_percent()),
        );
    }
    figures.note("cpu_ratio", ratio(ours.cpu_ms(), theirs.cpu_ms()));
    let of_twenty = ratio(
        long_run.cpu_ms(Tool::Ours),
        long_run.cpu_ms(Tool::Ghostscript),
    );
    figures.note("cpu_ratio_20_pages", of_twenty);
    if let Some(ms) = long_run.pdf_ms {
        figures.note("pdf_200_pages_ms", format!("{ms:.1}"));
    }
    if let Some(ratio) = long_run.g4_ratio {
        figures.note("g4_ratio", format!("{ratio:.2}"));
    }
    let all = |tool| {
        Sum::of(
            made.iter()
                .flat_map(move |made| made.runs.iter().filter(move |run| run.tool == tool)),
        )
    };
    figures.note("rss_mb", format!("{:.0}", all(Tool::Ours).rss_mb));
    figures.note("failures", all(Tool::Ours).failures);
    figures.note("failures_ghostscript", all(Tool::Ghostscript).failures);
    figures.note("pages_worse", worse);
    figures
}
