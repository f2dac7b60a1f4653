//! `postfax hash-password`: what stands in `[[user]]` instead of a password.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use argon2::{Argon2, PasswordHasher};
use rustix::termios::{self, LocalModes, OptionalActions};

/// Octets of the longest password that AUTH takes.
const MAX_PASSWORD: usize = 255;

/// Reads a password from standard input and writes its hash.
pub fn run() -> anyhow::Result<ExitCode> {
    let password = read_password().context("standard input")?;
    println!("{}", hash(&password)?);
    Ok(ExitCode::SUCCESS)
}

fn hash(password: &str) -> anyhow::Result<String> {
    ensure!(!password.is_empty(), "an empty password is none");
    ensure!(
        password.len() <= MAX_PASSWORD,
        "a password has at most {MAX_PASSWORD} octets"
    );
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.context("argon2")?.to_string())
}

/// One line; what a person types is not shown.
fn read_password() -> io::Result<String> {
    let input = io::stdin();
    let shown = match input.is_terminal() {
        true => Some(termios::tcgetattr(&input)?),
        false => None,
    };
    if let Some(shown) = &shown {
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        eprint!("Password: ");
        io::stderr().flush()?;
        termios::tcsetattr(&input, OptionalActions::Flush, &hidden)?;
    }
    let mut line = String::new();
    let read = input.lock().read_line(&mut line);
    if let Some(shown) = &shown {
        termios::tcsetattr(&input, OptionalActions::Flush, shown)?;
        eprintln!();
    }
    read?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier;
    use argon2::password_hash::phc::PasswordHash;

    use super::*;

    #[test]
    fn the_hash_is_of_the_password_and_never_the_same() {
        let (one, other) = (hash("secret").unwrap(), hash("secret").unwrap());
        assert_ne!(one, other);
        let read = PasswordHash::new(&one).unwrap();
        assert!(Argon2::default().verify_password(b"secret", &read).is_ok());
        assert!(Argon2::default().verify_password(b"Secret", &read).is_err());
        assert!(hash("").is_err() && hash(&"x".repeat(256)).is_err());
    }
}
