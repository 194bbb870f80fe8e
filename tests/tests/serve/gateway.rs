//! A running gateway, and what a client sees of it.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::{
    scene::soon,
    support::{Arcllm, Chain, Folder, Output, Running},
};

/// `arcllm serve` as a process. It ends when this is dropped.
pub(crate) struct Gateway {
    /// Such as `http://127.0.0.1:4000`.
    pub(crate) url: String,
    pub(crate) folder: Folder,
    pub(crate) running: Running,
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Gateway {
    /// Serves this configuration on a free port.
    pub(crate) async fn start(chain: &Chain) -> Self {
        Self::of(chain.folder().unwrap().trusted(), &[]).await
    }

    /// Serves the configuration in this folder, with further arguments.
    pub(crate) async fn of(folder: Folder, arguments: &[&str]) -> Self {
        Self::with(folder, arguments, &[]).await
    }

    /// The same, with variables of the environment.
    pub(crate) async fn with(folder: Folder, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let command = folder.arcllm(arguments).unwrap();
        let command = environment.iter().fold(command, |command, (name, value)| command.env(name, value));
        Self::run(folder, command).await
    }

    /// Runs this command, which serves.
    pub(crate) async fn run(folder: Folder, command: Arcllm) -> Self {
        let running = command.start().unwrap();
        Self { url: soon(listening(&running)).await, folder, running }
    }

    /// Sends it a signal, such as `TERM`.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let id = self.running.id().to_string();
        assert!(std::process::Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Stops it, and gives what it has written.
    pub(crate) async fn stop(self) -> Output {
        self.signal("TERM");
        soon(self.running.end()).await.unwrap()
    }

    /// Posts this JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, &[], body).await
    }

    /// Posts this JSON with these headers.
    pub(crate) async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send(reqwest::Method::POST, path, headers, body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(reqwest::Method::GET, path, &[], String::new()).await
    }

    /// Sends a request, and waits for the whole answer.
    pub(crate) async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let mut request = client().request(method, format!("{}{path}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = soon(request.send()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: soon(response.text()).await.unwrap() }
    }
}

/// A client that keeps no connection of another test.
pub(crate) fn client() -> reqwest::Client {
    // It asks for a provider of TLS, also where it needs none.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The text of a header, empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The server-sent events: name and data. The name is empty if there is none.
    pub(crate) fn events(&self) -> Vec<(String, String)> {
        let event = |text: &str| {
            let field =
                |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
            (field("event: "), field("data: "))
        };
        self.body.split("\n\n").filter(|text| !text.is_empty() && !text.starts_with(':')).map(event).collect()
    }
}

/// Where a gateway says that it listens.
async fn listening(running: &Running) -> String {
    loop {
        let stdout = running.stdout().unwrap();
        // For people, or in JSON.
        let rest = ["listening on ", "\"listening\",\"url\":\""].iter().find_map(|before| stdout.split_once(before));
        if let Some((address, _)) = rest.and_then(|(_, rest)| rest.split_once([';', ' ', '"'])) {
            return address.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
