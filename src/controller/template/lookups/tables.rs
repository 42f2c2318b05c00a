//! The `csvfile` lookup: rows of separated values.

use minijinja::{Error, Value};

use super::super::emit::python;
use super::super::filters::arguments::{invalid, is_list, items};
use super::files::contents;
use super::{Lookup, Options, Surroundings, find_file, key_values, text_term};

pub(super) const ALL: &[Lookup] = &[Lookup::new("csvfile", "col keycol default delimiter file encoding", csvfile)];

fn csvfile(around: &dyn Surroundings, terms: &[Value], options: &Options) -> Result<Vec<Value>, Error> {
    let missing = || invalid("Search key is required but was not found");
    if terms.is_empty() {
        return Err(missing());
    }
    let mut out = Vec::new();
    for term in terms {
        let mut options = options.clone();
        let (bare, pairs) = key_values(&text_term("csvfile", term)?)?;
        if bare.is_empty() {
            return Err(missing());
        }
        for (name, value) in pairs {
            if !ALL[0].options.split(' ').any(|known| known == name) {
                return Err(invalid(format!("{} is not a valid option", python::quoted(&name))));
            }
            options.set(&name, Value::from(value));
        }
        let key = bare.join(" ");
        let column = |name: &str, default: usize| match options.text(name) {
            Some(text) => text.trim().parse().map_err(|_| {
                invalid(format!("{name} has an invalid value: {} is no column number", python::quoted(&text)))
            }),
            None => Ok(default),
        };
        let (column, key_column) = (column("col", 1)?, column("keycol", 0)?);
        let delimiter = match options.text("delimiter").as_deref() {
            None | Some("TAB") => '\t',
            Some(text) => {
                let mut characters = text.chars();
                match (characters.next(), characters.next()) {
                    (Some(only), None) => only,
                    _ => return Err(invalid("\"delimiter\" must be a 1-character string")),
                }
            }
        };
        let name = options.text("file").unwrap_or_else(|| "ansible.csv".to_owned());
        if find_file(around, Some("files"), &name).is_none() {
            return Err(invalid(format!("csvfile: {}: No such file or directory", python::quoted(&name))));
        }
        let text = contents(around, "csvfile", &Value::from(name))?;
        let mut found = None;
        for row in rows(&text, delimiter) {
            if row.is_empty() {
                continue;
            }
            if *row.get(key_column).ok_or_else(|| invalid("csvfile: list index out of range"))? == key {
                let cell = row.get(column).ok_or_else(|| invalid("csvfile: list index out of range"))?;
                found = Some(Value::from(cell.as_str()));
                break;
            }
        }
        match found.or_else(|| options.get("default").cloned()) {
            Some(list) if is_list(&list) => out.extend(items(&list)?),
            Some(value) => out.push(value),
            None => {}
        }
    }
    Ok(out)
}

/// Rows of cells; quoted cells may hold delimiters, line breaks and doubled quotes.
fn rows(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut began) = (false, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if quoted {
            match character {
                '"' if characters.next_if_eq(&'"').is_some() => cell.push('"'),
                '"' => quoted = false,
                _ => cell.push(character),
            }
            continue;
        }
        match character {
            '"' if cell.is_empty() => {
                quoted = true;
                began = true;
            }
            '\r' | '\n' => {
                if character == '\r' {
                    characters.next_if_eq(&'\n');
                }
                if began {
                    row.push(std::mem::take(&mut cell));
                }
                rows.push(std::mem::take(&mut row));
                began = false;
            }
            _ if character == delimiter => {
                row.push(std::mem::take(&mut cell));
                began = true;
            }
            _ => {
                cell.push(character);
                began = true;
            }
        }
    }
    if began {
        row.push(cell);
        rows.push(row);
    }
    rows
}
