//! Updates what a project carries of ArcLLM: the WIT package, and the SDK if it is in Rust.

use std::{fs, io, path::Path, process::ExitCode};

use crate::{
    failure::Failure,
    module::{build::project::unable, templates},
    output::line,
};

/// Writes the files that this program's templates have in place of older ones. Other files stay as they are.
pub(crate) fn update(folder: &Path) -> Result<ExitCode, Failure> {
    let (is_rust, has_wit) = (folder.join("arcllm-module/Cargo.toml").is_file(), folder.join("wit").is_dir());
    if !is_rust && !has_wit {
        let help = "name the folder of a project that `arcllm module new` wrote";
        return Err(Failure::usage(format!(
            "{}: it has neither arcllm-module/ nor wit/\n  help: {help}",
            folder.display()
        )));
    }
    let mut written = 0;
    for (path, text) in templates::carried(is_rust) {
        let file = folder.join(&path);
        match fs::read(&file) {
            Ok(old) if old == text.as_bytes() => continue,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unable(&file, &error)),
            _ => {}
        }
        let wrote = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, &text));
        wrote.map_err(|error| unable(&file, &error))?;
        line!("wrote {}", file.display())?;
        written += 1;
    }
    match written {
        0 => line!("all files are those of arcllm {}", env!("CARGO_PKG_VERSION"))?,
        _ => line!(
            "{written} files are now those of arcllm {}; build and test the module again",
            env!("CARGO_PKG_VERSION")
        )?,
    }
    Ok(ExitCode::SUCCESS)
}
