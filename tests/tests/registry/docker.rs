//! Debian's `docker-registry`, one for each test, with a folder and a port of its own.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use arcllm_registry::{Digest, Reference};
use tempfile::TempDir;

use super::stranger::MANIFEST;
use crate::{
    scene::soon,
    support::{Arcllm, Output, built_in_module},
};

/// The login of a registry with logins: `alice`, and the line of her password for `htpasswd`.
const HTPASSWD: &str = "alice:$2y$04$MY1gXHY1aOKepw/D261l5.4C.Kneowgo9Ce/6eyhKRia.ipqO2Ch6\n";
pub(crate) const ALICE: (&str, &str) = ("alice", "s3cret-word");

/// A registry that runs. It ends, and its content is gone, when this is dropped.
pub(crate) struct Docker {
    process: Child,
    folder: TempDir,
    address: String,
}

impl Docker {
    /// Starts a registry for everybody.
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts a registry for [`ALICE`] alone.
    pub(crate) async fn with_logins() -> Self {
        Self::start_with("auth: { htpasswd: { realm: test, path: htpasswd } }\n").await
    }

    /// Starts a registry that speaks TLS, as this host. Returns it with the file of its certificate.
    pub(crate) async fn with_tls(host: &str) -> (Self, String) {
        let certified = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
        let folder = TempDir::new().unwrap();
        let certificate = folder.path().join("tls.crt");
        std::fs::write(&certificate, certified.cert.pem()).unwrap();
        std::fs::write(folder.path().join("tls.key"), certified.signing_key.serialize_pem()).unwrap();
        let docker = Self::start_in(folder, "", ", tls: { certificate: tls.crt, key: tls.key }").await;
        (docker, certificate.display().to_string())
    }

    async fn start_with(more: &str) -> Self {
        Self::start_in(TempDir::new().unwrap(), more, "").await
    }

    async fn start_in(folder: TempDir, more: &str, http: &str) -> Self {
        std::fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        // Another process may take the port before the registry does.
        for _ in 0..5 {
            let address = free_address().await;
            let config = format!(
                "version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: storage }} }}\nhttp: {{ addr: \"{address}\"{http} }}\n{more}"
            );
            std::fs::write(folder.path().join("config.yml"), config).unwrap();
            let log = File::create(folder.path().join("log")).unwrap();
            let mut command = Command::new("docker-registry");
            command.args(["serve", "config.yml"]).current_dir(folder.path()).stdin(Stdio::null());
            let process = command.stdout(log.try_clone().unwrap()).stderr(log).spawn();
            let mut process = process.unwrap_or_else(|error| panic!("docker-registry: {error}: install this package"));
            if answers(&address, &mut process).await {
                return Self { process, folder, address };
            }
            // It may have ended.
            let _ = process.kill();
            let _ = process.wait();
        }
        panic!("{}", std::fs::read_to_string(folder.path().join("log")).unwrap())
    }

    /// Its host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The name of a module in it, such as `me/mine:1.0`.
    pub(crate) fn reference(&self, name: &str) -> Reference {
        at(&self.address, name)
    }

    /// A folder for files of the test.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file in which the registry keeps some content.
    pub(crate) fn stored(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.folder.path().join("storage/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(&hex).join("data")
    }

    /// The manifest at a tag, as anybody gets it.
    pub(crate) async fn manifest(&self, repository: &str, tag: &str) -> String {
        let request = client().get(self.manifest_url(repository, tag)).header("accept", MANIFEST);
        soon(request.send()).await.unwrap().text().await.unwrap()
    }

    /// Puts a manifest at a tag, as anybody can who may write.
    pub(crate) async fn put_manifest(&self, repository: &str, tag: &str, text: String) {
        let request = client().put(self.manifest_url(repository, tag)).header("content-type", MANIFEST).body(text);
        assert_eq!(soon(request.send()).await.unwrap().status(), 201);
    }

    fn manifest_url(&self, repository: &str, tag: &str) -> String {
        format!("http://{}/v2/{repository}/manifests/{tag}", self.address)
    }

    /// Runs the command in the folder.
    pub(crate) async fn arcllm(&self, arguments: &[&str]) -> Output {
        self.command(arguments).run().await.unwrap()
    }

    /// The command in the folder, not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Arcllm {
        Arcllm::new(self.folder()).unwrap().arguments(arguments)
    }

    /// Publishes a built-in module with further arguments. Returns its reference with its digest.
    pub(crate) async fn publish(&self, module: &str, name: &str, more: &[&str]) -> Reference {
        let file = built_in_module(module).display().to_string();
        let reference = self.reference(name).to_string();
        let output = self.arcllm(&[&["module", "publish", &file, &reference, "--json"], more].concat()).await;
        assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
        output.json().unwrap()["published"]["reference"].as_str().unwrap().parse().unwrap()
    }

    /// Makes a pair of keys, `NAME.key` and `NAME.pub`. Returns the path of the private one.
    pub(crate) async fn key(&self, name: &str) -> String {
        let file = self.folder().join(format!("{name}.key")).display().to_string();
        let output = self.arcllm(&["module", "key", &file]).await;
        assert_eq!(output.code, 0, "{}", output.stderr);
        file
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A module at an address.
pub(crate) fn at(address: &str, name: &str) -> Reference {
    format!("oci://{address}/{name}").parse().unwrap()
}

/// The tag of a module's signatures.
pub(crate) fn signatures_of(reference: &Reference) -> String {
    format!("sha256-{}.sig", reference.digest().unwrap().hex())
}

fn client() -> reqwest::Client {
    // Another test may have done so.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

async fn free_address() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Waits until it answers. False stands for one that ends instead.
async fn answers(address: &str, process: &mut Child) -> bool {
    soon(async {
        loop {
            if process.try_wait().unwrap().is_some() {
                return false;
            }
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}
