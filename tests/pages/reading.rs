//! Pages read again by tesseract, against the text that the document has.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

/// Fewer words are no text to compare with.
const FEWEST_WORDS: usize = 20;
/// Tesseract reads English here: of the letters of a text, how many in a hundred it has to know.
const KNOWN_LETTERS: usize = 90;

/// The text of a page.
pub struct Text {
    words: Vec<String>,
    letters: String,
}

/// What was read of a page.
#[derive(Debug, Clone, Copy, Default)]
pub struct Read {
    /// Words in the document.
    pub words: usize,
    /// Of these, how many were not read.
    pub missed: usize,
    /// Characters in the document.
    pub letters: usize,
    /// Characters to insert, delete or change to get from one text to the other.
    pub wrong: usize,
}

impl Read {
    /// Adds another page's.
    pub fn add(&mut self, other: &Read) {
        self.words += other.words;
        self.missed += other.missed;
        self.letters += other.letters;
        self.wrong += other.wrong;
    }

    /// Missed words in a hundred.
    pub fn missed_percent(&self) -> f64 {
        self.missed as f64 * 100.0 / self.words.max(1) as f64
    }

    /// Wrong characters in a hundred.
    pub fn wrong_percent(&self) -> f64 {
        self.wrong as f64 * 100.0 / self.letters.max(1) as f64
    }
}

impl Text {
    fn new(text: &str) -> Text {
        Text {
            words: words(text).collect(),
            letters: words(text).collect::<Vec<_>>().join(" "),
        }
    }
}

/// The text of a page, where it has one that tesseract can read.
pub fn text_layer(document: &Path, page: usize) -> anyhow::Result<Option<Text>> {
    let page = page.to_string();
    let out = Command::new("pdftotext")
        .args(["-q", "-f", &page, "-l", &page])
        .arg(document)
        .arg("-")
        .output()
        .context("pdftotext")?;
    let all = String::from_utf8_lossy(&out.stdout);
    let letters = all.chars().filter(|c| c.is_alphabetic()).count();
    let known = all.chars().filter(char::is_ascii_alphabetic).count();
    let text = Text::new(&all);
    let is_text = text.words.len() >= FEWEST_WORDS && known * 100 >= letters * KNOWN_LETTERS;
    Ok(is_text.then_some(text))
}

/// Reads a page and compares it.
pub fn compare(text: &Text, png: &Path) -> anyhow::Result<Read> {
    let read = Text::new(&read_again(png)?);
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in &read.words {
        *left.entry(word).or_default() += 1;
    }
    let missed = text.words.iter().filter(|word| {
        let found = left.get_mut(word.as_str()).filter(|count| **count > 0);
        found.map(|count| *count -= 1).is_none()
    });
    Ok(Read {
        words: text.words.len(),
        missed: missed.count(),
        letters: text.letters.chars().count(),
        wrong: strsim::levenshtein(&text.letters, &read.letters),
    })
}

/// What tesseract reads; it takes seconds for a page, so that what it said of one is kept.
fn read_again(png: &Path) -> anyhow::Result<String> {
    let hash = Sha256::digest(fs::read(png)?);
    let name: String = hash.iter().map(|octet| format!("{octet:02x}")).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-pages");
    let kept: PathBuf = folder.join(name + ".txt");
    if let Ok(text) = fs::read_to_string(&kept) {
        return Ok(text);
    }
    let out = Command::new("tesseract")
        .env("OMP_THREAD_LIMIT", "1")
        .arg(png)
        .args(["-", "--dpi", "200"])
        .output()
        .context("tesseract")?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    fs::create_dir_all(&folder)?;
    let whole = tempfile::NamedTempFile::new_in(&folder)?;
    fs::write(&whole, &text)?;
    whole.persist(kept)?;
    Ok(text)
}

/// Words of two letters or more, without what surrounds them, in small letters.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|word| word.chars().count() >= 2)
        .map(|word| {
            word.replace(['’', '‘'], "'")
                .replace('ﬁ', "fi")
                .replace('ﬂ', "fl")
                .to_lowercase()
        })
}
