//! The imports of a component that this host cannot load.

use wasmparser::{Parser, Payload};

/// The names of what the component in these bytes imports, as far as the bytes are valid.
pub(crate) fn imports(bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            Ok(Payload::ComponentImportSection(section)) if depth == 0 => {
                found.extend(section.into_iter().map_while(Result::ok).map(|import| import.name.name.to_owned()));
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_imports_of_a_built_in_module() {
        let fallback = arcllm_builtin::find("fallback").expect("a built-in module").wasm;
        let found = imports(fallback);
        assert!(found.iter().any(|import| import == "arcllm:llm/models@0.1.0"), "{found:?}");
        assert_eq!(imports(b"\0asm\x0d\0\x01\0"), [""; 0]);
        for end in (0..fallback.len()).step_by(997) {
            assert!(imports(&fallback[..end]).len() <= found.len());
        }
    }
}
