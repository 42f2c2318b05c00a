//! File permissions as Ansible writes them: octal, symbolic or `preserve`.

use crate::protocol::Json;

use super::{Kind, OptionType};

/// What is said of a clause that is none, before the clause.
pub(crate) const BAD_CLAUSE: &str = "bad symbolic permission for mode: ";

/// What permissions a file should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// These bits, `0o7777` at most.
    Bits(u32),
    /// Clauses as for chmod(1): `u=rw,g+r,o-rwx`.
    Symbolic(String),
    /// Those of the source file.
    Preserve,
}

impl Mode {
    /// The bits that a file with `current` bits should have; `umask` matters for clauses without a class.
    ///
    /// # Errors
    /// A clause that is not one.
    pub fn bits(&self, current: u32, directory: bool, umask: u32) -> Result<u32, String> {
        match self {
            Self::Bits(bits) => Ok(*bits),
            Self::Preserve => Ok(current),
            Self::Symbolic(clauses) => {
                clauses.split(',').try_fold(current, |bits, clause| apply(clause, bits, directory, umask))
            }
        }
    }
}

fn apply(clause: &str, mut bits: u32, directory: bool, umask: u32) -> Result<u32, String> {
    let bad = || format!("{BAD_CLAUSE}{clause}");
    let operator = clause.find(['+', '-', '=']).ok_or_else(bad)?;
    let (classes, mut actions) = clause.split_at(operator);
    if !classes.chars().all(|class| "ugoa".contains(class)) {
        return Err(bad());
    }
    let everyone = classes.is_empty() || classes.contains('a');
    let mask = if classes.is_empty() { !umask } else { !0 };
    while let Some(operation) = actions.chars().next() {
        let letters = &actions[1..];
        let end = letters.find(['+', '-', '=']).unwrap_or(letters.len());
        let permissions = &letters[..end];
        let executable = directory || bits & 0o111 != 0;
        let mut wanted = 0;
        let mut owned = 0;
        for (class, shift, special) in [('u', 6, 0o4000), ('g', 3, 0o2000), ('o', 0, 0)] {
            if !everyone && !classes.contains(class) {
                continue;
            }
            owned |= (0o7 << shift) | special;
            for letter in permissions.chars() {
                wanted |= match letter {
                    'r' => 0o4 << shift,
                    'w' => 0o2 << shift,
                    'x' => 0o1 << shift,
                    'X' if executable => 0o1 << shift,
                    'X' => 0,
                    's' => special,
                    't' => 0o1000,
                    'u' => ((bits >> 6) & 0o7) << shift,
                    'g' => ((bits >> 3) & 0o7) << shift,
                    'o' => (bits & 0o7) << shift,
                    _ => return Err(bad()),
                };
            }
        }
        wanted &= mask;
        bits = match operation {
            '+' => bits | wanted,
            '-' => bits & !wanted,
            '=' if everyone => (bits & !0o7777) | wanted,
            '=' => (bits & !owned) | wanted,
            _ => return Err(bad()),
        };
        actions = &letters[end..];
    }
    Ok(bits)
}

impl OptionType for Mode {
    const KIND: Kind = Kind::Mode;

    fn read(value: &Json) -> Result<Self, String> {
        let bad = || format!("not a file mode: {value}");
        match value {
            Json::Number(number) => {
                let bits = number.as_u64().and_then(|bits| u32::try_from(bits).ok()).ok_or_else(bad)?;
                if bits > 0o7777 {
                    return Err(format!("{value} is no file mode; write it in quotes and with a leading zero: '0644'"));
                }
                Ok(Self::Bits(bits))
            }
            Json::String(text) if text == "preserve" => Ok(Self::Preserve),
            Json::String(text) => match u32::from_str_radix(text.trim_start_matches("0o"), 8) {
                Ok(bits) if bits <= 0o7777 => Ok(Self::Bits(bits)),
                Ok(_) => Err(bad()),
                Err(_) => {
                    let mode = Self::Symbolic(text.clone());
                    mode.bits(0, false, 0)?;
                    Ok(mode)
                }
            },
            _ => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbolic_clauses_change_only_the_classes_they_name() {
        let mode = |text: &str| Mode::read(&Json::from(text)).unwrap();
        assert_eq!(mode("u=rw,g=r,o=").bits(0o777, false, 0o022), Ok(0o640));
        assert_eq!(mode("a+X").bits(0o644, false, 0o022), Ok(0o644));
        assert_eq!(mode("a+X").bits(0o644, true, 0o022), Ok(0o755));
        assert_eq!(mode("g-w,o+t").bits(0o775, true, 0o022), Ok(0o1755));
        assert_eq!(mode("g=u").bits(0o700, false, 0o022), Ok(0o770));
        assert_eq!(mode("+w").bits(0o444, false, 0o022), Ok(0o644));
    }

    #[test]
    fn octal_is_octal_with_and_without_a_leading_zero() {
        assert_eq!(Mode::read(&Json::from("644")), Ok(Mode::Bits(0o644)));
        assert_eq!(Mode::read(&Json::from("0644")), Ok(Mode::Bits(0o644)));
        assert_eq!(Mode::read(&Json::from(420)), Ok(Mode::Bits(0o644)));
        assert!(Mode::read(&Json::from("u=q")).is_err());
        assert!(Mode::read(&Json::from(64400)).is_err());
    }
}
