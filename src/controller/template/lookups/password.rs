//! The `password` lookup: a random password, kept in a file so that it stays.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use minijinja::{Error, Value};

use super::super::emit::python;
use super::super::filters::arguments::{invalid, is_list, items};
use super::super::filters::crypt;
use super::super::filters::paths::{expanduser, normpath};
use super::super::filters::twister::Random;
use super::{Lookup, Options, Surroundings, key_values, text_term};

pub(super) const ALL: &[Lookup] = &[Lookup::new("password", "length encrypt chars ident seed", password)];

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const SALTS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./";

fn password(around: &dyn Surroundings, terms: &[Value], options: &Options) -> Result<Vec<Value>, Error> {
    terms.iter().map(|term| one(around, &text_term("password", term)?, options).map(Value::from)).collect()
}

fn one(around: &dyn Surroundings, term: &str, options: &Options) -> Result<String, Error> {
    let (name, options) = parameters(term, options)?;
    let name = expanduser(&name);
    let path = if name.starts_with('/') { name } else { format!("{}/{name}", around.base_directory().display()) };
    let path = PathBuf::from(normpath(&path));
    let nowhere = path == Path::new("/dev/null");

    let seed = options.get("seed");
    let scheme = match options.text("encrypt").as_deref() {
        None | Some("") => None,
        Some("md5_crypt" | "md5") => Some((crypt::Scheme::Md5, 8)),
        Some("sha256_crypt" | "sha256") => Some((crypt::Scheme::Sha256, 16)),
        Some("sha512_crypt" | "sha512") => Some((crypt::Scheme::Sha512, 16)),
        Some("bcrypt" | "blowfish") => Some((crypt::Scheme::Bcrypt, 22)),
        Some(other) => {
            return Err(invalid(format!("{} is not a supported way to hash a password", python::quoted(other))));
        }
    };
    let known = if nowhere { None } else { read(&path)? };
    let mut kept = match &known {
        Some(content) => Kept::parse(content),
        None => Kept { password: draw(&options, seed)?, salt: None, ident: None },
    };
    let mut changed = known.is_none();
    if let Some((scheme, size)) = scheme {
        if kept.salt.is_none() {
            kept.salt = Some(pick(&SALTS.chars().collect::<Vec<_>>(), size, None));
            changed = true;
        }
        let wanted = options.text("ident").or_else(|| (scheme == crypt::Scheme::Bcrypt).then(|| "2b".to_owned()));
        if scheme == crypt::Scheme::Bcrypt && kept.ident.is_none() {
            kept.ident = wanted;
            changed = true;
        }
    }
    if changed && !nowhere {
        // Another run may have been first: then its password counts.
        if let Some(content) = write(&path, &kept.content(), known.is_some())? {
            kept = Kept::parse(&content);
        }
    }
    match scheme {
        None => Ok(kept.password),
        Some((scheme, _)) => {
            let settings = crypt::Settings { salt: kept.salt, ident: kept.ident, ..crypt::Settings::default() };
            crypt::hash(scheme, kept.password.as_bytes(), &settings)
        }
    }
}

/// The path of a term and the options, with those the term itself names.
fn parameters(term: &str, options: &Options) -> Result<(String, Options), Error> {
    let mut options = options.clone();
    let Some((first, rest)) = term.split_once(' ') else { return Ok((term.to_owned(), options)) };
    let (bare, pairs) = key_values(rest)?;
    let mut path = first.to_owned();
    for word in bare {
        path.push(' ');
        path.push_str(&word);
    }
    if !term.starts_with(&path) {
        return Err(invalid("Unrecognized value after key=value parameters given to password lookup"));
    }
    for (name, value) in pairs {
        if !ALL[0].options.split(' ').any(|known| known == name) {
            return Err(invalid(format!("Unrecognized parameter(s) given to password lookup: {name}")));
        }
        options.set(&name, Value::from(value));
    }
    Ok((path, options))
}

fn draw(options: &Options, seed: Option<&Value>) -> Result<String, Error> {
    let length = match options.text("length") {
        Some(text) => text
            .trim()
            .parse()
            .map_err(|_| invalid(format!("length must be a number, not {}", python::quoted(&text))))?,
        None => 20_usize,
    };
    let sets: Vec<String> = match options.get("chars") {
        Some(list) if is_list(list) => items(list)?.iter().map(python::text).collect(),
        Some(text) => {
            let text = python::text(text);
            let comma = text.contains(",,").then(|| ",".to_owned());
            comma
                .into_iter()
                .chain(text.replace(",,", ",").split(',').filter(|set| !set.is_empty()).map(str::to_owned))
                .collect()
        }
        None => ["ascii_letters", "digits", ".,:-_"].map(str::to_owned).to_vec(),
    };
    let candidates: Vec<char> = sets
        .iter()
        .flat_map(|set| named(set).chars().collect::<Vec<_>>())
        .filter(|c| !matches!(c, '"' | '\''))
        .collect();
    if candidates.is_empty() {
        return Err(invalid("the password lookup has no characters to choose from"));
    }
    Ok(pick(&candidates, length.min(1_000_000), seed))
}

fn named(set: &str) -> String {
    match set {
        "ascii_letters" => LETTERS.to_owned(),
        "ascii_lowercase" => LETTERS[..26].to_owned(),
        "ascii_uppercase" => LETTERS[26..].to_owned(),
        "digits" => "0123456789".to_owned(),
        "hexdigits" => "0123456789abcdefABCDEF".to_owned(),
        "octdigits" => "01234567".to_owned(),
        "punctuation" => "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".to_owned(),
        "whitespace" => " \t\n\r\u{b}\u{c}".to_owned(),
        other => other.to_owned(),
    }
}

fn pick(candidates: &[char], length: usize, seed: Option<&Value>) -> String {
    let mut random = Random::new(seed);
    (0..length).map(|_| candidates[usize::try_from(random.below(candidates.len() as u128)).unwrap_or(0)]).collect()
}

/// What the file holds: the password and what its hash needs to come out the same.
struct Kept {
    password: String,
    salt: Option<String>,
    ident: Option<String>,
}

impl Kept {
    fn parse(content: &str) -> Self {
        let Some((password, rest)) = content.rsplit_once(" salt=") else {
            return Self { password: content.to_owned(), salt: None, ident: None };
        };
        let (salt, ident) =
            rest.rsplit_once(" ident=").map_or((rest, None), |(salt, ident)| (salt, Some(ident.to_owned())));
        Self { password: password.to_owned(), salt: (!salt.is_empty()).then(|| salt.to_owned()), ident }
    }

    fn content(&self) -> String {
        let mut out = self.password.clone();
        if let Some(salt) = &self.salt {
            out.push_str(" salt=");
            out.push_str(salt);
            if let Some(ident) = &self.ident {
                out.push_str(" ident=");
                out.push_str(ident);
            }
        }
        out
    }
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(content) => Ok(Some(content.trim_end().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(invalid(format!("cannot read the password file {}: {error}", path.display()))),
    }
}

/// Writes the file whole and for its owner alone. Without `replace`, a file that came into being meanwhile is kept
/// and its content returned.
fn write(path: &Path, content: &str, replace: bool) -> Result<Option<String>, Error> {
    let failed = |error: std::io::Error| invalid(format!("cannot write the password file {}: {error}", path.display()));
    let directory = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let mut file = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)
        .map_err(failed)?;
    writeln!(file, "{content}").map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    if replace {
        file.persist(path).map_err(|error| failed(error.error))?;
        return Ok(None);
    }
    match file.persist_noclobber(path) {
        Ok(_) => Ok(None),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(failed(error.error)),
    }
}
