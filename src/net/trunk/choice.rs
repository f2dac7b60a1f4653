//! Which trunk a number takes: the longest fitting prefix, then the priority, then whether it answers.

use crate::config::Trunk;

/// The trunks that carry a number (as [`for_prefixes`](crate::config::numbers::Numbering::for_prefixes) gives it), the
/// first choice first. Those that are down come last: what we know of them may be old.
pub fn order(trunks: &[&Trunk], number: &str, is_down: impl Fn(usize) -> bool) -> Vec<usize> {
    let fit = |nth: usize| Some((nth, longest_fit(&trunks[nth].prefixes, number)?));
    let mut fitting: Vec<(usize, usize)> = (0..trunks.len()).filter_map(fit).collect();
    fitting.sort_by_key(|&(nth, length)| {
        let down = is_down(nth);
        (down, std::cmp::Reverse(length), trunks[nth].priority, nth)
    });
    fitting.into_iter().map(|(nth, _)| nth).collect()
}

/// The length of the longest prefix that fits; 0 where there are none, for then every number does.
fn longest_fit(prefixes: &[String], number: &str) -> Option<usize> {
    if prefixes.is_empty() {
        return Some(0);
    }
    let fitting = prefixes.iter().filter(|prefix| number.starts_with(*prefix));
    fitting.map(String::len).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunk(name: &str, prefixes: &[&str], priority: u32) -> Trunk {
        Trunk {
            prefixes: prefixes.iter().map(|p| (*p).to_owned()).collect(),
            priority,
            ..Trunk::to(name)
        }
    }

    fn names(trunks: &[Trunk], number: &str, down: &[&str]) -> Vec<String> {
        let is_down = |nth: usize| down.contains(&trunks[nth].name.as_str());
        let all: Vec<&Trunk> = trunks.iter().collect();
        let order = order(&all, number, is_down);
        order
            .into_iter()
            .map(|nth| trunks[nth].name.clone())
            .collect()
    }

    #[test]
    fn the_longest_prefix_wins_then_the_priority_then_the_order_of_the_file() {
        let trunks = [
            trunk("any", &[], 1),
            trunk("us", &["+1"], 10),
            trunk("ny", &["+1212", "+1646"], 20),
            trunk("us-cheap", &["+1"], 5),
            trunk("any-too", &[], 1),
        ];
        let carried = |number| names(&trunks, number, &[]);
        assert_eq!(
            carried("+12125550123"),
            ["ny", "us-cheap", "us", "any", "any-too"]
        );
        assert_eq!(
            carried("+12025550123"),
            ["us-cheap", "us", "any", "any-too"]
        );
        assert_eq!(carried("+442079460018"), ["any", "any-too"]);
        assert_eq!(carried("42"), ["any", "any-too"]);
    }

    #[test]
    fn a_trunk_that_is_down_is_the_last_resort() {
        let trunks = [trunk("a", &[], 1), trunk("b", &[], 2), trunk("c", &[], 3)];
        assert_eq!(names(&trunks, "+1", &["a", "b"]), ["c", "a", "b"]);
        assert_eq!(names(&trunks, "+1", &["a", "b", "c"]), ["a", "b", "c"]);
    }

    #[test]
    fn a_number_that_no_trunk_carries_has_none() {
        assert!(names(&[trunk("us", &["+1"], 1)], "+49301234", &[]).is_empty());
    }
}
