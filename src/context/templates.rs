//! The templates of the site, from its folder.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::Config;
use crate::letter::templates::Templates;

/// Reads those in the folder of `receipts.templates`, and the one in `receipts.subject`, which comes first.
///
/// # Errors
/// What cannot be read, and why.
pub fn read(config: &Config) -> Result<Templates, String> {
    let mut own = match &config.receipts.templates {
        Some(folder) => in_folder(folder)?,
        None => BTreeMap::new(),
    };
    if !config.receipts.subject.is_empty() {
        own.retain(|name, _| !name.starts_with("subject."));
        own.insert("subject.txt".to_owned(), config.receipts.subject.clone());
    }
    Ok(Templates::of(own))
}

fn in_folder(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let unreadable =
        |e: std::io::Error, path: &Path| format!("receipts.templates: {}: {e}", path.display());
    let mut own = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|e| unreadable(e, folder))? {
        let path = entry.map_err(|e| unreadable(e, folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|name| Templates::knows(name)) else {
            continue;
        };
        let text = std::fs::read_to_string(&path).map_err(|e| unreadable(e, &path))?;
        own.insert(name.to_owned(), text);
    }
    Ok(own)
}
