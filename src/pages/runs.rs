//! Runs of pels that are alike, counted many at a time.

/// Pels that are looked at together.
const CHUNK: usize = 32;

/// How many pels are alike from the first one on.
pub(super) fn forth(levels: &[u8], is_alike: impl Fn(u8) -> bool) -> usize {
    let chunks = levels.as_chunks::<CHUNK>().0.iter();
    let whole = CHUNK * chunks.take_while(|chunk| all(chunk, &is_alike)).count();
    let rest = levels[whole..].iter();
    whole + rest.take_while(|level| is_alike(**level)).count()
}

/// How many are alike from the last one back.
pub(super) fn back(levels: &[u8], is_alike: impl Fn(u8) -> bool) -> usize {
    let chunks = levels.as_rchunks::<CHUNK>().1.iter().rev();
    let whole = CHUNK * chunks.take_while(|chunk| all(chunk, &is_alike)).count();
    let rest = levels[..levels.len() - whole].iter().rev();
    whole + rest.take_while(|level| is_alike(**level)).count()
}

/// Without a branch for each.
fn all(chunk: &[u8; CHUNK], is_alike: impl Fn(u8) -> bool) -> bool {
    chunk.iter().fold(true, |all, level| all & is_alike(*level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_as_long_as_one_counted_pel_by_pel() {
        for len in [0, 1, 31, 32, 33, 64, 100] {
            for odd in 0..=len {
                let mut levels = vec![7; len];
                if let Some(level) = levels.get_mut(odd) {
                    *level = 8;
                }
                let behind = (len - odd).saturating_sub(1);
                assert_eq!(forth(&levels, |level| level == 7), odd, "{len}");
                let expected = if odd < len { behind } else { len };
                assert_eq!(back(&levels, |level| level == 7), expected, "{len} {odd}");
            }
        }
    }
}
