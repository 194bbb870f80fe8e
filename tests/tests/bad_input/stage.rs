//! What these tests share: a good configuration, changes to it, and the refusal of the command.

use crate::scene::{replies, soon};
use crate::support::{Folder, Output};
use arcllm_simulator::Simulator;

/// A good configuration. `URL` becomes the address of the provider.
pub(crate) const GOOD: &str = "[defaults]
provider = \"main\"

[providers.main]
adapter = \"anthropic\"
base_url = \"URL\"
default_model = \"m\"
";

/// A provider that must get no request, and a folder with a configuration for it.
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

    /// The good configuration with these lines added.
    pub(crate) async fn with(more: &str) -> Self {
        Self::of(&format!("{GOOD}\n{more}")).await
    }

    /// With this file in the folder.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.folder.write(name, content).unwrap();
        self
    }

    /// Runs the command with these arguments, and checks that nothing is sent.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let command = self.folder.arcllm(arguments).unwrap().trusted().env("ARCLLM_TEST_EMPTY", " ");
        let output = soon(command.run()).await.unwrap();
        assert_eq!(self.provider.connections(), 0, "nothing is sent");
        output
    }

    /// Its error for these arguments.
    pub(crate) async fn refuses(&self, arguments: &[&str]) -> String {
        let Output { code, stdout, stderr } = self.run(arguments).await;
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        stderr.replace(&self.provider.url(), "URL")
    }

    /// Its error for a question.
    pub(crate) async fn refused(&self) -> String {
        self.refuses(&["invoke", "Hi"]).await
    }
}

/// The error for the good configuration with these lines added.
pub(crate) async fn with(more: &str) -> String {
    Scene::with(more).await.refused().await
}

/// The error for this configuration.
pub(crate) async fn of(config: &str) -> String {
    Scene::of(config).await.refused().await
}

/// The error for these arguments, with the good configuration.
pub(crate) async fn given(arguments: &[&str]) -> String {
    Scene::of(GOOD).await.refuses(&[&["invoke"], arguments].concat()).await
}
