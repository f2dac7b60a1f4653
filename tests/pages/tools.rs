//! The converters: how each is called for A4 fax pages, and what it leaves behind.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use anyhow::Context as _;
use postfax::pages::bitmap::Bitmap;
use postfax::pages::{PAGE_WIDTH, Resolution, g4, tiff};

/// Who makes the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Ours,
    Ghostscript,
    Poppler,
    MuPdf,
}

/// All of them; the first is compared with the second.
pub const TOOLS: [Tool; 4] = [Tool::Ours, Tool::Ghostscript, Tool::Poppler, Tool::MuPdf];

impl Tool {
    /// For tables and file names.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Ours => "ours",
            Tool::Ghostscript => "ghostscript",
            Tool::Poppler => "poppler",
            Tool::MuPdf => "mupdf",
        }
    }

    /// Program and arguments; the working folder is an empty one.
    pub fn command(self, document: &Path, resolution: Resolution) -> Vec<String> {
        let document = document.display().to_string();
        let (x, y) = resolution.dpi();
        let (width, height) = (PAGE_WIDTH.to_string(), a4_rows(resolution).to_string());
        let words = match self {
            Tool::Ours => format!(
                "{} render {document} out.tiff --paper a4 --resolution {} --pdfium {}",
                env!("CARGO_BIN_EXE_postfax"),
                name(resolution),
                concat!(env!("CARGO_MANIFEST_DIR"), "/third_party/libpdfium.so"),
            ),
            Tool::Ghostscript => format!(
                "gs -q -dBATCH -dNOPAUSE -dSAFER -sDEVICE=tiffg4 -r{x}x{y} -sPAPERSIZE=a4 -dFIXEDMEDIA \
                 -dPDFFitPage -sOutputFile=out.tiff {document}"
            ),
            Tool::Poppler => {
                format!("pdftoppm -mono -scale-to-x {width} -scale-to-y {height} {document} out")
            }
            Tool::MuPdf => format!(
                "mutool draw -q -F pbm -w {width} -h {height} -f -o out-%05d.pbm {document}"
            ),
        };
        words.split_whitespace().map(str::to_owned).collect()
    }

    /// The pages that a run left in its folder.
    pub fn pages(self, folder: &Path) -> anyhow::Result<Vec<Bitmap>> {
        match self {
            Tool::Ours | Tool::Ghostscript => tiff_pages(&folder.join("out.tiff")),
            Tool::Poppler | Tool::MuPdf => pbm_pages(folder),
        }
    }
}

/// As the command line has it.
pub fn name(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Standard => "standard",
        Resolution::Fine => "fine",
        Resolution::Superfine => "superfine",
    }
}

fn a4_rows(resolution: Resolution) -> u32 {
    (297.0 / 25.4 * resolution.exact_dpi().1).round() as u32
}

fn tiff_pages(file: &Path) -> anyhow::Result<Vec<Bitmap>> {
    let octets = fs::read(file).context("no TIFF")?;
    let pages = tiff::read(&octets)?;
    let bitmap = |page: &postfax::pages::FaxPage| g4::decode(&page.g4, page.width, page.height);
    Ok(pages.iter().map(bitmap).collect::<Result<_, _>>()?)
}

fn pbm_pages(folder: &Path) -> anyhow::Result<Vec<Bitmap>> {
    let mut files: Vec<_> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "pbm"))
        .collect();
    files.sort();
    files.iter().map(|file| pbm(&fs::read(file)?)).collect()
}

/// A page in portable bitmap format.
fn pbm(octets: &[u8]) -> anyhow::Result<Bitmap> {
    use std::io::{BufRead as _, Read as _};
    let mut rest = Cursor::new(octets);
    let mut head = Vec::new();
    while head.len() < 3 {
        let mut line = String::new();
        anyhow::ensure!(rest.read_line(&mut line)? > 0, "a bitmap that is cut short");
        let told = line.split('#').next().unwrap_or_default();
        head.extend(told.split_whitespace().map(str::to_owned));
    }
    let (width, height): (u32, u32) = (head[1].parse()?, head[2].parse()?);
    let mut page = Bitmap::new(width, height).context("a bitmap of no or too many pels")?;
    let mut row = vec![0; width.div_ceil(8) as usize];
    for y in 0..height {
        rest.read_exact(&mut row)?;
        (0..width)
            .filter(|x| row[*x as usize / 8] & (0x80 >> (x % 8)) != 0)
            .for_each(|x| page.set(x, y));
    }
    Ok(page)
}
