//! Request bodies, by length or in chunks.

use httparse::{InvalidChunkSize, Status};

use crate::link::Link;
use crate::request::{HEAD_LIMIT, Unreadable};

const BODY_LIMIT: usize = 64 * 1024 * 1024;
/// A chunk's size with its extensions.
const SIZE_LINE_LIMIT: usize = 4096;

/// How the end of a body is found.
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
}

/// Reads the body that these headers announce.
pub(crate) async fn read(link: &mut Link, headers: &[(String, String)]) -> Result<Vec<u8>, Unreadable> {
    let mut body = Vec::new();
    match framing(headers)? {
        Framing::Length(length) => link.take(length, &mut body).await?,
        Framing::Chunked => {
            while let Some(size) = chunk_size(link).await? {
                check_size((body.len() as u64).saturating_add(size))?;
                link.take(size as usize, &mut body).await?;
                let line = line(link, 2).await?;
                if !line.is_empty() {
                    return Err(Unreadable::bad("a chunk is longer than its size says"));
                }
            }
            skip_trailers(link).await?;
        }
    }
    Ok(body)
}

fn framing(headers: &[(String, String)]) -> Result<Framing, Unreadable> {
    let values = |name: &'static str| headers.iter().filter(move |(known, _)| known == name).map(|(_, v)| v.trim());
    let mut encodings = values("transfer-encoding");
    let mut lengths = values("content-length");
    match (encodings.next(), lengths.next()) {
        (None, None) => Ok(Framing::Length(0)),
        (None, Some(length)) if lengths.all(|other| other == length) => content_length(length),
        (None, Some(_)) => Err(Unreadable::bad("the content-length headers differ")),
        (Some(encoding), None) if encoding.eq_ignore_ascii_case("chunked") && encodings.next().is_none() => {
            Ok(Framing::Chunked)
        }
        (Some(_), None) => Err(Unreadable::bad("the only transfer-encoding known here is chunked")),
        (Some(_), Some(_)) => Err(Unreadable::bad("content-length and transfer-encoding exclude each other")),
    }
}

fn content_length(length: &str) -> Result<Framing, Unreadable> {
    let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(Unreadable::bad(format!("content-length is {length:?}, which is not a number")));
    }
    // Digits that do not fit are too large, not malformed.
    let length = length.parse().unwrap_or(u64::MAX);
    check_size(length)?;
    Ok(Framing::Length(length as usize))
}

fn check_size(size: u64) -> Result<(), Unreadable> {
    if size > BODY_LIMIT as u64 {
        let message = format!("the body is larger than {BODY_LIMIT} bytes");
        return Err(Unreadable::Refused { status: 413, message });
    }
    Ok(())
}

/// The size of the next chunk; `None` for the last one, which is empty.
async fn chunk_size(link: &mut Link) -> Result<Option<u64>, Unreadable> {
    loop {
        match httparse::parse_chunk_size(link.unread()) {
            Ok(Status::Complete((length, size))) => {
                link.consume(length);
                return Ok((size > 0).then_some(size));
            }
            Ok(Status::Partial) if link.unread().len() < SIZE_LINE_LIMIT => link.fill().await?,
            Ok(Status::Partial) | Err(InvalidChunkSize) => {
                return Err(Unreadable::bad("a chunk's size is not a hexadecimal number in a line of its own"));
            }
        }
    }
}

/// Skips the headers after the last chunk.
async fn skip_trailers(link: &mut Link) -> Result<(), Unreadable> {
    let mut left = HEAD_LIMIT;
    loop {
        let line = line(link, left).await?;
        if line.is_empty() {
            return Ok(());
        }
        left = left.saturating_sub(line.len() + 2);
    }
}

/// The next line without its end, which is among the first `limit` bytes.
async fn line(link: &mut Link, limit: usize) -> Result<Vec<u8>, Unreadable> {
    loop {
        let unread = link.unread();
        let end = unread.iter().take(limit).position(|&byte| byte == b'\n');
        if let Some(end) = end {
            let line = unread.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
            link.consume(end + 1);
            return Ok(line);
        }
        if unread.len() >= limit {
            return Err(Unreadable::bad("a line of a chunked body is too long"));
        }
        link.fill().await?;
    }
}
