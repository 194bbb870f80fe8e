//! Finds the files in the modules directory that look like modules and are none, because of their names.

use std::{ffi::OsString, fs, io};

use crate::{
    assembly::source::{ModuleSource, is_name},
    chat::{
        config_error::ConfigError,
        plain::{self, SENTENCE},
    },
};

/// What the names of modules' files end with.
const ENDING: &str = ".wasm";

impl ModuleSource {
    /// An error for each file of the modules directory that only its name keeps from being a module, in their order. A folder
    /// that config names and that cannot be read is one of them.
    pub(crate) fn stray_files(&self) -> Vec<ConfigError> {
        let config = self.config();
        let Some(folder) = &config.modules_dir else { return Vec::new() };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !config.document.has("host.modules_dir") => {
                return Vec::new();
            }
            Err(error) => {
                let folder = plain::line(&folder.display().to_string(), SENTENCE).into_owned();
                let problem = format!("is {folder}, which cannot be read: {error}");
                let help = "name the folder of your modules, relative to this file";
                return vec![config.document.error(Some("host.modules_dir"), problem).help(help)];
            }
        };
        let mut names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        let stray = |name: OsString| {
            let text = name.to_string_lossy();
            let why = (!self.is_named_by_config(&text)).then(|| why_stray(&text)).flatten()?;
            let file = folder.join(&name);
            Some(ConfigError::new(why.0).file(file).help(why.1))
        };
        names.into_iter().filter_map(stray).collect()
    }

    /// Whether a `sandbox.wasm` names this file of the modules directory.
    fn is_named_by_config(&self, file: &str) -> bool {
        self.config().modules.values().any(|module| module.sandbox.wasm.as_deref() == Some(file))
    }
}

/// Why a file of this name is no module, though it looks like one, and what to do.
fn why_stray(file: &str) -> Option<(String, String)> {
    let at = file.len().checked_sub(ENDING.len()).filter(|at| file.is_char_boundary(*at))?;
    let (name, ending) = file.split_at(at);
    if !ending.eq_ignore_ascii_case(ENDING) {
        return None;
    }
    let problem = match is_name(name) {
        true if ending == ENDING => return None,
        true => format!("is no module: its name ends in `{ending}`"),
        false => format!("is no module: {:?} is not a name, which has letters, digits, `-` and `_`", name),
    };
    let letters = name.chars().map(|c| if is_name(c.encode_utf8(&mut [0; 4])) { c } else { '-' });
    let better: String = letters.collect::<String>().trim_matches('-').to_owned();
    let better = if better.is_empty() { "a-name".to_owned() } else { better };
    Some((problem, format!("rename it if it is a module, for example to {better}{ENDING}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_module_names() {
        for (file, better) in [
            ("my module.wasm", Some("my-module.wasm")),
            ("x.WASM", Some("x.wasm")),
            (".hidden.wasm", Some("hidden.wasm")),
            ("überall.wasm", Some("berall.wasm")),
            (".wasm", Some("a-name.wasm")),
            ("ü.wasm", Some("a-name.wasm")),
            ("a\u{1b}[31m.Wasm", Some("a--31m.wasm")),
            ("mine.wasm", None),
            ("Mine_2.wasm", None),
            ("README.md", None),
            ("wasm", None),
            ("mine.wasm.bak", None),
            ("üwasm", None),
        ] {
            let found = why_stray(file).map(|(_, help)| help);
            let expected = better.map(|better| format!("rename it if it is a module, for example to {better}"));
            assert_eq!(found, expected, "{file}");
        }
    }
}
