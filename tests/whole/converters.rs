//! Programs that the site chose to convert documents and to read pages, behind their walls.

use std::path::Path;
use std::time::{Duration, Instant};

use postfax::config::Ocr;
use postfax::pages::{FaxPage, sample, tiff};
use postfax::worker::host::{Bounds, Conversion, TextReader};

use crate::documents::{children, run};
use crate::harness::{Site, wait_until};

fn convert(script: &str, seconds: u64) -> Result<Vec<u8>, String> {
    let bounds = Bounds {
        processes: 16,
        folder_mb: 20,
    };
    let conversion = Conversion {
        bounds,
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        extension: "docx".to_owned(),
        seconds,
        memory_mb: 64,
    };
    let converted = run(async { children().convert(&conversion, b"the document").await });
    converted.map_err(|failure| failure.to_string())
}

#[test]
fn a_converter_does_its_work_or_its_failure_has_a_sentence() {
    assert_eq!(
        convert("cat {input} > document.pdf", 20),
        Ok(b"the document".to_vec())
    );
    for (script, why) in [
        ("exit 3", "it ended with exit code 3"),
        ("true", "it made no PDF of it"),
        ("ln -s /etc/passwd document.pdf", "it made no PDF of it"),
        ("mkdir document.pdf", "it made no PDF of it"),
        ("kill -9 $$", ""),
        ("sleep 60 & sleep 60", "it took longer than 2 s"),
        (
            "while true; do sleep 60 & done",
            "it started more than 16 processes",
        ),
        (
            "for n in 1 2 3; do head -c 15M /dev/zero > $n; done; sleep 60",
            "it wrote more than 20 MB",
        ),
        (
            "mkdir a; cd a; n=0; while true; do n=$((n+1)); : > $n; done",
            "it wrote more than 20 MB",
        ),
        (
            "for n in 1 2 3; do eval \"exec $((n+2))>$n\"; rm $n; head -c 15M /dev/zero >&$((n+2)); done; sleep 60",
            "it wrote more than 20 MB",
        ),
        (
            "cat /etc/postfax/config.toml /etc/shadow > document.pdf",
            "it ended with exit code 1",
        ),
    ] {
        let began = Instant::now();
        let said = convert(script, 2);
        match why {
            "" => assert!(said.is_err(), "{script}: {said:?}"),
            why => assert_eq!(
                said,
                Err(format!(
                    "the program that makes PDF of such files failed ({why}); please send it as PDF"
                )),
                "{script}"
            ),
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{script}");
    }
    // Those of tests beside this one go, too.
    let ours = format!("postfax-convert-{}-", std::process::id());
    wait_until("every folder gone", 120, || {
        let left = std::fs::read_dir(std::env::temp_dir()).expect("it can be read");
        let mut names = left.flatten().map(|entry| entry.file_name());
        !names.any(|name| name.to_string_lossy().starts_with(&ours))
    });
}

/// Whether a program is here; where `POSTFAX_OFFICE=must` says that it has to be, it is an error if not.
fn is_here(program: &str) -> bool {
    let is_here = Path::new(program).is_file();
    let must = std::env::var("POSTFAX_OFFICE").is_ok_and(|said| said == "must");
    assert!(is_here || !must, "there is no {program}");
    if !is_here {
        eprintln!("NOT TESTED with {program}: it is not installed; `make office` installs it");
    }
    is_here
}

#[test]
fn libreoffice_works_behind_the_walls() {
    const OFFICE: &str = "/usr/bin/soffice";
    if !is_here(OFFICE) {
        return;
    }
    let words = [
        "--headless",
        "--norestore",
        "--convert-to",
        "pdf",
        "{input}",
    ];
    let command = [OFFICE].iter().chain(&words);
    let conversion = Conversion {
        command: command.map(|word| (*word).to_owned()).collect(),
        extension: "rtf".to_owned(),
        seconds: 60,
        memory_mb: 1024,
        bounds: Bounds::default(),
    };
    let letter = br"{\rtf1\ansi Dear Sir\par the lease ends in May.\page The second page.}";
    for _ in 0..3 {
        let made = run(async { children().convert(&conversion, letter).await });
        let made = made.expect("a PDF");
        assert!(made.starts_with(b"%PDF-"));
        let site = Site::new();
        let pages = tiff::read(&std::fs::read(site.rendered(&made)).expect("a file"));
        let pages = pages.expect("a TIFF");
        assert_eq!(pages.len(), 2);
        assert!(!pages.iter().any(FaxPage::is_blank));
    }
}

#[test]
fn tesseract_works_behind_the_walls() {
    let ocr = Ocr::default();
    if !is_here(&ocr.command[0]) {
        return;
    }
    let language = |word: &String| word.replace("{language}", &ocr.language);
    let reader = TextReader {
        command: ocr.command.iter().map(language).collect(),
        memory_mb: ocr.memory_mb,
    };
    let site = Site::new();
    let tiff = std::fs::read(site.rendered(&sample::numbered_pages(1))).expect("a file");
    let page = &tiff::read(&tiff).expect("a TIFF")[0];
    let words = run(async { children().words(&reader, page, 60).await });
    let words = words.expect("it reads");
    assert!(words.iter().any(|word| word.text == "Page"), "{words:?}");
}
