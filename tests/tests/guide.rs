//! The guide for those who write modules, followed to the letter. What it runs needs packages from the network, so nothing
//! here runs unless `ARCLLM_TEST_TOOLCHAINS` is set; `.ci/run` sets it.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    projects::root,
    support::{Folder, arcllm},
};

/// All that the guide has one type, in order.
fn commands(guide: &str) -> String {
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
fn the_guide_works_command_by_command() {
    if env::var_os("ARCLLM_TEST_TOOLCHAINS").is_none_or(|value| value.is_empty()) {
        return;
    }
    let guide = fs::read_to_string(root().join("docs/writing-a-module.md")).unwrap();
    let (folder, program) = (Folder::new("").unwrap(), arcllm().unwrap());
    // A folder of nobody's: there is no configuration but the guide's.
    let home = folder.path().join("walk");
    fs::create_dir(&home).unwrap();
    let programs = [program.parent().unwrap().to_owned()];
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(programs.into_iter().chain(env::split_paths(&path))).unwrap();
    // The simulator takes a moment to listen.
    let commands = commands(&guide).replace("8089 &\n", "8089 &\nsleep 2\n");
    assert!(commands.contains("arcllm module inspect"), "{commands}");
    let mut shell = Command::new("bash");
    shell.args(["-euxo", "pipefail", "-c", &commands]).current_dir(&home).env("PATH", path);
    shell.env("XDG_STATE_HOME", folder.path());
    let output = shell.env_remove("ARCLLM_CONFIG").stdin(Stdio::null()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    for expected in ["I cannot help with that.", "33 passed, 0 failed", "agent -> politeness -> retry -> adapter"] {
        assert!(stdout.contains(expected), "{expected}: {stdout}\n{stderr}");
    }
    assert!(Path::new(&home).join("politeness/modules/politeness.wasm").is_file());
}
