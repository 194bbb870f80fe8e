//! Pushes content and manifests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::stream;
use reqwest::{
    Body, Method, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
};

use crate::{
    digest::Digest,
    error::RegistryError,
    manifest::{MANIFEST, Manifest},
    registry::Progress,
    session::{Ask, Session},
};

/// How often content is pushed before a broken connection is an error.
const TRIES: u32 = 3;

/// The wait after the first failure. It doubles with each.
const WAIT: Duration = Duration::from_millis(500);

/// How often a transfer is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How much is handed to a connection at once, in bytes.
const CHUNK: usize = 64 << 10;

impl Session<'_> {
    /// Pushes content, unless it is there. A broken push begins anew.
    pub(crate) async fn push_blob(&self, bytes: &Bytes, progress: &mut Progress<'_>) -> Result<(), RegistryError> {
        let mut tries = 1;
        loop {
            match self.push_blob_once(bytes, progress).await {
                Err(RegistryError::Connection { .. } | RegistryError::TimedOut { .. }) if tries < TRIES => {
                    tokio::time::sleep(WAIT * 2_u32.pow(tries - 1)).await;
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    async fn push_blob_once(&self, bytes: &Bytes, progress: &mut Progress<'_>) -> Result<(), RegistryError> {
        let digest = Digest::of(bytes);
        let there = Ask::new(Method::HEAD, self.url(&format!("blobs/{digest}"))?);
        if self.in_time(self.send(there)).await?.status() == StatusCode::OK {
            progress(bytes.len() as u64, bytes.len() as u64);
            return Ok(());
        }
        let start = Ask { body: Some(&|| Body::from("")), ..Ask::new(Method::POST, self.url("blobs/uploads/")?) };
        let response = self.in_time(self.send(start)).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.failed(response).await);
        }
        let mut url = self.location(response.url(), response.headers())?;
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let response = self.upload(url, bytes, progress).await?;
        match response.status().is_success() {
            true => Ok(()),
            false => Err(self.failed(response).await),
        }
    }

    /// Sends the content in one request, and ends it if it stands still.
    async fn upload(
        &self,
        url: url::Url,
        bytes: &Bytes,
        progress: &mut Progress<'_>,
    ) -> Result<Response, RegistryError> {
        let sent = Arc::new(AtomicU64::new(0));
        let body = || Body::wrap_stream(counted(bytes.clone(), sent.clone()));
        let mut ask = Ask { body: Some(&body), ..Ask::new(Method::PUT, url) };
        ask.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let answer = self.send(ask);
        tokio::pin!(answer);
        let silence = self.http.limits.silence;
        let (mut last, mut since) = (0, Instant::now());
        loop {
            match tokio::time::timeout(LOOK, &mut answer).await {
                Ok(answer) => return answer,
                Err(_) => {
                    let now = sent.load(Relaxed);
                    progress(now, bytes.len() as u64);
                    if now != last {
                        (last, since) = (now, Instant::now());
                    } else if since.elapsed() > silence {
                        return Err(self.timed_out(silence));
                    }
                }
            }
        }
    }

    /// Pushes a manifest to a tag. Returns its digest.
    pub(crate) async fn push_manifest(&self, tag: &str, manifest: &Manifest) -> Result<Digest, RegistryError> {
        let bytes = Bytes::from(manifest.to_bytes());
        let body = || Body::from(bytes.clone());
        let mut ask = Ask { body: Some(&body), ..Ask::new(Method::PUT, self.url(&format!("manifests/{tag}"))?) };
        ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static(MANIFEST));
        let response = self.in_time(self.send(ask)).await?;
        if !response.status().is_success() {
            return Err(self.failed(response).await);
        }
        Ok(Digest::of(&bytes))
    }
}

/// The content piece by piece. Counts what the connection has taken.
fn counted(bytes: Bytes, sent: Arc<AtomicU64>) -> impl stream::Stream<Item = Result<Bytes, std::io::Error>> {
    sent.store(0, Relaxed);
    stream::iter((0..bytes.len()).step_by(CHUNK).map(move |from| {
        let piece = bytes.slice(from..bytes.len().min(from + CHUNK));
        sent.fetch_add(piece.len() as u64, Relaxed);
        Ok(piece)
    }))
}
