//! Writes bindings: the code of a language that connects a module to its world.

use anyhow::Result;
use wit_bindgen_core::{Files, WorldGenerator};

use crate::world::World;

/// The support package that the bindings of `wit-bindgen-go` import, and this crate's own in its place.
const SUPPORT: &str = "go.bytecodealliance.org/pkg/wit/";
const OWN_SUPPORT: [(&str, &str); 2] =
    [("wit/runtime/runtime.go", include_str!("go/runtime.go")), ("wit/types/types.go", include_str!("go/types.go"))];

/// A file of the bindings: its path in their folder, and its bytes.
pub type BindingsFile = (String, Vec<u8>);

impl World {
    /// Returns the bindings for C: a header and a source file named after the world, and an object file that names the world
    /// to [`encode`](crate::encode).
    ///
    /// # Errors
    ///
    /// If the world has something that C has no bindings for.
    pub fn bindings_for_c(&mut self) -> Result<Vec<BindingsFile>> {
        self.generate(&mut *wit_bindgen_c::Opts::default().build())
    }

    /// Returns the bindings for Go. They are the packages below `package`, an import path, and call the functions that the
    /// package `exports` has. Its functions have the names that the exported interfaces give them.
    ///
    /// # Errors
    ///
    /// If the world has something that Go has no bindings for.
    pub fn bindings_for_go(&mut self, package: &str, exports: &str) -> Result<Vec<BindingsFile>> {
        let format = wit_bindgen_go::Format::False;
        let (pkg_name, export_pkg_name) = (Some(package.to_owned()), Some("exports".to_owned()));
        let options = wit_bindgen_go::Opts { format, pkg_name, export_pkg_name, ..Default::default() };
        let files = self.generate(&mut *options.build())?;
        let support = OWN_SUPPORT.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        Ok(files.into_iter().map(|file| imports(file, package, exports)).chain(support).collect())
    }

    fn generate(&mut self, generator: &mut dyn WorldGenerator) -> Result<Vec<BindingsFile>> {
        let mut files = Files::default();
        generator.generate(&mut self.resolve, self.id, &mut files)?;
        Ok(files.iter().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect())
    }
}

/// Makes a file import the support package of the project, and one package for all exports.
fn imports((path, bytes): BindingsFile, package: &str, exports: &str) -> BindingsFile {
    let text = String::from_utf8_lossy(&bytes).replace(SUPPORT, &format!("{package}/wit/"));
    let line = |line: &str| match line.trim().strip_prefix("\"exports/").and_then(|line| line.strip_suffix('"')) {
        Some(name) => format!("{name} \"{exports}\"\n"),
        None => format!("{line}\n"),
    };
    (path, text.lines().map(line).collect::<String>().into_bytes())
}
