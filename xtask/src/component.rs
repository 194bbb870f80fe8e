//! Makes components of core modules, and reads them.

use anyhow::{Result, bail};
use wasm_encoder::{ComponentSection as _, CustomSection};
use wasm_metadata::{AddMetadata, AddMetadataField};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm};

use crate::workspace::Module;

/// The custom section that holds the digest of the sources.
const SOURCES: &str = "arcllm:sources";

/// Makes a component of a core module, and writes into it what it is and what it was made of.
pub(crate) fn encode(core: &[u8], module: &Module, sources: &str) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default().validate(true).module(core)?.encode()?;
    let mut metadata = AddMetadata::default();
    metadata.name = AddMetadataField::Set(module.name.clone());
    let mut component = metadata.to_wasm(&component)?;
    // Registries read the first three.
    let sections = [
        ("version", module.version.as_str()),
        ("description", &module.description),
        ("licenses", &module.license),
        (SOURCES, sources),
    ];
    for (name, data) in sections {
        CustomSection { name: name.into(), data: data.as_bytes().into() }.append_to_component(&mut component);
    }
    Ok(component)
}

/// The digest of the sources that a component was made of; none if it says none.
pub(crate) fn sources(component: &[u8]) -> Result<Option<String>> {
    for payload in Parser::new(0).parse_all(component) {
        if let Payload::CustomSection(section) = payload?
            && section.name() == SOURCES
        {
            return Ok(Some(String::from_utf8_lossy(section.data()).into_owned()));
        }
    }
    Ok(None)
}

/// What a component imports, which is what it asks for.
pub(crate) fn imports(component: &[u8]) -> Result<Vec<String>> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else { bail!("not a component") };
    let Some(world) = resolve.worlds.get(world) else { bail!("not a component") };
    Ok(world.imports.keys().map(|key| resolve.name_world_key(key)).collect())
}

#[cfg(test)]
mod tests;
