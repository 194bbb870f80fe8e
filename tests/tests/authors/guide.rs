//! The guides for authors of modules, command by command: `cargo test --workspace --test all -- --ignored guide`.

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

/// Runs the commands of a guide in a folder without a configuration. Returns what they print.
fn run(folder: &Folder, guide: &str) -> (String, String) {
    let guide = fs::read_to_string(root().join("docs").join(guide)).unwrap();
    let program = Path::new(ARCLLM);
    let home = folder.path().join("walk");
    fs::create_dir(&home).unwrap();
    let programs = [program.parent().unwrap().to_owned()];
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(programs.into_iter().chain(env::split_paths(&path))).unwrap();
    // The simulator needs a moment until it listens.
    let commands = commands(&guide).replace("8089 &\n", "8089 &\nsleep 2\n");
    let mut shell = Command::new("bash");
    shell.args(["-euxo", "pipefail", "-c", &commands]).current_dir(&home).env("PATH", path);
    shell.env("XDG_STATE_HOME", folder.path());
    let output = shell.env_remove("ARCLLM_CONFIG").stdin(Stdio::null()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    (stdout.into_owned(), stderr.into_owned())
}

#[test]
#[ignore = "downloads packages from the network"]
fn the_guide_works_command_by_command() {
    let folder = Folder::new("").unwrap();
    let (stdout, stderr) = run(&folder, "writing-a-module.md");
    for expected in [
        "I cannot help with that.",
        "34 passed, 0 failed",
        "agent -> politeness -> retry -> adapter",
        "32 passed, 0 failed",
        "31 passed, 0 failed",
    ] {
        assert!(stdout.contains(expected), "{expected}: {stdout}\n{stderr}");
    }
    for expected in ["impatient waits", "primary has not answered", "status 529", "INFO arcllm::module"] {
        assert!(stderr.contains(expected), "{expected}: {stdout}\n{stderr}");
    }
    assert!(folder.path().join("walk/politeness/modules/politeness.wasm").is_file());
}

#[test]
#[ignore = "downloads packages from the network"]
fn the_guide_to_other_languages_works_command_by_command() {
    let (stdout, _) = run(&Folder::new("").unwrap(), "other-languages.md");
    // Python, JavaScript, Go, C, and a core module.
    assert_eq!(stdout.matches(" passed, 0 failed").count(), 5, "{stdout}");
}

/// The guide shows the modules that the tests of the kit run.
#[test]
fn the_examples_of_the_guide_are_tested() {
    let guide = fs::read_to_string(root().join("docs/writing-a-module.md")).unwrap();
    for module in ["small-first", "impatient"] {
        let source = fs::read_to_string(root().join(format!("tests/modules/{module}/src/lib.rs"))).unwrap();
        assert!(guide.contains(&source), "tests/modules/{module}/src/lib.rs is not in the guide word for word");
    }
}
