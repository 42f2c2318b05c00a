//! Reads YAML as Ansible does: `PyYAML`'s 1.1 words, `!vault`, `!unsafe`, merge keys, and vault-encrypted whole files.

use std::{path::Path, sync::Arc};

use libyaml_safer::Parser;

use super::{
    Diagnostic, Diagnostics, Node, Shape, SourceFile, Span,
    composer::{Composer, Marks},
};
use crate::controller::vault::{self, Keyring};

/// Reads all documents of a file that is already in memory; an empty document is `Null`, and so is an empty file.
/// `None` when there was a syntax error, which is then among the diagnostics.
pub fn parse(file: &Arc<SourceFile>, secrets: &Keyring, diagnostics: &mut Diagnostics) -> Option<Vec<Node>> {
    parse_text(&file.text, file, Marks { trusted: true, secret: false }, secrets, diagnostics)
}

/// Like [`parse`] for text that did not come from the user's own files: no string in it is a template.
pub fn parse_untrusted(file: &Arc<SourceFile>, secrets: &Keyring, diagnostics: &mut Diagnostics) -> Option<Vec<Node>> {
    parse_text(&file.text, file, Marks { trusted: false, secret: false }, secrets, diagnostics)
}

/// Reads a file and all its documents. A file that is a vault is opened first; every string from it is secret, and its
/// spans point into a copy with stars for characters, so that no diagnostic can show it.
pub fn load(path: &Path, secrets: &Keyring, diagnostics: &mut Diagnostics) -> Option<Vec<Node>> {
    let file = SourceFile::read(path).map_err(|diagnostic| diagnostics.push(diagnostic)).ok()?;
    if !vault::is_vault(&file.text) {
        return parse(&file, secrets, diagnostics);
    }
    let header = Span::at(&file, 0, file.text.find('\n').unwrap_or(file.text.len()));
    let plain = match secrets.open(&file.text) {
        Ok(plain) => plain,
        Err(error) => {
            diagnostics.push(vault_diagnostic(&header, &error));
            return None;
        }
    };
    let Ok(text) = std::str::from_utf8(plain.expose()) else {
        diagnostics.push(Diagnostic::error(&header, "the decrypted content is not UTF-8 text"));
        return None;
    };
    let stars = text.bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }).collect::<String>();
    let masked = SourceFile::new(path, stars);
    parse_text(text, &masked, Marks { trusted: true, secret: true }, secrets, diagnostics)
}

/// The first document of a file, for files that hold one value. An empty file is `Null`.
pub fn load_one(path: &Path, secrets: &Keyring, diagnostics: &mut Diagnostics) -> Option<Node> {
    let documents = load(path, secrets, diagnostics)?;
    if let Some(second) = documents.get(1) {
        let finding = Diagnostic::error(&second.span, "a second document begins here, only one is allowed");
        diagnostics.push(finding.hint("remove the `---` above it"));
        return None;
    }
    documents.into_iter().next()
}

/// A vault error as a finding, with advice where there is any.
pub(super) fn vault_diagnostic(span: &Span, error: &vault::VaultError) -> Diagnostic {
    let finding = Diagnostic::error(span, error.to_string());
    match error {
        vault::VaultError::NoPassword(_) | vault::VaultError::WrongPassword { .. } => {
            finding.hint("give the password with `--vault-id`, `--vault-password-file` or `--ask-vault-pass`")
        }
        _ => finding,
    }
}

fn parse_text(
    text: &str,
    file: &Arc<SourceFile>,
    marks: Marks,
    secrets: &Keyring,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<Node>> {
    let is_json =
        text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if is_json && (text.contains("\\ud") || text.contains("\\uD")) {
        // JSON writes characters outside the basic plane as two escapes, which YAML does not know.
        let value = serde_json::from_str(text).ok()?;
        return Some(vec![Node::from_json(&value, &Span::whole(file), marks)]);
    }
    // libyaml swallows the mark without counting it.
    let (offset, content) = text.strip_prefix('\u{feff}').map_or((0, text), |rest| (text.len() - rest.len(), rest));
    let mut input = content.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut input);
    let mut documents = Composer::new(parser, file, offset, marks, is_json, secrets, diagnostics).stream()?;
    if documents.is_empty() {
        documents.push(Node { span: Span::at(file, 0, 0), shape: Shape::Null });
    }
    Some(documents)
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
