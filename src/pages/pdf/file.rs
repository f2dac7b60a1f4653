//! The frame of a PDF file: numbered objects, cross-reference table, trailer (ISO 32000-1 7.5).

use std::fmt;

/// The number of an object, written as a reference to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pages) struct Ref(usize);

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} 0 R", self.0)
    }
}

/// A PDF file under construction.
pub(in crate::pages) struct PdfFile {
    octets: Vec<u8>,
    /// Where each object begins; 0: only reserved.
    offsets: Vec<usize>,
}

impl PdfFile {
    pub(in crate::pages) fn new() -> PdfFile {
        // The second line tells programs that guess that the file is not text (7.5.2; ISO 19005-2 6.1.2).
        PdfFile {
            octets: b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n".to_vec(),
            offsets: Vec::new(),
        }
    }

    /// A number for an object that follows later.
    pub(in crate::pages) fn reserve(&mut self) -> Ref {
        self.offsets.push(0);
        Ref(self.offsets.len())
    }

    /// Writes an object.
    pub(in crate::pages) fn add(&mut self, body: &str) -> Ref {
        let number = self.reserve();
        self.set(number, body);
        number
    }

    /// Writes an object under a reserved number.
    pub(in crate::pages) fn set(&mut self, number: Ref, body: &str) {
        self.begin(number);
        self.octets.extend_from_slice(body.as_bytes());
        self.octets.extend_from_slice(b"\nendobj\n");
    }

    /// Writes a stream; `entries` are those of its dictionary beside the length.
    pub(in crate::pages) fn add_stream(&mut self, entries: &str, data: &[u8]) -> Ref {
        let number = self.reserve();
        self.begin(number);
        let head = format!("<< /Length {} {entries} >>\nstream\n", data.len());
        self.octets.extend_from_slice(head.as_bytes());
        self.octets.extend_from_slice(data);
        self.octets.extend_from_slice(b"\nendstream\nendobj\n");
        number
    }

    /// Writes the list of pages under its reserved number.
    pub(in crate::pages) fn set_page_tree(&mut self, tree: Ref, pages: &[Ref]) {
        let kids: Vec<String> = pages.iter().map(Ref::to_string).collect();
        self.set(
            tree,
            &format!(
                "<< /Type /Pages /Count {} /Kids [{}] >>",
                kids.len(),
                kids.join(" ")
            ),
        );
    }

    /// The finished file; `catalog` and `trailer` are further entries of these.
    pub(in crate::pages) fn finish(
        mut self,
        page_tree: Ref,
        info: Option<Ref>,
        catalog: &str,
        trailer: &str,
    ) -> Vec<u8> {
        let catalog = self.add(&format!("<< /Type /Catalog /Pages {page_tree} {catalog}>>"));
        let info = info.map_or(String::new(), |info| format!("/Info {info} "));
        let start = self.octets.len();
        let size = self.offsets.len() + 1;
        let mut end = format!("xref\n0 {size}\n0000000000 65535 f \n");
        for offset in &self.offsets {
            end += &format!("{offset:010} 00000 n \n");
        }
        end += &format!(
            "trailer\n<< /Size {size} /Root {catalog} {info}{trailer}>>\nstartxref\n{start}\n%%EOF\n"
        );
        self.octets.extend_from_slice(end.as_bytes());
        self.octets
    }

    fn begin(&mut self, number: Ref) {
        self.offsets[number.0 - 1] = self.octets.len();
        self.octets
            .extend_from_slice(format!("{} 0 obj\n", number.0).as_bytes());
    }
}
