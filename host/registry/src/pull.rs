//! Pulls a module, through connections that break.

use std::{path::Path, time::Duration};

use reqwest::{
    Method, Response, StatusCode,
    header::{CONTENT_RANGE, HeaderValue, RANGE},
};

use crate::{
    error::RegistryError,
    found::Found,
    part::{Part, is_there},
    registry::Progress,
    session::{Ask, Session},
};

/// How often a connection may break without a byte in between.
const FAILURES: u32 = 4;

/// The wait after the first failure, which doubles with each, and for another process.
const WAIT: Duration = Duration::from_millis(200);

impl Session<'_> {
    /// Pulls the file of a module to its place.
    pub(crate) async fn pull(
        &self,
        found: &Found,
        place: &Path,
        progress: &mut Progress<'_>,
    ) -> Result<(), RegistryError> {
        let mut part = match Part::open(place)? {
            Some(part) => part,
            None => {
                let part = self.wait_for_part(place).await?;
                if is_there(place, &found.wasm_digest) {
                    return part.remove();
                }
                part
            }
        };
        // What is there may be of another version.
        let mut is_doubtful = part.length() > 0;
        loop {
            self.fill(found, &mut part, progress).await?;
            let got = part.digest();
            if got == found.wasm_digest {
                return part.finish(place);
            }
            if !is_doubtful {
                part.remove()?;
                let what = found.reference.to_string();
                return Err(RegistryError::Changed { what, expected: found.wasm_digest, got });
            }
            is_doubtful = false;
            part.clear()?;
        }
    }

    /// Waits until no other process pulls this file.
    async fn wait_for_part(&self, place: &Path) -> Result<Part, RegistryError> {
        loop {
            tokio::time::sleep(WAIT).await;
            if let Some(part) = Part::open(place)? {
                return Ok(part);
            }
        }
    }

    /// Pulls until the part has the length of the whole.
    async fn fill(&self, found: &Found, part: &mut Part, progress: &mut Progress<'_>) -> Result<(), RegistryError> {
        let mut failures = 0;
        if part.length() > found.size {
            part.clear()?;
        }
        progress(part.length(), found.size);
        while part.length() < found.size {
            let before = part.length();
            match self.fill_once(found, part, progress).await {
                Ok(()) => {}
                Err(error @ (RegistryError::Connection { .. } | RegistryError::TimedOut { .. })) => {
                    failures = if part.length() > before { 1 } else { failures + 1 };
                    if failures > FAILURES {
                        return Err(error);
                    }
                    tokio::time::sleep(WAIT * 2_u32.pow(failures - 1)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Pulls over one connection.
    async fn fill_once(
        &self,
        found: &Found,
        part: &mut Part,
        progress: &mut Progress<'_>,
    ) -> Result<(), RegistryError> {
        let mut response = self.blob(found, part).await?;
        let silence = self.http.limits.silence;
        loop {
            let chunk = tokio::time::timeout(silence, response.chunk()).await.map_err(|_| self.timed_out(silence))?;
            let Some(chunk) = chunk.map_err(|error| self.lost(&error))? else { break };
            if chunk.len() as u64 > found.size - part.length() {
                part.clear()?;
                return Err(self.broken(format!("it sends more than the {} bytes that its manifest says", found.size)));
            }
            part.add(&chunk)?;
            progress(part.length(), found.size);
        }
        match part.length() == found.size {
            true => Ok(()),
            false => Err(RegistryError::Connection {
                registry: self.reference.registry().to_owned(),
                why: format!("the connection broke after {} of {} bytes", part.length(), found.size),
            }),
        }
    }

    /// Asks for what is missing.
    async fn blob(&self, found: &Found, part: &mut Part) -> Result<Response, RegistryError> {
        let url = self.url(&format!("blobs/{}", found.wasm_digest))?;
        let mut ask = Ask::new(Method::GET, url);
        if let Ok(range) = HeaderValue::try_from(format!("bytes={}-", part.length()))
            && part.length() > 0
        {
            ask.headers.insert(RANGE, range);
        }
        let response = self.in_time(self.send(ask)).await?;
        match response.status() {
            StatusCode::OK => part.clear()?,
            StatusCode::PARTIAL_CONTENT if begins_at(&response, part.length()) => {}
            // It cannot go on from there.
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if part.length() > 0 => {
                part.clear()?;
                let why = "it does not send the rest of a file".to_owned();
                return Err(RegistryError::Connection { registry: self.reference.registry().to_owned(), why });
            }
            _ => return Err(self.failed(response).await),
        }
        Ok(response)
    }
}

/// Whether an answer is the rest from this byte on: `Content-Range: bytes 5-9/10`.
fn begins_at(response: &Response, offset: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let first = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok());
    first == Some(offset)
}
