//! The command `arcllm`, as a process with an environment of its own.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io::{self, PipeReader, Read as _, Write as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// The command under test, built by Cargo before these tests.
pub(crate) const ARCLLM: &str = env!("CARGO_BIN_EXE_arcllm");

/// A run that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// How often it is checked whether a process has ended.
const LOOK: Duration = Duration::from_millis(5);

/// A run of the command that has not begun. Its environment holds only what is set here. Compiled modules are kept
/// under `target`, so that later runs are faster.
#[derive(Debug)]
pub(crate) struct Arcllm {
    command: Command,
    input: Vec<u8>,
    stdout: Stdout,
}

/// Where standard output goes to.
#[derive(Debug)]
enum Stdout {
    /// To a file that the test reads.
    File,
    #[cfg(target_os = "linux")]
    FullDisk,
    ClosedPipe,
    StalledPipe,
    /// With standard error.
    StalledPipes,
    #[cfg(unix)]
    Given(std::os::fd::OwnedFd),
}

impl Arcllm {
    /// The command, to be run in this folder.
    ///
    /// # Errors
    ///
    /// If the folder of compiled modules cannot be made.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        let mut command = Command::new(ARCLLM);
        let cache = Path::new(ARCLLM).ancestors().nth(2).unwrap_or(folder).join("test-cache");
        fs::create_dir_all(&cache)?;
        command.current_dir(folder).env_clear().env("HOME", folder).env("XDG_CACHE_HOME", cache);
        if let Some(path) = env::var_os("PATH") {
            command.env("PATH", path);
        }
        Ok(Self { command, input: Vec::new(), stdout: Stdout::File })
    }

    /// Adds arguments.
    #[must_use]
    pub(crate) fn arguments(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Makes it trust the configuration in its folder, by naming it.
    #[must_use]
    pub(crate) fn trusted(self) -> Self {
        self.env("ARCLLM_CONFIG", "config.toml")
    }

    /// What it reads from standard input; nothing, unless this is called.
    #[must_use]
    pub(crate) fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Makes its standard output a full disk.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub(crate) fn with_full_disk(mut self) -> Self {
        self.stdout = Stdout::FullDisk;
        self
    }

    /// Makes its standard output a pipe whose reader is gone.
    #[must_use]
    pub(crate) fn with_closed_pipe(mut self) -> Self {
        self.stdout = Stdout::ClosedPipe;
        self
    }

    /// Makes its standard output a pipe that only [`Running::has_written`] reads.
    #[must_use]
    pub(crate) fn with_stalled_pipe(mut self) -> Self {
        self.stdout = Stdout::StalledPipe;
        self
    }

    /// Makes this its standard output.
    #[cfg(unix)]
    #[must_use]
    pub(crate) fn with_stdout(mut self, output: std::os::fd::OwnedFd) -> Self {
        self.stdout = Stdout::Given(output);
        self
    }

    /// Makes its standard output and its standard error one such pipe.
    #[must_use]
    pub(crate) fn with_stalled_pipes(mut self) -> Self {
        self.stdout = Stdout::StalledPipes;
        self
    }

    /// Makes a file that becomes too large an error of the write, as on a full disk, and not a signal that ends the process.
    #[cfg(unix)]
    #[must_use]
    pub(crate) fn with_full_files_as_errors(mut self) -> Self {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
            .arg(self.command.get_program())
            .args(self.command.get_args());
        shell.env_clear().envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(folder) = self.command.get_current_dir() {
            shell.current_dir(folder);
        }
        self.command = shell;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub(crate) fn start(mut self) -> io::Result<Running> {
        // Files, since a pipe can be full.
        let files = tempfile::tempdir()?;
        let file = |name| files.path().join(name);
        File::create(file("stdin"))?.write_all(&self.input)?;
        self.command.stdin(Stdio::from(File::open(file("stdin"))?));
        let stdout = File::create(file("stdout"))?;
        let (reader, writer) = io::pipe()?;
        let pipe = matches!(self.stdout, Stdout::StalledPipe | Stdout::StalledPipes).then_some(reader);
        let stderr = File::create(file("stderr"))?;
        self.command.stderr(match self.stdout {
            Stdout::StalledPipes => Stdio::from(writer.try_clone()?),
            _ => Stdio::from(stderr),
        });
        self.command.stdout(match self.stdout {
            Stdout::File => Stdio::from(stdout),
            #[cfg(target_os = "linux")]
            Stdout::FullDisk => Stdio::from(File::options().write(true).open("/dev/full")?),
            #[cfg(unix)]
            Stdout::Given(output) => Stdio::from(output),
            Stdout::ClosedPipe | Stdout::StalledPipe | Stdout::StalledPipes => Stdio::from(writer),
        });
        Ok(Running { process: self.command.spawn()?, files, pipe })
    }

    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// As [`Arcllm::start`] and [`Running::end`].
    pub(crate) async fn run(self) -> io::Result<Output> {
        self.start()?.end().await
    }
}

/// A run of the command. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    process: Child,
    files: TempDir,
    pipe: Option<PipeReader>,
}

impl Running {
    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has written to standard output so far.
    ///
    /// # Errors
    ///
    /// Where it is not text.
    pub(crate) fn stdout(&self) -> io::Result<String> {
        fs::read_to_string(self.files.path().join("stdout"))
    }

    /// What it has written to standard error so far.
    ///
    /// # Errors
    ///
    /// Where it is not text.
    pub(crate) fn stderr(&self) -> io::Result<String> {
        fs::read_to_string(self.files.path().join("stderr"))
    }

    /// Waits until it has written something to its stalled pipe.
    ///
    /// # Errors
    ///
    /// If it ends before.
    pub(crate) async fn has_written(&self) -> io::Result<()> {
        let pipe = self.pipe.as_ref().ok_or_else(|| io::Error::other("no pipe"))?;
        let mut pipe = pipe.try_clone()?;
        tokio::task::spawn_blocking(move || pipe.read_exact(&mut [0])).await?
    }

    /// Waits until it has ended, be it by a signal.
    ///
    /// # Errors
    ///
    /// Where it hangs.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let started = Instant::now();
        loop {
            match self.process.try_wait()? {
                Some(status) => return Ok(status),
                None if started.elapsed() > LONGEST => return Err(io::Error::other("`arcllm` does not end")),
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// Where it ends by a signal, hangs, or writes what is not text.
    pub(crate) async fn end(mut self) -> io::Result<Output> {
        let status = self.ended().await?;
        let code = status.code().ok_or_else(|| io::Error::other(format!("`arcllm` was ended: {status}")))?;
        Ok(Output { code, stdout: self.stdout()?, stderr: self.stderr()? })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a run of the command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    /// Its exit code.
    pub(crate) code: i32,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

impl Output {
    /// The one JSON object on standard output.
    ///
    /// # Errors
    ///
    /// Where there is anything else.
    pub(crate) fn json(&self) -> io::Result<Value> {
        let json: Value = serde_json::from_str(&self.stdout)?;
        match json.is_object() {
            true => Ok(json),
            false => Err(io::Error::other(format!("no object: {json}"))),
        }
    }
}
