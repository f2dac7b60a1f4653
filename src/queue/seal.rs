//! What the octets of a blob add up to, kept beside them: in an extended attribute of a file, in a column of a row. A disk
//! that gives back others is found out before they are faxed. Where a file system has no such attributes, a copy has lost
//! them, or an older version kept the row, nothing is known and nothing is said.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::path::Path;

use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};
use sha2::{Digest, Sha256};

/// The attribute: SHA-256, 32 octets.
const SEAL: &str = "user.postfax.sha256";

/// What octets add up to.
pub type Seal = [u8; 32];

/// The seal of octets for a row.
pub fn of(octets: &[u8]) -> Seal {
    Sha256::digest(octets).into()
}

/// Whether octets are others than those that were sealed.
pub fn is_other(octets: &[u8], sealed: Option<Seal>) -> bool {
    sealed.is_some_and(|sealed| sealed != of(octets))
}

/// Seals a complete file, before it is synced.
///
/// # Errors
/// Where it cannot be read.
pub fn seal(file: &File) -> io::Result<()> {
    let sum = sum(file)?;
    // A full disk has no room for it, another file system no place: the octets are good all the same.
    let _ = fsetxattr(file, SEAL, &sum, XattrFlags::empty());
    Ok(())
}

/// The octets of a file, if they are those that were sealed.
///
/// # Errors
/// As the file system says; `InvalidData`, with the path, where they are others.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    let mut file = File::open(path).map_err(named)?;
    let mut octets = Vec::new();
    file.read_to_end(&mut octets).map_err(named)?;
    match is_other(&octets, sealed(&file)) {
        false => Ok(octets),
        true => Err(named(altered())),
    }
}

/// Whether a file holds others than those that were sealed. One that cannot be read is somebody else's to tell of.
pub fn is_broken(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    sealed(&file).is_some_and(|sealed| sum(&file).is_ok_and(|sum| sum != sealed))
}

fn sealed(file: &File) -> Option<Seal> {
    let mut sum = [0; 32];
    let size = fgetxattr(file, SEAL, &mut sum).ok()?;
    (size == sum.len()).then_some(sum)
}

fn sum(mut file: &File) -> io::Result<Seal> {
    file.rewind()?;
    let (mut sum, mut part) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(sum.finalize().into()),
            n => sum.update(&part[..n]),
        }
    }
}

/// What is said of them.
pub fn altered() -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        "its octets are not those that were kept",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_octet_that_is_another_is_found_and_a_file_without_a_seal_is_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d-1");
        std::fs::write(&path, vec![7; 100_000]).unwrap();
        assert_eq!(read(&path).unwrap().len(), 100_000);
        seal(&File::open(&path).unwrap()).unwrap();
        if sealed(&File::open(&path).unwrap()).is_none() {
            // This file system has no attributes.
            return;
        }
        assert_eq!(read(&path).unwrap().len(), 100_000);
        assert!(!is_broken(&path));
        let mut octets = vec![7; 100_000];
        octets[70_000] = 8;
        std::fs::write(&path, octets).unwrap();
        let why = read(&path).unwrap_err();
        assert_eq!(why.kind(), ErrorKind::InvalidData);
        assert!(why.to_string().contains("d-1"), "{why}");
        assert!(is_broken(&path));
    }
}
