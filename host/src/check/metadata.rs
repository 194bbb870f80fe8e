//! What a component says of itself, in custom sections that registries read too.
//! <https://github.com/WebAssembly/tool-conventions>

use serde::Serialize;
use wasmparser::{ComponentName, ComponentNameSectionReader, KnownCustom, Parser, Payload};

use crate::chat::plain::{self, SENTENCE};

/// What a component says of itself. It is not verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Metadata {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Its authors.
    pub authors: Option<String>,
    /// Its licences, as an SPDX expression.
    pub licenses: Option<String>,
    /// The URL of its source.
    pub source: Option<String>,
    /// The URL of its homepage.
    pub homepage: Option<String>,
    /// The revision of its source.
    pub revision: Option<String>,
}

impl Metadata {
    /// Reads the metadata of these bytes, as far as they are valid.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut metadata = Self::default();
        // How deep inside of the component. Only the outermost level describes the whole.
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload {
                Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
                Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
                Ok(Payload::CustomSection(section)) if depth == 0 => match section.as_known() {
                    KnownCustom::ComponentName(names) => metadata.name = name(names),
                    _ => metadata.take(section.name(), section.data()),
                },
                Ok(_) => {}
                Err(_) => break,
            }
        }
        metadata
    }

    fn take(&mut self, section: &str, data: &[u8]) {
        let field = match section {
            "version" => &mut self.version,
            "description" => &mut self.description,
            "authors" => &mut self.authors,
            "licenses" => &mut self.licenses,
            "source" => &mut self.source,
            "homepage" => &mut self.homepage,
            "revision" => &mut self.revision,
            _ => return,
        };
        *field = Some(plain(&String::from_utf8_lossy(data))).filter(|text| !text.is_empty());
    }
}

fn name(names: ComponentNameSectionReader<'_>) -> Option<String> {
    names.into_iter().find_map(|name| match name {
        Ok(ComponentName::Component { name, .. }) => Some(plain(name)),
        _ => None,
    })
}

fn plain(text: &str) -> String {
    plain::line(text.trim(), SENTENCE).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        for (name, data) in sections {
            let length = u8::try_from(1 + name.len() + data.len()).expect("a short section");
            bytes.extend([0, length, u8::try_from(name.len()).expect("a short name")]);
            bytes.extend(name.as_bytes());
            bytes.extend(*data);
        }
        bytes
    }

    #[test]
    fn texts_are_read_and_cleaned() {
        let bytes = component(&[("authors", b"A\x1b[31m <a@example.com>\n"), ("licenses", b"MIT"), ("other", b"x")]);
        let metadata = Metadata::of(&bytes);
        assert_eq!(metadata.authors.as_deref(), Some(r"A\u{1b}[31m <a@example.com>"));
        assert_eq!(metadata.licenses.as_deref(), Some("MIT"));
        assert_eq!(metadata.version, None);
    }

    #[test]
    fn built_in_modules_have_metadata() {
        for module in arcllm_builtin::MODULES {
            let metadata = Metadata::of(module.wasm);
            assert_eq!(metadata.name.as_deref(), Some(module.name));
            assert!(metadata.version.is_some() && metadata.description.is_some() && metadata.licenses.is_some());
        }
    }

    #[test]
    fn damaged_bytes_do_not_panic() {
        let retry = arcllm_builtin::find("retry").expect("a built-in module").wasm;
        for end in (0..retry.len()).step_by(997) {
            Metadata::of(&retry[..end]);
        }
        assert_eq!(Metadata::of(b"not wasm"), Metadata::default());
    }
}
