//! The commands of README.md and docs/simulate.md, run as they are written.

use std::{
    env, fs,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{ARCLLM, Folder, root, test_module};

/// The lines of the blocks of this language, from the document's part between two headings.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    document.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

fn part(document: &str, heading: &str) -> String {
    let text = document.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    text.split("\n## ").next().unwrap().to_owned()
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

/// A port that nobody uses.
fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

/// Runs the lines in this folder, and returns what they print.
fn shell(folder: &Folder, lines: &str) -> String {
    let programs = [Path::new(ARCLLM).parent().unwrap().to_owned()];
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(programs.into_iter().chain(env::split_paths(&path))).unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", lines]).current_dir(folder.path()).env("PATH", path);
    shell.env("XDG_STATE_HOME", folder.path()).env("OPENAI_API_KEY", "sk-test").env_remove("ARCLLM_CONFIG");
    let output = shell.stdin(Stdio::null()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{lines}\n{said}");
    said
}

/// Waits until somebody listens on this port, for a minute at most.
fn listening(port: &str) -> String {
    format!("for i in $(seq 600); do (: </dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; sleep 0.1; done\n")
}

#[test]
fn simulating_a_provider() {
    let port = free_port();
    let commands = blocks(&read("docs/simulate.md"), "sh").concat().replace("8088", &port);
    let commands = commands.replace(&format!("--port {port} &\n"), &format!("--port {port} &\n{}", listening(&port)));
    let said = shell(&Folder::new("").unwrap(), &commands);
    assert!(said.contains("Back again.") && said.contains("-> 429") && said.contains("-> reset"), "{said}");
}

/// A simulated provider stands in for OpenAI. A server runs until the next command.
#[test]
fn the_command() {
    let readme = read("README.md");
    let (port, own) = (free_port(), free_port());
    let config =
        format!("[defaults]\nprovider = \"openai\"\n[providers.openai]\nbase_url = \"http://127.0.0.1:{port}/v1\"");
    let folder = Folder::new(&config).unwrap();
    folder.write("outage.toml", "[[reply]]\nstatus = 503\n").unwrap();
    fs::copy(test_module("upper"), folder.path().join("stranger.wasm")).unwrap();
    let stand_in = format!("arcllm trust\narcllm simulate --port {port} &\n{}", listening(&port));
    let lines =
        [blocks(&part(&readme, "The command"), "sh"), blocks(&part(&readme, "For agents in every language"), "sh")];
    let commands: Vec<String> = lines
        .concat()
        .iter()
        .flat_map(|block| block.lines())
        .map(|line| match line {
            line if line.contains("8088") => {
                format!("{}\nlast=$!\n{}kill $last", line.replace("8088", &format!("{own} &")), listening(&own))
            }
            line if line.starts_with("arcllm serve") => {
                let served = free_port();
                let line = line.replace("  #", &format!(" --listen 127.0.0.1:{served} &  #"));
                format!("{line}\nlast=$!\n{}kill $last", listening(&served))
            }
            line => line.to_owned(),
        })
        .collect();
    let said = shell(&folder, &format!("{stand_in}{}\nkill %1", commands.join("\n")));
    for part in ["Hello from the simulator.", "agent -> adapter", "upper", "http://127.0.0.1"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Cargo finds what a program needs with the lines of the README.
#[test]
fn the_dependencies_of_a_program() {
    let readme = read("README.md");
    let lines = blocks(&readme, "toml").into_iter().find(|block| block.starts_with("[dependencies]")).unwrap();
    let host = root().join("host");
    let lines = lines.replace("../arcllm/host", host.to_str().unwrap());
    assert!(lines.contains(host.to_str().unwrap()), "{lines}");
    let folder = Folder::new("").unwrap();
    folder.write("Cargo.toml", format!("[package]\nname = \"agent\"\nedition = \"2024\"\n\n{lines}\n")).unwrap();
    folder.write("src/main.rs", &blocks(&readme, "rust,no_run")[0]).unwrap();
    fs::copy(root().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--offline", "--format-version", "1"]).current_dir(folder.path());
    let output = cargo.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str| {
        found["resolve"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|node| node["id"].as_str().unwrap().contains(&format!("#{name}@")))
    };
    for feature in ["macros", "rt-multi-thread"] {
        assert!(of("tokio").unwrap()["features"].as_array().unwrap().contains(&feature.into()), "{feature}");
    }
}
