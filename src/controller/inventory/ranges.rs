//! Host ranges: `web[01:50]`, `db[a:f]`, `n[0:9:3]`, several per name.

/// Names one entry of an inventory may stand for; more is a typing error that would fill the memory.
const MAX_NAMES: usize = 1_000_000;
/// The order in which letters count, as Ansible has it.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Expands all ranges of a name, the leftmost varying slowest. A name without a range stands for itself.
pub fn expand(name: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    expand_into(name, &mut names)?;
    Ok(names)
}

fn expand_into(name: &str, names: &mut Vec<String>) -> Result<(), String> {
    let Some((head, range, tail)) = split(name) else {
        if names.len() == MAX_NAMES {
            return Err(format!("the range stands for more than {MAX_NAMES} hosts"));
        }
        names.push(name.to_owned());
        return Ok(());
    };
    let members = members(range).map_err(|problem| format!("in the range `[{range}]` {problem}"))?;
    for member in members {
        expand_into(&format!("{head}{member}{tail}"), names)?;
    }
    Ok(())
}

/// What stands before, in and behind the first bracket that holds a colon.
fn split(name: &str) -> Option<(&str, &str, &str)> {
    let open = name.find('[')?;
    let close = name.find(']')?;
    let range = name.get(open + 1..close)?;
    range.contains(':').then(|| (&name[..open], range, &name[close + 1..]))
}

fn members(range: &str) -> Result<Box<dyn Iterator<Item = String>>, String> {
    let parts: Vec<&str> = range.split(':').collect();
    let (first, last, step) = match parts.as_slice() {
        [first, last] => (*first, *last, "1"),
        [first, last, step] => (*first, *last, *step),
        _ => return Err("there are more than three parts".to_owned()),
    };
    let first = if first.is_empty() { "0" } else { first };
    if last.is_empty() {
        return Err("the end is missing".to_owned());
    }
    let step: usize = step.parse().ok().filter(|step| *step > 0).ok_or("the step is not a positive number")?;
    let letter = |text: &str| LETTERS.find(text).filter(|_| text.len() == 1);
    if let (Some(from), Some(to)) = (letter(first), letter(last)) {
        if from > to {
            return Err("the end comes before the begin".to_owned());
        }
        return Ok(Box::new(LETTERS[from..=to].chars().step_by(step).map(String::from)));
    }
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("`{text}` is neither a number nor a letter"));
    let (from, to) = (number(first)?, number(last)?);
    let width = if first.len() > 1 && first.starts_with('0') { first.len() } else { 0 };
    if width != 0 && width != last.len() {
        return Err("begin and end must have as many digits when the begin has leading zeros".to_owned());
    }
    if from > to {
        return Err("the end comes before the begin".to_owned());
    }
    Ok(Box::new((from..=to).step_by(step).map(move |value| format!("{value:0width$}"))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_expand_as_in_ansible() {
        let table: [(&str, &[&str]); 8] = [
            ("plain", &["plain"]),
            ("web[08:11].example", &["web08.example", "web09.example", "web10.example", "web11.example"]),
            ("n[0:9:4]", &["n0", "n4", "n8"]),
            ("[:2]", &["0", "1", "2"]),
            ("db[a:c]", &["dba", "dbb", "dbc"]),
            ("x[y:B]", &["xy", "xz", "xA", "xB"]),
            ("r[1:2]-[a:b]", &["r1-a", "r1-b", "r2-a", "r2-b"]),
            ("odd[5]", &["odd[5]"]),
        ];
        for (name, expected) in table {
            assert_eq!(expand(name).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn ranges_that_mean_nothing_are_refused() {
        let table = [
            ("w[5:1]", "before the begin"),
            ("w[c:a]", "before the begin"),
            ("w[01:100]", "as many digits"),
            ("w[1:]", "end is missing"),
            ("w[1:5:0]", "step"),
            ("w[1:2:3:4]", "three parts"),
            ("w[1:z]", "neither a number nor a letter"),
            ("w[0:999999999999]", "more than 1000000 hosts"),
        ];
        for (name, problem) in table {
            let error = expand(name).unwrap_err();
            assert!(error.contains(problem), "{name}: {error}");
        }
    }

    proptest! {
        #[test]
        fn numbers_count_up_with_equal_width(from in 0_u32..500, more in 0_u32..200, step in 1_usize..7, width in 1_usize..6) {
            let to = from + more;
            let (first, last) = (format!("{from:0width$}"), format!("{to:0width$}"));
            // Unequal widths are only an error when zeros fill them.
            prop_assume!(first.len() == last.len() || !first.starts_with('0') || first.len() == 1);
            let names = expand(&format!("h[{first}:{last}:{step}]x")).unwrap();
            let expected: Vec<u32> = (from..=to).step_by(step).collect();
            let numbers: Vec<u32> = names.iter().map(|name| name[1..name.len() - 1].parse().unwrap()).collect();
            prop_assert_eq!(numbers, expected);
            if first.len() > 1 && first.starts_with('0') {
                prop_assert!(names.iter().all(|name| name.len() == first.len() + 2));
            }
        }

        #[test]
        fn no_text_makes_it_panic(name in "[\\[\\]:a-cé0-9]{0,12}") {
            let _ = expand(&name);
        }
    }
}
