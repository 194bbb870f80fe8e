//! Makes components from core modules, and reads components.

use anyhow::{Result, bail};
use wasm_encoder::{ComponentSection as _, CustomSection};
use wasm_metadata::{AddMetadata, AddMetadataField};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm};

/// What a component says about itself. Empty fields are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, in a sentence.
    pub description: String,
    /// Its authors.
    pub authors: String,
    /// Its licence, as an SPDX expression.
    pub licenses: String,
    /// The URL of its source.
    pub source: String,
    /// The URL of its home page.
    pub homepage: String,
}

/// Makes a component from a core module, and adds what it says about itself and these sections.
///
/// # Errors
///
/// If the module has no world.
pub fn encode(core: &[u8], about: &About, sections: &[(&str, &str)]) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default().validate(true).module(core)?.encode()?;
    let mut metadata = AddMetadata::default();
    metadata.name = AddMetadataField::Set(about.name.clone());
    let mut component = metadata.to_wasm(&component)?;
    // The sections that registries read: <https://github.com/WebAssembly/tool-conventions>.
    let about = [
        ("version", about.version.as_str()),
        ("description", &about.description),
        ("authors", &about.authors),
        ("licenses", &about.licenses),
        ("source", &about.source),
        ("homepage", &about.homepage),
    ];
    let about = about.iter().filter(|(_, text)| !text.is_empty());
    for (name, data) in about.chain(sections) {
        CustomSection { name: (*name).into(), data: data.as_bytes().into() }.append_to_component(&mut component);
    }
    Ok(component)
}

/// Returns the text of a custom section; none if the component has no such section.
///
/// # Errors
///
/// If the bytes are no component.
pub fn section(component: &[u8], name: &str) -> Result<Option<String>> {
    for payload in Parser::new(0).parse_all(component) {
        if let Payload::CustomSection(section) = payload?
            && section.name() == name
        {
            return Ok(Some(String::from_utf8_lossy(section.data()).into_owned()));
        }
    }
    Ok(None)
}

/// Returns the imports of a component, which are what it asks for.
///
/// # Errors
///
/// If the bytes are no component.
pub fn imports(component: &[u8]) -> Result<Vec<String>> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else { bail!("not a component") };
    let Some(world) = resolve.worlds.get(world) else { bail!("not a component") };
    Ok(world.imports.keys().map(|key| resolve.name_world_key(key)).collect())
}

#[cfg(test)]
mod tests;
