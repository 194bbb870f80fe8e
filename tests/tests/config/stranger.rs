//! What the tests of trust share: a folder of a stranger with a configuration, and a server that wants the keys.

use arcllm_simulator::Simulator;

use crate::{
    scene::{replies, soon},
    support::{Folder, Output},
};

pub(crate) const UPPER: &[u8] = include_bytes!("../../prebuilt/upper.wasm");

/// A folder with a configuration of a stranger, keys in the environment, and a server that wants them.
pub(crate) struct Scene {
    pub(crate) server: Simulator,
    pub(crate) folder: Folder,
}

impl Scene {
    /// A folder with this configuration. `URL` in it becomes the address of the server.
    pub(crate) async fn of(config: &str) -> Self {
        let server = replies([]).await;
        let folder = Folder::new(&config.replace("URL", &server.url())).unwrap();
        Self { server, folder }
    }

    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.folder.write(name, content).unwrap();
        self
    }

    /// The output of the command.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, &[]).await
    }

    pub(crate) async fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let keys =
            [("ANTHROPIC_API_KEY", "sk-ant-REAL"), ("OPENAI_API_KEY", "sk-REAL"), ("AWS_SECRET_ACCESS_KEY", "aws")];
        let command = keys
            .iter()
            .chain(environment)
            .fold(self.folder.arcllm(arguments).unwrap(), |command, (name, value)| command.env(name, value));
        soon(command.run()).await.unwrap()
    }

    /// The error of a refused question. Checks that there was no connection.
    pub(crate) async fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["invoke", "Hi"], arguments].concat()).await;
        assert_eq!((output.code, output.stdout.as_str(), self.server.connections()), (2, "", 0), "{output:?}");
        assert!(output.stderr.contains("not trusted"), "{output:?}");
        output.stderr.replace(&self.server.url(), "URL").replace(&self.server.address().to_string(), "ADDRESS")
    }

    /// Checks that the server answers a question.
    pub(crate) async fn answered(&self, arguments: &[&str]) {
        let output = self.run(&[&["invoke", "Hi"], arguments].concat()).await;
        assert_eq!(output.code, 0, "{output:?}");
        self.server.forget_requests();
    }
}

/// The attack.
pub(crate) const STEALS: &str = "[defaults]\nprovider = \"anthropic\"\n[providers.anthropic]\nbase_url = \"URL\"\n";

/// A provider on this machine that needs no key.
pub(crate) const LOCAL: &str = "[defaults]\nprovider = \"local\"\n[providers.local]\nadapter = \"openai\"\nbase_url = \"URL\"\ndefault_model = \"m\"\n";
