use std::{env, fs, path::PathBuf, process};

use super::sources;
use crate::workspace::Module;

/// A workspace with one module, gone when dropped.
struct Sources(PathBuf);

impl Sources {
    fn new(test: &str) -> Self {
        let sources = Self(env::temp_dir().join(format!("arcllm-digest-{test}-{}", process::id())));
        for file in ["wit/a.wit", "wit/deps/b.wit", "modules/sdk/Cargo.toml", "modules/sdk/src/lib.rs"] {
            sources.write(file, "x");
        }
        sources.write("modules/echo/Cargo.toml", "x");
        sources.write("modules/echo/src/lib.rs", "x");
        sources
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn digest(&self) -> String {
        self.digest_of("0.1.0")
    }

    fn digest_of(&self, version: &str) -> String {
        let module = Module {
            name: "echo".to_owned(),
            package: "arcllm-echo".to_owned(),
            version: version.to_owned(),
            description: String::new(),
            license: String::new(),
            artifact: "arcllm_echo.wasm".to_owned(),
            prebuilt: "modules/builtin/prebuilt".into(),
            inside: "",
            homes: vec!["modules/echo".to_owned()],
        };
        sources(&self.0, &module).unwrap()
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_source_counts() {
    let sources = Sources::new("counts");
    let mut seen = vec![sources.digest()];
    for file in
        ["wit/deps/b.wit", "modules/sdk/src/lib.rs", "modules/echo/Cargo.toml", "modules/echo/src/policy/new.rs"]
    {
        sources.write(file, "y");
        let digest = sources.digest();
        assert!(!seen.contains(&digest), "{file} is not in the digest");
        seen.push(digest);
    }
    assert!(!seen.contains(&sources.digest_of("0.2.0")), "the version is not in the digest");
}

#[test]
fn tests_other_modules_editors_files_and_texts_do_not_count() {
    let sources = Sources::new("ignores");
    let before = sources.digest();
    let policy = "modules/echo/src/policy/tests.rs";
    for file in [policy, "modules/other/src/lib.rs", "modules/echo/src/.lib.rs.swp", "wit/README.md"] {
        sources.write(file, "y");
    }
    assert_eq!(sources.digest(), before);
}

#[test]
fn text_cannot_move_between_files_unnoticed() {
    let sources = Sources::new("moves");
    sources.write("modules/echo/src/a.rs", "12");
    sources.write("modules/echo/src/b.rs", "3");
    let before = sources.digest();
    sources.write("modules/echo/src/a.rs", "1");
    sources.write("modules/echo/src/b.rs", "23");
    assert_ne!(sources.digest(), before);
}

#[test]
fn a_missing_source_is_named() {
    let sources = Sources::new("missing");
    fs::remove_file(sources.0.join("modules/sdk/Cargo.toml")).unwrap();
    let module = Module {
        name: "echo".to_owned(),
        package: String::new(),
        version: String::new(),
        description: String::new(),
        license: String::new(),
        artifact: String::new(),
        prebuilt: "modules/builtin/prebuilt".into(),
        inside: "",
        homes: vec!["modules/echo".to_owned()],
    };
    let error = super::sources(&sources.0, &module).unwrap_err();
    assert!(format!("{error:#}").contains("modules/sdk/Cargo.toml"), "{error:#}");
}
