//! Filters that lay text out in lines.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::super::emit::python;
use super::Filter;
use super::arguments::{Arguments, invalid};

pub(super) const ALL: &[Filter] = &[
    Filter::new("indent", "s width first blank", indent),
    Filter::new("wordwrap", "s width break_long_words wrapstring break_on_hyphens", wordwrap),
    Filter::new("truncate", "s length killwords end leeway", truncate),
];

type Outcome = Result<Value, Error>;

/// `str.splitlines`: every line break Python knows ends a line.
pub(in super::super) fn lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let (mut lines, mut start) = (Vec::new(), 0);
    let mut characters = text.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        if !matches!(
            character,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        ) {
            continue;
        }
        let mut end = index + character.len_utf8();
        if character == '\r' && characters.next_if(|(_, next)| *next == '\n').is_some() {
            end += 1;
        }
        lines.push(if keep_ends { &text[start..end] } else { &text[start..index] });
        start = end;
    }
    if start < text.len() {
        lines.push(&text[start..]);
    }
    lines
}

fn indent(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = args.text("s")?;
    let lead = match args.some("width") {
        Some(width) if width.kind() == ValueKind::String => python::text(width),
        _ => " ".repeat(args.size("width")?.unwrap_or(4)),
    };
    let (first, blank) = (args.flag("first"), args.flag("blank"));
    // A final line break is kept, and nothing is put after it unless blank lines count.
    let whole = format!("{text}\n");
    let parts = lines(&whole, false);
    let mut out = String::new();
    for (number, line) in parts.iter().enumerate() {
        if number > 0 {
            out.push('\n');
            if blank || !line.is_empty() {
                out.push_str(&lead);
            }
        } else if first {
            out.push_str(&lead);
        }
        out.push_str(line);
    }
    Ok(Value::from(out))
}

fn wordwrap(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = args.text("s")?;
    let width = args.size("width")?.unwrap_or(79).max(1);
    let separator = args.text_or("wrapstring", "\n");
    let (long, hyphens) = (args.flag_or("break_long_words", true), args.flag_or("break_on_hyphens", true));
    let wrapped: Vec<String> =
        lines(&text, false).into_iter().map(|line| wrap(line, width, long, hyphens).join(&separator)).collect();
    Ok(Value::from(wrapped.join(&separator)))
}

/// Words and the blanks between them; hyphenated words come apart where two letters stand on both sides.
fn chunks(line: &str, hyphens: bool) -> Vec<String> {
    let characters: Vec<char> = line.chars().collect();
    let word = |at: usize| characters.get(at).is_some_and(|character| character.is_alphanumeric() || *character == '_');
    let letter = |at: usize| word(at) && characters.get(at).is_some_and(|character| !character.is_numeric());
    let mut chunks: Vec<String> = Vec::new();
    for (at, character) in characters.iter().enumerate() {
        let hyphenated = hyphens
            && at >= 3
            && characters[at - 1] == '-'
            && letter(at - 2)
            && word(at - 3)
            && word(at)
            && (at + 1..characters.len()).take_while(|next| word(*next)).any(letter);
        match chunks.last_mut() {
            Some(last) if !hyphenated && characters[at - 1].is_whitespace() == character.is_whitespace() => {
                last.push(*character);
            }
            _ => chunks.push(character.to_string()),
        }
    }
    chunks
}

fn wrap(line: &str, width: usize, break_long: bool, hyphens: bool) -> Vec<String> {
    let mut rest: std::collections::VecDeque<String> = chunks(line, hyphens).into();
    let size = |text: &str| text.chars().count();
    let mut lines: Vec<String> = Vec::new();
    while !rest.is_empty() {
        let (mut current, mut used) = (Vec::new(), 0);
        if !lines.is_empty() && rest.front().is_some_and(|chunk| chunk.trim().is_empty()) {
            rest.pop_front();
        }
        while let Some(chunk) = rest.front() {
            if used + size(chunk) > width {
                break;
            }
            used += size(chunk);
            current.extend(rest.pop_front());
        }
        if let Some(chunk) = rest.front().filter(|chunk| size(chunk) > width).cloned() {
            let room = width - used;
            if break_long {
                let mut cut = chunk.char_indices().nth(room).map_or(chunk.len(), |(index, _)| index);
                if let Some(hyphen) =
                    chunk[..cut].rfind('-').filter(|at| hyphens && chunk[..*at].contains(|c| c != '-'))
                {
                    cut = hyphen + 1;
                }
                // Even nothing counts as a piece, so blanks before it stay.
                current.push(chunk[..cut].to_owned());
                chunk[cut..].clone_into(&mut rest[0]);
            } else if current.is_empty() {
                current.extend(rest.pop_front());
            }
        }
        if current.last().is_some_and(|chunk| chunk.trim().is_empty()) {
            current.pop();
        }
        if !current.is_empty() {
            lines.push(current.concat());
        }
    }
    lines
}

fn truncate(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = args.text("s")?;
    let length = args.size("length")?.unwrap_or(255);
    let end = args.text_or("end", "...");
    let leeway = args.size("leeway")?.unwrap_or(5);
    let size = text.chars().count();
    let tail = end.chars().count();
    if length < tail {
        return Err(invalid(format!("expected length >= {tail}, got {length}")));
    }
    if size <= length + leeway {
        return Ok(Value::from(text));
    }
    let kept: String = text.chars().take(length - tail).collect();
    if args.flag("killwords") {
        return Ok(Value::from(kept + &end));
    }
    let words = kept.rsplit_once(' ').map_or(kept.as_str(), |(words, _)| words);
    Ok(Value::from(format!("{words}{end}")))
}
