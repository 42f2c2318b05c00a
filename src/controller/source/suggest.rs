//! "Did you mean": the candidate nearest to a mistyped word.

/// The candidate within a third of the word's length in edits (swapping neighbours is one edit), nearest first.
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let allowed = (word.len() / 3).max(1);
    let mut best = None;
    for candidate in candidates {
        let letters: Vec<char> = candidate.to_lowercase().chars().collect();
        if letters.len().abs_diff(word.len()) > allowed {
            continue;
        }
        let edits = distance(&word, &letters);
        // Two single letters always are one edit apart, which says nothing.
        if edits <= allowed && edits < word.len().max(letters.len()) && best.is_none_or(|(least, _)| edits < least) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(a: &[char], b: &[char]) -> usize {
    let (mut before, mut above): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut least = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        let words = ["become", "hosts", "handlers", "gather_facts", "tasks", "vars"];
        let table = [("host", "hosts"), ("taks", "tasks"), ("gather_fact", "gather_facts"), ("Becoem", "become")];
        for (typed, meant) in table {
            assert_eq!(suggest(typed, words), Some(meant), "{typed}");
        }
    }

    #[test]
    fn keeps_quiet_when_nothing_is_near() {
        assert_eq!(suggest("loop", ["hosts", "when"]), None);
        assert_eq!(suggest("x", ["y", "z"]), None);
    }

    #[test]
    fn counts_a_swap_as_one_edit() {
        let letters = |word: &str| word.chars().collect::<Vec<_>>();
        assert_eq!(distance(&letters("abcd"), &letters("abdc")), 1);
        assert_eq!(distance(&letters("kitten"), &letters("sitting")), 3);
        assert_eq!(distance(&letters(""), &letters("abc")), 3);
    }
}
