//! Files with secrets, and the folder of the queue: who else may read them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Finding::{self, Wrong};
use crate::config::Config;

/// What everybody else on the machine may do with a file (stat(2)).
const OTHERS: u32 = 0o007;
/// The same, and its group: nobody but the service has business with the queue.
const GROUP_AND_OTHERS: u32 = 0o077;

/// What others may read or enter, with the command that ends it.
pub(super) fn all(path: &Path, config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    if has_secrets(config) && mode(path).is_some_and(|mode| mode & OTHERS != 0) {
        found.push(readable("the configuration has passwords, and", path));
    }
    for key in keys(config) {
        if mode(&key).is_some_and(|mode| mode & OTHERS != 0) {
            found.push(readable("the private key", &key));
        }
    }
    let state = &config.state_dir;
    if mode(state).is_some_and(|mode| mode & GROUP_AND_OTHERS != 0) {
        let state = state.display();
        found.push(Wrong(format!(
            "the state folder {state} can be entered by others, and has everybody's faxes in it: chmod 0700 {state}"
        )));
    }
    found
}

fn readable(what: &str, path: &Path) -> Finding {
    let path = path.display();
    Wrong(format!(
        "{what} {path} can be read by everybody on this machine: chmod o= {path}"
    ))
}

fn mode(path: &Path) -> Option<u32> {
    Some(fs::metadata(path).ok()?.mode())
}

fn keys(config: &Config) -> Vec<PathBuf> {
    let keys = [&config.smtp.tls_key, &config.sip.tls_key];
    keys.into_iter().flatten().cloned().collect()
}

/// Whether the file has anything in it that only the service may know. The hash of a password can be guessed at.
fn has_secrets(config: &Config) -> bool {
    let mut passwords = config.trunks.iter().map(|trunk| &trunk.password);
    let mut codes = config.machines.iter().map(|machine| &machine.password);
    let one = [&config.mail.password, &config.inbound.password];
    !config.users.is_empty()
        || passwords.any(|password| !password.is_empty())
        || codes.any(|password| !password.is_empty())
        || one.iter().any(|password| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn with_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn secrets_that_others_can_read_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let (file, key) = (
            folder.path().join("config.toml"),
            folder.path().join("key.pem"),
        );
        let state = folder.path().join("state");
        fs::create_dir(&state).unwrap();
        fs::write(&file, "").unwrap();
        fs::write(&key, "").unwrap();
        let mut config = Config {
            state_dir: state.clone(),
            ..Config::default()
        };
        config.smtp.tls_key = Some(key.clone());
        for (path, mode) in [(&file, 0o644), (&key, 0o640), (&state, 0o700)] {
            with_mode(path, mode);
        }
        let found = |config: &Config| -> Vec<String> {
            let found = all(&file, config);
            found.iter().map(ToString::to_string).collect()
        };
        assert_eq!(found(&config), [""; 0], "no secret is in the file");
        config.mail.password = "swordfish".into();
        let said = found(&config);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("WRONG  the configuration has passwords"));
        assert!(said[0].ends_with(&format!("chmod o= {}", file.display())));
        assert!(!said[0].contains("swordfish"));
        with_mode(&file, 0o640);
        with_mode(&key, 0o644);
        assert!(found(&config)[0].contains("the private key"));
        with_mode(&key, 0o600);
        with_mode(&state, 0o750);
        assert!(found(&config)[0].contains("the state folder"));
        with_mode(&state, 0o700);
        assert_eq!(found(&config), [""; 0]);
    }
}
