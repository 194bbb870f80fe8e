//! Reads the files of modules: plain files that begin as WebAssembly does and are no larger than the limit.

use std::{
    fs::{File, FileType, Metadata, OpenOptions},
    io::{self, Read as _},
    path::Path,
    time::{Duration, SystemTime},
};

use crate::{
    chat::{
        config_error::ConfigError,
        plain::{self, SENTENCE},
    },
    config::digest::digest,
};

/// A file that changed more recently may change again without a new stamp: file systems count in steps of up to two
/// seconds.
const SETTLED: Duration = Duration::from_secs(2);

/// What a file begins with if it is WebAssembly.
/// <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>
const MAGIC: [u8; 4] = *b"\0asm";

/// The content of a module's file.
pub(crate) struct ModuleFile {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: String,
    /// Absent if the file changed just now.
    pub(crate) stamp: Option<Stamp>,
}

impl ModuleFile {
    /// Reads the file, if it can be a module of at most `max_mb` binary megabytes.
    ///
    /// # Errors
    ///
    /// What keeps the file from being a module.
    pub(crate) fn read(path: &Path, max_mb: u64) -> Result<Self, UnfitFile> {
        let (mut file, metadata) = open(path, max_mb)?;
        // Taken before the bytes are read, so that a change during the read is noticed.
        let stamp = Stamp::of(&metadata).filter(Stamp::is_settled);
        let mut bytes = MAGIC.to_vec();
        // One byte more than may be there, since the file may have grown since it was opened.
        let rest = most_bytes(max_mb).saturating_add(1).saturating_sub(MAGIC.len() as u64);
        (&mut file).take(rest).read_to_end(&mut bytes).map_err(|error| UnfitFile::unreadable(&error))?;
        if bytes.len() as u64 > most_bytes(max_mb) {
            return Err(UnfitFile::too_large(bytes.len() as u64, max_mb));
        }
        Ok(Self { digest: digest(&bytes), bytes, stamp })
    }
}

/// Says what keeps a file from being a module, as far as its metadata and its first bytes tell.
///
/// # Errors
///
/// As [`ModuleFile::read`].
pub(crate) fn look(path: &Path, max_mb: u64) -> Result<(), UnfitFile> {
    open(path, max_mb).map(drop)
}

/// Opens the file behind its first four bytes.
fn open(path: &Path, max_mb: u64) -> Result<(File, Metadata), UnfitFile> {
    let metadata = path.metadata().map_err(|error| UnfitFile::unreachable(path, &error))?;
    check_type(metadata.file_type())?;
    let mut file = options().open(path).map_err(|error| UnfitFile::unreadable(&error))?;
    // Another file may stand in its place by now.
    let metadata = file.metadata().map_err(|error| UnfitFile::unreadable(&error))?;
    check_type(metadata.file_type())?;
    let mut magic = Vec::new();
    (&mut file).take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(|error| UnfitFile::unreadable(&error))?;
    match &*magic {
        [] => Err(UnfitFile::new("is empty", BUILD)),
        magic if magic != MAGIC => Err(UnfitFile::new("is not WebAssembly", BUILD)),
        _ if metadata.len() > most_bytes(max_mb) => Err(UnfitFile::too_large(metadata.len(), max_mb)),
        _ => Ok((file, metadata)),
    }
}

fn most_bytes(max_mb: u64) -> u64 {
    max_mb.saturating_mul(1 << 20)
}

/// How to open a file without waiting for somebody to write into a pipe.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK | libc::O_NOCTTY);
    options
}

fn check_type(kind: FileType) -> Result<(), UnfitFile> {
    match kind.is_file() {
        true => Ok(()),
        false => Err(UnfitFile::new(format!("is {}, not a file", name_of_type(kind)), REPLACE)),
    }
}

fn name_of_type(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        match kind {
            _ if kind.is_fifo() => return "a named pipe",
            _ if kind.is_socket() => return "a socket",
            _ if kind.is_char_device() || kind.is_block_device() => return "a device",
            _ => {}
        }
    }
    if kind.is_dir() { "a folder" } else { "something else" }
}

const BUILD: &str = "put a component there that is built for arcllm:llm@0.1.0";
const REPLACE: &str = "put the file of a component in its place";

/// What keeps a file from being a module.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnfitFile {
    /// What is wrong with it, such as `is a folder, not a file`.
    problem: String,
    help: String,
    /// Whether there is no such file.
    pub(crate) is_missing: bool,
}

impl UnfitFile {
    fn new(problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self { problem: problem.into(), help: help.into(), is_missing: false }
    }

    fn unreadable(error: &io::Error) -> Self {
        Self::new(format!("cannot be read: {error}"), "check the permissions of the file and of its folder")
    }

    /// A file whose metadata cannot be read.
    fn unreachable(path: &Path, error: &io::Error) -> Self {
        let Ok(target) = path.read_link() else {
            return match error.kind() {
                io::ErrorKind::NotFound => Self { is_missing: true, ..Self::new("does not exist", "") },
                _ => Self::unreadable(error),
            };
        };
        let target = plain::line(&target.display().to_string(), SENTENCE).into_owned();
        match error.kind() {
            io::ErrorKind::NotFound => Self::new(format!("is a link to {target}, which does not exist"), REPLACE),
            _ if is_loop(error) => Self::new(format!("is a link to {target}, which leads back to itself"), REPLACE),
            _ => Self::new(format!("is a link to {target}, which cannot be read: {error}"), REPLACE),
        }
    }

    fn too_large(bytes: u64, max_mb: u64) -> Self {
        let megabytes = bytes.div_ceil(1 << 20);
        let help = format!(
            "if it is a module, build it without debug information, or set host.max_module_mb to {megabytes} or more"
        );
        Self::new(format!("has {megabytes} MB, more than the {max_mb} MB that a module may have"), help)
    }

    /// An error about this file.
    pub(crate) fn error(self, path: &Path) -> ConfigError {
        ConfigError::new(self.problem).file(path).help(self.help)
    }
}

fn is_loop(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(libc::ELOOP);
    #[cfg(not(unix))]
    false
}

/// A file's metadata. While it is the same, so are the file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    length: u64,
    modified: SystemTime,
    /// The device, the inode, and its ctime, which programs cannot set.
    #[cfg(unix)]
    inode: (u64, u64, i64, i64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Option<Self> {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Some(Self {
            length: metadata.len(),
            modified: metadata.modified().ok()?,
            #[cfg(unix)]
            inode: (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Whether another change would change the stamp.
    fn is_settled(&self) -> bool {
        let since = |then: SystemTime| then.elapsed().is_ok_and(|elapsed| elapsed >= SETTLED);
        #[cfg(unix)]
        let changed = u64::try_from(self.inode.2).map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        #[cfg(unix)]
        return since(self.modified) && changed.is_ok_and(since);
        #[cfg(not(unix))]
        since(self.modified)
    }
}
