//! Options of modules as typed fields: one declaration gives the struct, its coercions and its manual.

use std::path::PathBuf;

use crate::protocol::{Blob, Json, Map};

mod coerce;
mod mode;

pub use coerce::expand_path;
pub(crate) use mode::BAD_CLAUSE;
pub use mode::Mode;

/// What one option is, for the parser, the static check and the manual.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// Ansible's name.
    pub name: &'static str,
    /// Other names that mean the same.
    pub aliases: &'static [&'static str],
    /// What values it takes.
    pub kind: Kind,
    /// Whether it must be given.
    pub required: bool,
    /// Its default as written in the source.
    pub default: Option<&'static str>,
    /// Its manual.
    pub doc: &'static str,
}

impl OptionSpec {
    /// Whether the option goes by that name: its own, an alias, or one of them with hyphens (`update-cache`).
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        let underscored = name.replace('-', "_");
        [name, &underscored].iter().any(|name| self.name == *name || self.aliases.contains(name))
    }
}

/// What values an option takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Text; numbers and booleans are written out.
    Str,
    /// A boolean or one of its names (`yes`, `on`, `1` …).
    Bool,
    /// A whole number, or text that is one.
    Int,
    /// A number, or text that is one.
    Float,
    /// A path on the host; `~` and `$VARIABLES` are expanded there.
    Path,
    /// Permissions: octal, symbolic or `preserve`.
    Mode,
    /// A list, or text with commas.
    List(&'static Kind),
    /// A mapping.
    Map,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Anything.
    Any,
    /// Content put there by the controller, never by a user.
    Blob,
}

/// A type that an option may have.
pub trait OptionType: Sized {
    /// What values it takes.
    const KIND: Kind;
    /// What it is when it is not given; `None` makes the option required.
    #[must_use]
    fn missing() -> Option<Self> {
        None
    }
    /// Reads a value, coercing as Ansible does.
    ///
    /// # Errors
    /// What was expected and what was found.
    fn read(value: &Json) -> Result<Self, String>;
}

/// A set of options, as declared with [`options!`](crate::options).
pub trait Options: Sized {
    /// Doc comment of the struct.
    const DOC: &'static str;
    /// All options, those of included sets too.
    fn spec() -> Vec<OptionSpec>;
    /// Reads what is there under the canonical names; unknown names are not its business.
    ///
    /// # Errors
    /// Every problem, a sentence each.
    fn read(map: &Map) -> Result<Self, Vec<String>>;

    /// Reads a whole set: canonical names and aliases, nothing unknown.
    ///
    /// # Errors
    /// Every problem, a sentence each.
    fn parse(map: &Map) -> Result<Self, Vec<String>> {
        let canonical = coerce::canonical(&Self::spec(), map)?;
        Self::read(&canonical)
    }
}

/// An option that takes one of a few words, as declared with [`choices!`](crate::choices).
pub trait Choice: Sized + Copy {
    /// The words, canonical ones first.
    const WORDS: &'static [&'static str];
    /// The value a word stands for.
    fn of(word: &str) -> Option<Self>;
    /// The canonical word.
    fn word(self) -> &'static str;
}

/// Declares a module's options: a struct whose fields are the options.
///
/// `name: Type [alias other] = default,`: `Option<T>` may be left out, a `Type` without default is required, `Vec<T>` and maps are
/// empty when left out. A last line `..field: Type` includes another set.
#[macro_export]
macro_rules! options {
    (
        $(#[doc = $about:expr])*
        $vis:vis struct $name:ident {
            $( $(#[doc = $doc:expr])* $field:ident : $ty:ty $([ $($alias:ident)* ])? $(= $default:expr)? , )*
            $( .. $part:ident : $partty:ty $(,)? )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug)]
        $vis struct $name {
            $( $(#[doc = $doc])* pub $field: $ty, )*
            $( #[doc = "Options shared with other modules."] pub $part: $partty, )*
        }

        impl $crate::remote::Options for $name {
            const DOC: &'static str = concat!($($about, "\n",)*);

            fn spec() -> Vec<$crate::remote::OptionSpec> {
                #[allow(unused_mut, reason = "only sets with parts grow")]
                let mut spec = vec![$(
                    $crate::remote::OptionSpec {
                        name: $crate::remote::options::plain(stringify!($field)),
                        aliases: &[$($(stringify!($alias)),*)?],
                        kind: <$ty as $crate::remote::OptionType>::KIND,
                        required: $crate::options!(@required $ty $(, $default)?),
                        default: $crate::options!(@default $($default)?),
                        doc: concat!($($doc, "\n",)* ""),
                    },
                )*];
                $( spec.extend(<$partty as $crate::remote::Options>::spec()); )*
                spec
            }

            #[allow(
                clippy::useless_conversion,
                unused_mut,
                unused_variables,
                reason = "defaults are written in the shortest form, and a module may have no options"
            )]
            fn read(map: &$crate::protocol::Map) -> Result<Self, Vec<String>> {
                let mut problems = Vec::new();
                $(
                    let $field = $crate::remote::options::field::<$ty>(
                        map,
                        $crate::remote::options::plain(stringify!($field)),
                        || $crate::options!(@value $ty $(, $default)?),
                        &mut problems,
                    );
                )*
                $( let $part = <$partty as $crate::remote::Options>::read(map).map_err(|more| problems.extend(more)).ok(); )*
                match ($($field,)* $($part,)*) {
                    ($(Some($field),)* $(Some($part),)*) if problems.is_empty() => Ok(Self { $($field,)* $($part,)* }),
                    _ => Err(problems),
                }
            }
        }
    };
    (@required $ty:ty) => { <$ty as $crate::remote::OptionType>::missing().is_none() };
    (@required $ty:ty, $default:expr) => { false };
    (@default) => { None };
    (@default $default:expr) => { Some(stringify!($default)) };
    (@value $ty:ty) => { <$ty as $crate::remote::OptionType>::missing() };
    (@value $ty:ty, $default:expr) => { Some($default.into()) };
}

/// Declares an option that takes one of a few words: `enum State { Present = "present" "installed", Absent = "absent" }`.
#[macro_export]
macro_rules! choices {
    ($(#[doc = $about:expr])* $vis:vis enum $name:ident { $( $(#[doc = $doc:expr])* $variant:ident = $word:literal $($other:literal)* ),* $(,)? }) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $( $(#[doc = $doc])* #[doc = concat!("`", $word, "`")] $variant, )* }

        impl $crate::remote::Choice for $name {
            const WORDS: &'static [&'static str] = &[$($word,)* $($($other,)*)*];
            fn of(word: &str) -> Option<Self> {
                match word { $( $word $(| $other)* => Some(Self::$variant), )* _ => None }
            }
            fn word(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }
        }

        impl $crate::remote::OptionType for $name {
            const KIND: $crate::remote::Kind = $crate::remote::Kind::Choice(<$name as $crate::remote::Choice>::WORDS);
            fn read(value: &$crate::protocol::Json) -> Result<Self, String> {
                $crate::remote::options::choice(value)
            }
        }
    };
}

/// The option's name behind a field's name (`r#type` is `type`).
#[must_use]
pub fn plain(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// Reads one field, noting what is wrong with it.
pub fn field<T: OptionType>(
    map: &Map,
    name: &str,
    missing: impl FnOnce() -> Option<T>,
    problems: &mut Vec<String>,
) -> Option<T> {
    match map.get(name) {
        None => {
            let value = missing();
            if value.is_none() {
                problems.push(format!("missing required arguments: {name}"));
            }
            value
        }
        Some(value) => T::read(value).map_err(|problem| problems.push(format!("option {name}: {problem}"))).ok(),
    }
}

/// Reads one of a few words.
///
/// # Errors
/// When the value is not one of them.
pub fn choice<C: Choice>(value: &Json) -> Result<C, String> {
    let word = coerce::text(value)?;
    // YAML 1.1 reads `on`, `yes` and their opposites as booleans before a module sees them.
    let candidates: &[&str] = match value {
        Json::Bool(true) => &["true", "yes", "on"],
        Json::Bool(false) => &["false", "no", "off"],
        _ => &[&word],
    };
    candidates
        .iter()
        .find_map(|word| C::of(word))
        .ok_or_else(|| format!("must be one of: {}, got: {word}", C::WORDS.join(", ")))
}

impl<T: OptionType> OptionType for Option<T> {
    const KIND: Kind = T::KIND;
    fn missing() -> Option<Self> {
        Some(None)
    }
    fn read(value: &Json) -> Result<Self, String> {
        if value.is_null() { Ok(None) } else { T::read(value).map(Some) }
    }
}

impl<T: OptionType> OptionType for Vec<T> {
    const KIND: Kind = Kind::List(&T::KIND);
    fn missing() -> Option<Self> {
        Some(Self::new())
    }
    fn read(value: &Json) -> Result<Self, String> {
        coerce::list(value)?.iter().map(T::read).collect()
    }
}

impl OptionType for String {
    const KIND: Kind = Kind::Str;
    fn read(value: &Json) -> Result<Self, String> {
        coerce::text(value)
    }
}

impl OptionType for bool {
    const KIND: Kind = Kind::Bool;
    fn read(value: &Json) -> Result<Self, String> {
        coerce::boolean(value)
    }
}

impl OptionType for i64 {
    const KIND: Kind = Kind::Int;
    fn read(value: &Json) -> Result<Self, String> {
        coerce::integer(value)
    }
}

impl OptionType for f64 {
    const KIND: Kind = Kind::Float;
    fn read(value: &Json) -> Result<Self, String> {
        coerce::float(value)
    }
}

impl OptionType for PathBuf {
    const KIND: Kind = Kind::Path;
    fn read(value: &Json) -> Result<Self, String> {
        coerce::text(value).map(Self::from)
    }
}

impl OptionType for Map {
    const KIND: Kind = Kind::Map;
    fn missing() -> Option<Self> {
        Some(Self::new())
    }
    fn read(value: &Json) -> Result<Self, String> {
        coerce::mapping(value)
    }
}

impl OptionType for Json {
    const KIND: Kind = Kind::Any;
    fn read(value: &Json) -> Result<Self, String> {
        Ok(value.clone())
    }
}

impl OptionType for Blob {
    const KIND: Kind = Kind::Blob;
    fn read(value: &Json) -> Result<Self, String> {
        serde_json::from_value(value.clone()).map_err(|error| format!("not content from the controller: {error}"))
    }
}
