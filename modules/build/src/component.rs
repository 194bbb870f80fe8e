//! Makes components from core modules, and reads components.

use anyhow::{Result, bail};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as WASI_0_1, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as WASI_0_1_ADAPTER,
};
use wasm_encoder::{ComponentSection as _, CustomSection};
use wasm_metadata::{AddMetadata, AddMetadataField};
use wasmparser::{Encoding, Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, embed_component_metadata};

use crate::world::World;

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

/// Makes a component from a core module that names its world, and adds what it says about itself and these sections. What
/// the module imports of WASI 0.1 becomes imports of WASI 0.2.
///
/// # Errors
///
/// If the module names no world, or does not fit it.
pub fn encode(core: &[u8], about: &About, sections: &[(&str, &str)]) -> Result<Vec<u8>> {
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(core)?;
    if core_module(core)?.imports.iter().any(|module| module == WASI_0_1) {
        encoder.adapter(WASI_0_1, WASI_0_1_ADAPTER)?;
    }
    tell(&encoder.encode()?, about, sections)
}

/// Adds what a component says about itself, and these sections.
///
/// # Errors
///
/// If the bytes are no component.
pub fn tell(component: &[u8], about: &About, sections: &[(&str, &str)]) -> Result<Vec<u8>> {
    let mut metadata = AddMetadata::default();
    metadata.name = AddMetadataField::Set(about.name.clone());
    let mut component = metadata.to_wasm(component)?;
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

/// What a core module says about itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CoreModule {
    /// Whether it names its world.
    pub names_world: bool,
    /// The modules that it imports from.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
}

/// Reads a core module.
///
/// # Errors
///
/// If the bytes are not WebAssembly, or are a component.
pub fn core_module(bytes: &[u8]) -> Result<CoreModule> {
    let mut found = CoreModule::default();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding: Encoding::Component, .. } => bail!("it is a component already"),
            Payload::CustomSection(section) => found.names_world |= section.name().starts_with("component-type"),
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    found.imports.push(import?.module.to_owned());
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    found.exports.push(export?.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Names the world of a core module that does not name it itself.
///
/// # Errors
///
/// If the world cannot be written.
pub fn name_world(core: &mut Vec<u8>, world: &World) -> Result<()> {
    embed_component_metadata(core, &world.resolve, world.id, StringEncoding::UTF8)
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
