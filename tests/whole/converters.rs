//! Programs that the site chose to convert documents and to read pages, behind their walls.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postfax::config::Ocr;
use postfax::pages::{FaxPage, sample, tiff};
use postfax::worker::host::{Bounds, Conversion, ServiceGroup, TextReader};

use crate::documents::{children, run};
use crate::harness::{Site, wait_until};

fn conversion(script: &str, seconds: u64) -> Conversion {
    let bounds = Bounds {
        processes: 16,
        folder_mb: 20,
    };
    Conversion {
        bounds,
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        extension: "docx".to_owned(),
        seconds,
        memory_mb: 64,
    }
}

fn convert(script: &str, seconds: u64) -> Result<Vec<u8>, String> {
    let conversion = conversion(script, seconds);
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

/// A control group that is delegated as systemd does it; `None` where the kernel has no pids controller for it.
fn delegated_group() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("it can be read");
    let mount = mounts
        .lines()
        .find(|line| line.contains(" - cgroup2 "))?
        .split(' ')
        .nth(4)?;
    let enabled = fs::read_to_string(Path::new(mount).join("cgroup.subtree_control"));
    if !enabled.ok()?.split_whitespace().any(|name| name == "pids") {
        return None;
    }
    let group = Path::new(mount).join(format!("postfax-test-{}", std::process::id()));
    fs::create_dir(&group).ok()?;
    Some(group)
}

#[test]
fn the_kernel_counts_the_processes_of_a_converter_where_a_group_is_delegated() {
    let Some(group) = delegated_group() else {
        eprintln!(
            "NOT TESTED: there is no control group with a pids controller that this user may divide"
        );
        return;
    };
    let service = Arc::new(ServiceGroup::new(group.clone()).expect("it is ours"));
    let mut children = children();
    children.service_group = Some(service);
    let convert = |script: &str| {
        let conversion = conversion(script, 20);
        run(async { children.convert(&conversion, b"the document").await })
            .map_err(|failure| failure.to_string())
    };
    assert_eq!(
        convert("cat {input} > document.pdf"),
        Ok(b"the document".to_vec())
    );
    // The supervisor, which looks ten times a second, would see none of these: they are gone at once.
    let said = convert("for n in $(seq 40); do /bin/sleep 0.01 & done; wait; exit 1");
    let said = said.expect_err("more than 16");
    assert!(said.contains("it started more than 16 processes"), "{said}");
    wait_until("the groups are gone", 30, || fs::remove_dir(&group).is_ok());
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
