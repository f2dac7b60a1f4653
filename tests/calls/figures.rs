//! The last line.

use std::fmt;

/// Figures by name, in the order in which they were found.
#[derive(Default)]
pub struct Figures(Vec<(String, String)>);

impl Figures {
    /// Notes one.
    pub fn note(&mut self, name: &str, value: impl fmt::Display) {
        self.0.push((name.to_owned(), value.to_string()));
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        f.write_str(&figures.collect::<Vec<_>>().join(" "))
    }
}
