//! What the page of all threads shares: the calls, and the description of the configuration.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arcllm::Host;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::page::{overview::overview, recent_calls::RecentCalls};

/// How long a description of the configuration is shown before it is made anew. Making it starts each module once.
const FRESH: Duration = Duration::from_secs(5);

/// What the page shows. Nothing is computed while nobody looks.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) calls: RecentCalls,
    overview: Mutex<Option<(Instant, Arc<Value>)>>,
}

impl Page {
    /// The description of the configuration.
    pub(crate) async fn overview(&self, host: &Host) -> Arc<Value> {
        let mut overview = self.overview.lock().await;
        match &*overview {
            Some((made, described)) if made.elapsed() < FRESH => described.clone(),
            _ => {
                let described = Arc::new(self::overview(host).await);
                *overview = Some((Instant::now(), described.clone()));
                described
            }
        }
    }
}
