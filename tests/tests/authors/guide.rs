//! The guide for authors of modules, command by command: `cargo test --workspace --test all -- --ignored guide`.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{ARCLLM, Folder, root};

/// The commands of a guide, in order.
pub(crate) fn commands(guide: &str) -> String {
    let mut commands = String::new();
    let mut inside = false;
    for line in guide.lines() {
        match (inside, line) {
            (false, "```sh") => inside = true,
            (true, "```") => inside = false,
            (true, line) => {
                commands.push_str(line);
                commands.push('\n');
            }
            (false, _) => {}
        }
    }
    commands
}

#[test]
#[ignore = "downloads packages from the network"]
fn the_guide_works_command_by_command() {
    let guide = fs::read_to_string(root().join("docs/writing-a-module.md")).unwrap();
    let (folder, program) = (Folder::new("").unwrap(), Path::new(ARCLLM));
    // A folder without a configuration.
    let home = folder.path().join("walk");
    fs::create_dir(&home).unwrap();
    let programs = [program.parent().unwrap().to_owned()];
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(programs.into_iter().chain(env::split_paths(&path))).unwrap();
    // The simulator needs a moment until it listens.
    let commands = commands(&guide).replace("8089 &\n", "8089 &\nsleep 2\n");
    assert!(commands.contains("arcllm module inspect"), "{commands}");
    let mut shell = Command::new("bash");
    shell.args(["-euxo", "pipefail", "-c", &commands]).current_dir(&home).env("PATH", path);
    shell.env("XDG_STATE_HOME", folder.path());
    let output = shell.env_remove("ARCLLM_CONFIG").stdin(Stdio::null()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    for expected in ["I cannot help with that.", "34 passed, 0 failed", "agent -> politeness -> retry -> adapter"] {
        assert!(stdout.contains(expected), "{expected}: {stdout}\n{stderr}");
    }
    assert!(Path::new(&home).join("politeness/modules/politeness.wasm").is_file());
}
