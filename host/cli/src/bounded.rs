//! Reads texts of limited size. What a command is given may have no end, such as `/dev/zero`.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// The largest configuration or lock, in bytes, as the library reads them.
pub(crate) const CONFIGURATION: u64 = 8 << 20;

/// Reads all of a text.
///
/// # Errors
///
/// Where it cannot be read, is larger than `most` bytes, or is not UTF-8.
pub(crate) fn read(from: impl Read, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(most + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
        return Err(io::Error::other(format!("it is larger than {} MB", most >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// Reads the text of a file.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn read_file(file: &Path, most: u64) -> io::Result<String> {
    read(File::open(file)?, most)
}
