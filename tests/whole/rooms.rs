//! The rooms of `src/` and who may know whom, read from the source. ARCHITECTURE.md has the drawing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// From the ground up. A room may use the rooms of the floors below it, never one of its own floor: so the journeys do
/// not know each other, and neither do the gateway and the carrier that tests it.
const FLOORS: [&[&str]; 9] = [
    &["proto", "fax", "pages"],
    &["call"],
    &["letter", "config", "queue", "worker"],
    &["net"],
    &["context"],
    &["mail_to_fax", "fax_to_mail", "status"],
    &["gateway", "carrier"],
    &["cli"],
    &["main"],
];

/// What has no business in a room. Calculations are tested in virtual time because they cannot look at a clock.
const FORBIDDEN: [(&[&str], &[&str]); 5] = [
    (
        &["proto", "fax", "call", "pages", "letter", "config"],
        &[
            "Instant::now",
            "SystemTime::now",
            "Timestamp::now",
            "Zoned::now",
            "tokio::",
            "thread::",
        ],
    ),
    (&["proto", "fax", "call", "letter"], &["std::fs", "File::"]),
    (
        &[
            "proto",
            "fax",
            "call",
            "pages",
            "letter",
            "config",
            "queue",
            "context",
            "mail_to_fax",
            "fax_to_mail",
        ],
        &[
            "TcpListener",
            "TcpStream",
            "UdpSocket",
            "UnixStream",
            "lookup_host",
        ],
    ),
    (
        &["queue", "mail_to_fax", "fax_to_mail"],
        &["Instant::now", "SystemTime::now", "tokio::spawn("],
    ),
    (
        &[
            "proto",
            "fax",
            "call",
            "pages",
            "letter",
            "config",
            "worker",
            "net",
            "context",
            "mail_to_fax",
            "fax_to_mail",
            "status",
            "gateway",
            "carrier",
            "cli",
            "main",
        ],
        &["rusqlite"],
    ),
];

/// A source file without its tests and comments.
struct Source {
    path: PathBuf,
    room: String,
    text: String,
}

#[test]
fn every_room_stands_on_lower_floors_only() {
    let mut wrong = Vec::new();
    for source in sources() {
        let own = floor(&source.room);
        for used in rooms_used(&source.text) {
            if used != source.room && floor(&used) >= own {
                wrong.push(format!("{} uses {used}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn clocks_sockets_tasks_files_and_sql_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (rooms, words) in FORBIDDEN {
            if !rooms.contains(&source.room.as_str()) {
                continue;
            }
            let found = words.iter().filter(|word| source.text.contains(**word));
            wrong.extend(found.map(|word| format!("{} has {word}", source.path.display())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn protocol_cores_do_not_know_each_other() {
    let mut wrong = Vec::new();
    let proto: Vec<Source> = sources()
        .into_iter()
        .filter(|s| s.room == "proto")
        .collect();
    let core = |source: &Source| {
        let below = source.path.strip_prefix(src().join("proto"));
        stem(
            below
                .expect("it is in proto")
                .iter()
                .next()
                .expect("a name")
                .as_ref(),
        )
    };
    let cores: BTreeSet<String> = proto
        .iter()
        .map(core)
        .filter(|name| name != "mod")
        .collect();
    assert!(cores.len() > 3, "{cores:?}");
    for source in proto.iter().filter(|source| core(source) != "mod") {
        for other in cores.iter().filter(|other| **other != core(source)) {
            let ways = [format!("proto::{other}"), format!("super::{other}::")];
            if ways.iter().any(|way| source.text.contains(way)) {
                wrong.push(format!("{} uses {other}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_code_is_in_one_file() {
    let is_unsafe = |source: &Source| {
        let words = source
            .text
            .split(|c: char| !c.is_alphanumeric() && c != '_');
        words.into_iter().any(|word| word == "unsafe")
    };
    let found: Vec<PathBuf> = sources()
        .into_iter()
        .filter(is_unsafe)
        .map(|s| s.path)
        .collect();
    assert_eq!(found, [src().join("fax/ffi.rs")]);
}

#[test]
fn the_map_in_lib_rs_names_every_room() {
    let map = std::fs::read_to_string(src().join("lib.rs")).expect("it is there");
    for room in FLOORS
        .into_iter()
        .flatten()
        .filter(|room| **room != "main" && **room != "context")
    {
        assert!(map.contains(&format!("//! | [`{room}`]")), "{room}");
    }
}

// ---- reading the source ----

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn floor(room: &str) -> usize {
    let floor = FLOORS.iter().position(|rooms| rooms.contains(&room));
    floor.unwrap_or_else(|| panic!("{room} is on no floor yet: give it one"))
}

/// Every source file but `lib.rs`, and those that exist for unit tests only.
fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&src(), &mut files);
    let texts: Vec<(PathBuf, String)> = files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("it can be read");
            (path, text)
        })
        .collect();
    let tests: BTreeSet<PathBuf> = texts
        .iter()
        .flat_map(|(path, text)| test_files(path, text))
        .collect();
    let mut sources: Vec<Source> = texts
        .into_iter()
        .filter(|(path, _)| !is_of_tests(path, &tests) && stem(path) != "lib")
        .map(|(path, text)| {
            let below = path.strip_prefix(src()).expect("it is in src");
            let room = stem(below.iter().next().expect("a name").as_ref());
            let text = without_tests_and_comments(&text);
            Source { path, room, text }
        })
        .collect();
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(
        sources.len() > 80,
        "only {} files were found",
        sources.len()
    );
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            files.push(path);
        }
    }
}

/// A file of tests, or one that such a file is made of.
fn is_of_tests(path: &Path, tests: &BTreeSet<PathBuf>) -> bool {
    let mut above = path.ancestors();
    above.any(|place| tests.contains(place) || tests.contains(&place.with_extension("rs")))
}

/// The files that this one declares under `#[cfg(test)]`.
fn test_files(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = match stem(path).as_str() {
        "mod" | "lib" => path.parent().expect("it is in a folder").to_owned(),
        _ => path.with_extension(""),
    };
    let after_test = text.split("#[cfg(test)]\n").skip(1);
    let name = |rest: &str| {
        let line = rest.lines().next()?.strip_suffix(';')?;
        line.rsplit_once("mod ").map(|(_, name)| name.to_owned())
    };
    after_test
        .filter_map(name)
        .map(|name| folder.join(name).with_extension("rs"))
        .collect()
}

/// Tests stand at the end of a file.
fn without_tests_and_comments(text: &str) -> String {
    let is_test = |text: &str| {
        let mut lines = text.lines();
        lines.next() == Some("#[cfg(test)]") && lines.next().is_some_and(|line| line.ends_with('{'))
    };
    let mut ends = text.match_indices("#[cfg(test)]").map(|(at, _)| at);
    let end = ends.find(|at| is_test(&text[*at..])).unwrap_or(text.len());
    let lines = text[..end].lines();
    let code = lines.map(|line| line.split("//").next().unwrap_or_default());
    code.collect::<Vec<_>>().join("\n")
}

/// The names behind `crate::`, those of a list in braces included.
fn rooms_used(text: &str) -> BTreeSet<String> {
    let name = |path: &str| {
        let word: String = path
            .trim()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        (!word.is_empty()).then_some(word)
    };
    let mut used = BTreeSet::new();
    for path in text.split("crate::").skip(1) {
        match path.strip_prefix('{') {
            Some(list) => panic!(
                "one room a line, please: crate::{{{}",
                list.lines().next().unwrap_or_default()
            ),
            None => used.extend(name(path)),
        }
    }
    used
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().expect("it has a name");
    stem.to_string_lossy().into_owned()
}
