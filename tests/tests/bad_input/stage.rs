//! What the tests of bad input share: a good configuration, what a test makes of it, and how the command refuses it.

use crate::scene::{replies, soon};
use crate::support::{Folder, Output};
use arcllm_simulator::Simulator;

/// A configuration in which all is well. `URL` is where the provider is.
pub(crate) const GOOD: &str = "[defaults]
provider = \"main\"

[providers.main]
adapter = \"anthropic\"
base_url = \"URL\"
default_model = \"m\"
";

/// A provider that must not be asked, and a folder with a configuration for it.
pub(crate) struct Scene {
    pub(crate) provider: Simulator,
    pub(crate) folder: Folder,
}

impl Scene {
    /// This configuration.
    pub(crate) async fn of(config: &str) -> Self {
        let provider = replies([]).await;
        let folder = Folder::new(&config.replace("URL", &provider.url())).unwrap();
        Self { provider, folder }
    }

    /// The good configuration, and this behind it.
    pub(crate) async fn with(more: &str) -> Self {
        Self::of(&format!("{GOOD}\n{more}")).await
    }

    /// With this file in the folder.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.folder.write(name, content).unwrap();
        self
    }

    /// How the command ends with these arguments, without anything sent.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let command = self.folder.arcllm(arguments).unwrap().trusted().env("ARCLLM_TEST_EMPTY", " ");
        let output = soon(command.run()).await.unwrap();
        assert_eq!(self.provider.connections(), 0, "nothing is sent");
        output
    }

    /// What it says on standard error, having refused these arguments.
    pub(crate) async fn refuses(&self, arguments: &[&str]) -> String {
        let Output { code, stdout, stderr } = self.run(arguments).await;
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        stderr.replace(&self.provider.url(), "URL")
    }

    /// What it says to a question, which it refuses.
    pub(crate) async fn refused(&self) -> String {
        self.refuses(&["invoke", "Hi"]).await
    }
}

/// What the command says to the good configuration with this behind it.
pub(crate) async fn with(more: &str) -> String {
    Scene::with(more).await.refused().await
}

/// What the command says to this configuration.
pub(crate) async fn of(config: &str) -> String {
    Scene::of(config).await.refused().await
}

/// What the command says to these arguments, where the configuration is good.
pub(crate) async fn given(arguments: &[&str]) -> String {
    Scene::of(GOOD).await.refuses(&[&["invoke"], arguments].concat()).await
}
