//! Which frames of a page are new: what counts as headway of a call, and repeats do not.

/// The frames of the partial page (T.30 annex A: up to 256) that is on the line.
#[derive(Debug, Default)]
pub(super) struct Block {
    seen: [u64; 4],
}

impl Block {
    /// Frame `number` passes with data; true where it is the first of that number in this block.
    pub(super) fn is_new(&mut self, number: u8) -> bool {
        let (word, bit) = (usize::from(number >> 6), 1 << (number & 63));
        let is_new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        is_new
    }

    /// The block is confirmed: the next begins.
    pub(super) fn confirmed(&mut self) {
        *self = Block::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_not_new_until_the_block_is_confirmed() {
        let mut block = Block::default();
        assert!((0..=255).all(|number| block.is_new(number)));
        assert!(!(0..=255).any(|number| block.is_new(number)));
        block.confirmed();
        assert!(block.is_new(200) && !block.is_new(200));
    }
}
