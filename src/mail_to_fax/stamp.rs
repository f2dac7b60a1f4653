//! The header lines of a fax: the same for all its pages but for the number, and kept with the attempt so that what
//! stood on the paper can be shown, and made again pel for pel.

use jiff::Zoned;
use serde::{Deserialize, Serialize};

use crate::pages::FaxPage;
use crate::pages::g4::G4Error;
use crate::pages::header::{self, HeaderFont, HeaderLine};

/// What all header lines of one attempt have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Date and time with zone.
    pub date: String,
    /// Who sends.
    pub name: String,
    /// Our number.
    pub number: String,
    /// What stands below the line on the first page that is sent again from where a call broke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued: Option<Continued>,
}

/// The continuation line, for whoever finds half a fax on the machine and the other half under another paper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Continued(String);

impl Continued {
    /// That so many pages were confirmed, in a call that ended then.
    pub fn of(pages: u32, at: &Zoned) -> Continued {
        let pages = match pages {
            1 => "page 1 was".to_owned(),
            more => format!("pages 1-{more} were"),
        };
        Continued(format!(
            "continued: {pages} received at {}",
            at.strftime("%H:%M")
        ))
    }
}

impl Stamp {
    /// As the queue keeps it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings always serialise")
    }

    /// Puts the header line on the pages from `first` (counted from 1) on, and leaves out those before it.
    ///
    /// # Errors
    /// [`G4Error`] where a page does not decode.
    pub fn on(
        &self,
        pages: &[FaxPage],
        first: u32,
        to: &str,
        font: &HeaderFont,
    ) -> Result<Vec<FaxPage>, G4Error> {
        let line = |page| HeaderLine {
            date: self.date.clone(),
            name: self.name.clone(),
            number: self.number.clone(),
            to: to.to_owned(),
            page,
            pages: pages.len() as u32,
            below: match page == first {
                true => self.continued.as_ref().map(|line| line.0.clone()),
                false => None,
            },
        };
        (first..)
            .zip(pages.iter().skip(first as usize - 1))
            .map(|(n, page)| header::stamp(page, &line(n), font))
            .collect()
    }
}
