use std::io;
use std::process::{Command, Output};

use super::*;
use crate::pages::sample::tnef::Winmail;

const FILES: [(&str, &[u8]); 3] = [
    ("order.pdf", b"%PDF-1.4\r\n--tnef-0\r\n"),
    ("L\u{e4}nge.txt", b"x"),
    ("empty", b""),
];

fn text_of(entity: &[u8]) -> String {
    String::from_utf8_lossy(entity).into_owned()
}

#[test]
fn text_and_attachments_come_out_as_mime() {
    let winmail = Winmail {
        body: "Gr\u{fc}\u{df}e\r\n",
        files: &FILES,
        ..Winmail::default()
    };
    let entity = text_of(&entity(&winmail.write()).unwrap());
    assert!(
        !entity.contains("boundary=\"tnef-0\""),
        "a boundary that a file has in it:\n{entity}"
    );
    for part in [
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: binary\r\n\r\nGr\u{fc}\u{df}e\r\n",
        "filename*=utf-8''order.pdf\r\n\r\n%PDF-1.4\r\n",
        "filename*=utf-8''L%C3%A4nge.txt\r\n\r\nx\r\n",
        "filename*=utf-8''empty\r\n\r\n\r\n",
    ] {
        assert!(entity.contains(part), "{part}\n{entity}");
    }
}

#[test]
fn an_attached_message_is_a_mail() {
    let inner = Winmail {
        files: &FILES[..1],
        ..Winmail::default()
    };
    let inner = inner.write();
    let winmail = Winmail {
        body: "outer",
        message: Some(&inner),
        ..Winmail::default()
    };
    let whole = text_of(&entity(&winmail.write()).unwrap());
    assert!(whole.contains("Content-Type: message/rfc822"), "{whole}");
    assert!(
        whole.contains(
            "Subject: =?utf-8?Q?=57=69=6E=6D=61=69=6C?=\r\nContent-Type: multipart/mixed"
        ),
        "{whole}"
    );
    let mut deep = inner;
    for _ in 0..10 {
        let around = Winmail {
            message: Some(&deep),
            ..Winmail::default()
        };
        deep = around.write();
    }
    assert_eq!(entity(&deep).err(), Some(DocumentRefusal::damaged("TNEF")));
}

#[test]
fn the_text_in_rtf_is_read_as_what_it_was() {
    for (rtf, expected) in [
        (
            r"{\rtf1\ansi\ansicpg1252\fromtext{\fonttbl{\f0 Arial;}}Please sign\par the \'fcber \u8364?5 \{x\}\par}",
            "Please sign\nthe \u{fc}ber \u{20ac}5 {x}\n",
        ),
        (
            r"{\rtf1\ansi\fromhtml1{\fonttbl{\f0 x;}}{\*\htmltag64 <p>}\htmlrtf \par\htmlrtf0 Sign 20{\*\htmltag72 </p>}{\*\mhtmltag z}{\*\other x}}",
            "<p>Sign 20</p>",
        ),
        (
            r"{\rtf1{\pict 0102}{\field{\*\fldinst HYPERLINK x}{\fldrslt here}}\~a\emdash b}",
            "here a\u{2014}b",
        ),
    ] {
        let (text, html) = rtf::text(rtf.as_bytes());
        assert_eq!(
            (text.as_str(), html),
            (expected, expected.contains('<')),
            "{rtf}"
        );
        let winmail = Winmail {
            rtf,
            ..Winmail::default()
        };
        let entity = text_of(&entity(&winmail.write()).unwrap());
        assert!(entity.contains(expected), "{entity}");
    }
}

/// The example of MS-OXRTFCP 3.2.
#[test]
fn compressed_rtf_is_unpacked() {
    let packed = b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\n\0rcpg125\x42\x32\n\xf3 hel\t\0 bw\x05\xb0ld}\n\x80\x0f\xa0";
    let rtf = rtf::decompressed(packed).unwrap();
    assert_eq!(
        text_of(&rtf),
        "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    );
}

#[test]
fn mutants_end_in_an_entity_of_bounded_size_or_a_refusal() {
    let rtf = r"{\rtf1\ansi\fromhtml1{\*\htmltag64 <p>}hello \u8364? \'fc{\*\htmltag72 </p>}}";
    let inner = Winmail {
        rtf,
        files: &FILES[..1],
        ..Winmail::default()
    };
    let inner = inner.write();
    let winmail = Winmail {
        body: "body",
        rtf,
        files: &FILES,
        message: Some(&inner),
    };
    let seed = winmail.write();
    let mut rng = fastrand::Rng::with_seed(0x7E);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut octets = seed.clone();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..octets.len());
            match rng.u8(..4) {
                0 => octets[at] = rng.u8(..),
                1 => octets.truncate(at.max(1)),
                2 => octets[at] ^= 1 << rng.u8(..8),
                _ => {
                    let end = octets.len().min(at + 4);
                    octets[at..end].fill([0, 0xFF, 0x7F][rng.usize(..3)]);
                }
            }
        }
        match entity(&octets) {
            Ok(entity) => {
                assert!(entity.len() <= octets.len() * MOST_TIMES + MOST_AND);
                read += 1;
            }
            Err(_) => refused += 1,
        }
    }
    println!("RESULT mutants format=tnef read={read} refused={refused}");
    assert!(refused > 1000 && read > 100);
}

#[test]
fn mutants_of_texts_and_properties_never_panic() {
    let rtf = br"{\rtf1\ansi\ansicpg932\fromhtml1{\*\htmltag64 <p>}\uc2\u-10179?\u-8704?\'83\'65\bin3 abc{\pict x}}".as_slice();
    let packed = b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\n\0rcpg125\x42\x32\n\xf3 hel\t\0 bw\x05\xb0ld}\n\x80\x0f\xa0".as_slice();
    let properties = b"\x02\0\0\0\x1f\0\x00\x10\x01\0\0\0\x04\0\0\0a\0\0\0\x02\x01\x01\x37\x01\0\0\0\x02\0\0\0ab\0\0".as_slice();
    let mut rng = fastrand::Rng::with_seed(0x0A);
    for n in 0..60_000 {
        let mut octets = [rtf, packed, properties][n % 3].to_vec();
        for _ in 0..rng.usize(1..5) {
            let at = rng.usize(..octets.len());
            match rng.u8(..3) {
                0 => octets[at] = rng.u8(..),
                1 => octets[at] = [b'{', b'}', b'\\', 0xFF][rng.usize(..4)],
                _ => drop(octets.drain(at..)),
            }
            if octets.is_empty() {
                break;
            }
        }
        match n % 3 {
            0 => drop(rtf::text(&octets)),
            1 => drop(rtf::decompressed(&octets)),
            _ => drop(Properties::read(&octets)),
        }
    }
}

/// Other readers take the same files out of it.
#[test]
fn ytnef_and_tnefparse_find_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("winmail.dat");
    let large: Vec<u8> = (0..70_000u32).map(|n| n.wrapping_mul(n) as u8).collect();
    let files = [("order.pdf", &b"%PDF-1.4\r\n"[..]), ("large.bin", &large)];
    let winmail = Winmail {
        body: "Please sign the order.",
        files: &files,
        ..Winmail::default()
    };
    std::fs::write(&path, winmail.write()).unwrap();
    let ours = entity(&winmail.write()).unwrap();
    for (program, arguments) in [("ytnef", ["-F", "-f"]), ("tnefparse", ["-a", "-p"])] {
        let out = folder.path().join(program);
        std::fs::create_dir(&out).unwrap();
        let mut command = Command::new(program);
        match program {
            "ytnef" => command.args(arguments).arg(&out).arg(&path),
            _ => command.args(arguments).arg(&out).arg(&path),
        };
        let Some(said) = ran(command.output()) else {
            eprintln!(
                "NOT TESTED with {program}: it is not installed (Debian: ytnef-tools; PyPI: tnefparse)"
            );
            continue;
        };
        for (name, octets) in files {
            let theirs = std::fs::read(out.join(name));
            let theirs = theirs.unwrap_or_else(|e| panic!("{program}, {name}: {e}; {said:?}"));
            assert!(theirs == octets, "{program}, {name}");
            assert!(
                ours.windows(octets.len()).any(|window| window == octets),
                "{name}"
            );
        }
    }
}

fn ran(output: io::Result<Output>) -> Option<Output> {
    match output {
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        output => Some(output.unwrap()),
    }
}
