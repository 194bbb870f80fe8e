//! Makes components of core modules, and reads them.

use anyhow::{Result, bail};
use wasm_encoder::{ComponentSection as _, CustomSection};
use wasm_metadata::{AddMetadata, AddMetadataField};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm};

/// What a component says of itself. What is empty is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, in a sentence.
    pub description: String,
    /// Who made it.
    pub authors: String,
    /// Its licence, as an SPDX expression.
    pub licenses: String,
    /// Where its source is.
    pub source: String,
    /// Where more is to be read of it.
    pub homepage: String,
}

/// Makes a component of a core module, and writes into it what it is, and these sections.
///
/// # Errors
///
/// Where the module is of no world.
pub fn encode(core: &[u8], about: &About, sections: &[(&str, &str)]) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default().validate(true).module(core)?.encode()?;
    let mut metadata = AddMetadata::default();
    metadata.name = AddMetadataField::Set(about.name.clone());
    let mut component = metadata.to_wasm(&component)?;
    // As registries read them: <https://github.com/WebAssembly/tool-conventions>.
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

/// The text of a custom section; none if the component has none of this name.
///
/// # Errors
///
/// Where the bytes are no component.
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

/// What a component imports, which is what it asks for.
///
/// # Errors
///
/// Where the bytes are no component.
pub fn imports(component: &[u8]) -> Result<Vec<String>> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else { bail!("not a component") };
    let Some(world) = resolve.worlds.get(world) else { bail!("not a component") };
    Ok(world.imports.keys().map(|key| resolve.name_world_key(key)).collect())
}

#[cfg(test)]
mod tests;
