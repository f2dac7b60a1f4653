//! Short texts at places of their own choice: what cover pages are made of.

use cosmic_text::{Align, Buffer, Metrics, Shaping, Wrap};

use super::{Rule, SetGlyph, SetPage, Typesetter, is_shown, set};

/// How a block of text looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::pages) struct Style {
    /// Points of its letters.
    pub(in crate::pages) size: f32,
    pub(in crate::pages) bold: bool,
    /// From line to line, of the size.
    pub(in crate::pages) leading: f32,
}

/// One line of a block: its glyphs as seen from its left end and its baseline.
#[derive(Debug, Clone)]
pub(in crate::pages) struct SetLine {
    glyphs: Vec<SetGlyph>,
    /// Points from its left end to the end of its letters.
    pub(in crate::pages) width: f32,
}

impl Typesetter {
    /// The text in lines of `width` points. All begin at the left, in every script: they stand below a label there.
    pub(in crate::pages) fn lay(&mut self, text: &str, style: Style, width: f32) -> Vec<SetLine> {
        let metrics = Metrics::new(style.size, style.size * style.leading);
        let mut buffer = Buffer::new(&mut self.fonts, metrics);
        buffer.set_wrap(Wrap::WordOrGlyph);
        buffer.set_size(Some(width), None);
        let attrs = self.face.attrs(style.bold);
        buffer.set_text(text, &attrs, Shaping::Advanced, Some(Align::Left));
        buffer.shape_until_scroll(&mut self.fonts, false);
        let lines = buffer.layout_runs().map(|run| SetLine {
            glyphs: run
                .glyphs
                .iter()
                .filter(|glyph| is_shown(&run, glyph))
                .map(|glyph| set(glyph, 0.0, 0.0))
                .collect(),
            width: run.line_w,
        });
        lines.collect()
    }
}

impl SetPage {
    /// Puts a line at a place.
    pub(in crate::pages) fn put(&mut self, line: &SetLine, x: f32, baseline: f32) {
        let moved = |glyph: &SetGlyph| SetGlyph {
            x: glyph.x + x,
            y: glyph.y + baseline,
            ..*glyph
        };
        self.glyphs.extend(line.glyphs.iter().map(moved));
    }

    /// Draws a bar.
    pub(in crate::pages) fn bar(&mut self, rule: Rule) {
        self.rules.push(rule);
    }
}

impl SetLine {
    /// Leaves out the letters behind `width` points.
    pub(in crate::pages) fn shorten(&mut self, width: f32) {
        if self.width <= width {
            return;
        }
        let before = self.glyphs.len();
        self.glyphs.retain(|glyph| glyph.x + glyph.advance <= width);
        if self.glyphs.len() < before {
            let ends = self.glyphs.iter().map(|glyph| glyph.x + glyph.advance);
            self.width = ends.fold(0.0, f32::max);
        }
    }

    /// Puts another line behind its end.
    pub(in crate::pages) fn append(&mut self, other: &SetLine) {
        let end = self.width;
        let moved = |glyph: &SetGlyph| SetGlyph {
            x: glyph.x + end,
            ..*glyph
        };
        self.glyphs.extend(other.glyphs.iter().map(moved));
        self.width += other.width;
    }
}
