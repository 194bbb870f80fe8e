//! `arcllm module new`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{args::ModuleNew, failure::Failure, output::line, templates};

pub(crate) fn run(arguments: ModuleNew) -> Result<ExitCode, Failure> {
    let ModuleNew { name, lang, directory } = arguments;
    let folder = directory.unwrap_or_else(|| PathBuf::from(&name));
    let files = templates::project(lang, &name);
    free(&folder)?;
    for (path, text) in &files {
        let file = folder.join(path);
        write(&file, text).map_err(|error| unable(&file, &error))?;
        line!("wrote {}", file.display())?;
    }
    line!(
        "\nNext:\n  cd {}\n  arcllm module build\n  arcllm module test {name}.wasm --scenarios scenarios.toml",
        folder.display()
    )?;
    Ok(ExitCode::SUCCESS)
}

/// That nothing of anybody's is overwritten.
fn free(folder: &Path) -> Result<(), Failure> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Failure::usage(format!(
                "{}: this folder is not empty\n  help: another one, with --directory DIR",
                folder.display()
            ))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unable(folder, &error)),
    }
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(file, text)
}

fn unable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}
