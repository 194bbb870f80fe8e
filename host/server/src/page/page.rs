//! What the page of all threads shares: the calls, and the description of the configuration.

use std::time::{Duration, Instant};

use arcllm::Host;
use bytes::Bytes;
use tokio::sync::Mutex;

use crate::page::{overview::overview, recent_calls::RecentCalls};

/// How long a description of the configuration is shown before it is made anew. Making it starts each module once.
const FRESH: Duration = Duration::from_secs(5);

/// What the page shows. Nothing is computed while nobody looks.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) calls: RecentCalls,
    overview: Mutex<Option<(Instant, Bytes)>>,
}

impl Page {
    /// The description of the configuration as JSON.
    pub(crate) async fn overview(&self, host: &Host) -> Bytes {
        let mut overview = self.overview.lock().await;
        match &*overview {
            Some((made, json)) if made.elapsed() < FRESH => json.clone(),
            _ => {
                let json = Bytes::from(self::overview(host).await.to_string());
                *overview = Some((Instant::now(), json.clone()));
                json
            }
        }
    }
}
