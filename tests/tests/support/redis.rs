//! A Redis of a test's own, on a free port.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::scene::soon;

/// `redis-server` as a process. It is killed when this is dropped.
pub(crate) struct Redis {
    pub(crate) port: u16,
    arguments: Vec<String>,
    folder: TempDir,
    server: Option<Child>,
}

impl Redis {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts one with these further arguments.
    pub(crate) async fn with(arguments: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut redis = Self { port, arguments, folder: tempfile::tempdir().unwrap(), server: None };
        redis.restart().await;
        redis
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Starts it again, empty.
    pub(crate) async fn restart(&mut self) {
        let port = self.port.to_string();
        // Another server that speaks its protocol takes its place.
        let server = std::env::var_os("ARCLLM_TEST_REDIS").unwrap_or_else(|| "redis-server".into());
        let mut command = Command::new(server);
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(&self.arguments).current_dir(self.folder.path()).stdout(Stdio::null());
        self.server = Some(command.spawn().unwrap_or_else(|error| panic!("redis-server: {error}")));
        soon(async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// Stops it, so that it answers nothing and keeps its connections, or lets it go on.
    pub(crate) fn pause(&self, is_paused: bool) {
        let id = self.server.as_ref().unwrap().id().to_string();
        let signal = if is_paused { "-STOP" } else { "-CONT" };
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// What `redis-cli` prints for this command.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// How many scripts and commands of modules it has carried out.
    pub(crate) fn operations(&self) -> usize {
        let calls = |line: &str| line.split("calls=").nth(1)?.split(',').next()?.parse::<usize>().ok();
        let counted = ["cmdstat_evalsha:", "cmdstat_eval:", "cmdstat_mget:", "cmdstat_zrem:"];
        let stats = self.cli(&["info", "commandstats"]);
        let of_modules = stats.lines().filter(|line| counted.iter().any(|command| line.starts_with(command)));
        of_modules.filter_map(calls).sum()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
