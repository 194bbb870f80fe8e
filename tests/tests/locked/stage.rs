//! What these tests share: a folder with a configuration that works, and files of modules.

use std::{collections::BTreeMap, fs, path::Path};

use arcllm_simulator::Simulator;

use crate::{
    scene::{replies, soon},
    support::{Folder, Output, test_module},
};

/// A configuration with comments, as a person writes it. `URL` becomes the address of the provider.
pub(crate) const CONFIG: &str = "# ours
[defaults]
provider = 'main' # the fast one

[providers.main]
adapter = \"anthropic\"
base_url = \"URL\"
default_model = \"m\"
";

/// A provider, and a folder that the command trusts.
pub(crate) struct Place {
    pub(crate) provider: Simulator,
    pub(crate) folder: Folder,
}

impl Place {
    /// With this added to the configuration.
    pub(crate) async fn with(more: &str) -> Self {
        let provider = replies([]).await;
        let text = format!("{}{more}", CONFIG.replace("URL", &provider.url()));
        Self { folder: Folder::new(&text).unwrap().trusted(), provider }
    }

    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// Puts a test module into the folder, outside of its modules directory.
    pub(crate) fn file(&self, module: &str, name: &str) -> String {
        let bytes = fs::read(test_module(module)).unwrap();
        self.folder.write(name, bytes).unwrap();
        name.to_owned()
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        soon(self.folder.arcllm(arguments).unwrap().run()).await.unwrap()
    }

    /// Runs a command that must succeed.
    pub(crate) async fn succeeds(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments).await;
        assert_eq!(output.code, 0, "{arguments:?}: {}{}", output.stdout, output.stderr);
        output
    }

    /// Runs a command that must be refused and change nothing. Returns its error.
    pub(crate) async fn refused(&self, arguments: &[&str]) -> String {
        let before = self.files();
        let output = self.run(arguments).await;
        assert_eq!(output.code, 2, "{arguments:?}: {}{}", output.stdout, output.stderr);
        assert_eq!(self.files(), before, "{arguments:?}");
        output.stderr
    }

    pub(crate) fn text(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).unwrap()
    }

    /// Replaces a text in a file, which must be there.
    pub(crate) fn replace(&self, file: &str, from: &str, to: &str) {
        let text = self.text(file);
        assert!(text.contains(from), "{text}");
        self.folder.write(file, text.replace(from, to)).unwrap();
    }

    /// All files but those that programs keep for themselves, with their content.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(self.folder.path(), self.folder.path(), &mut files);
        files
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if path.is_dir() && !name.starts_with('.') {
            collect(root, &path, files);
        } else if path.is_file() {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}
