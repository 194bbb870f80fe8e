//! The connection to a Redis. It is opened when it is first needed, and comes back by itself.

use std::{sync::Arc, time::Duration};

use redis::{
    Client, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
};
use tokio::sync::OnceCell;

use crate::config::state::RedisConfig;

/// A connection. Clones share it.
#[derive(Clone)]
pub(crate) enum Connection {
    One(ConnectionManager),
    Cluster(Cluster),
}

/// The connections to a cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Arc<ClusterClient>,
    opened: Arc<OnceCell<ClusterConnection>>,
}

impl Connection {
    /// A connection in the current Tokio runtime. Nothing is sent yet.
    pub(crate) fn new(config: &RedisConfig, timeout: Duration) -> RedisResult<Self> {
        if config.addresses().any(|address| address.starts_with("rediss:")) {
            // A connection with TLS takes the process's provider, which the program may have set already.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        if config.is_cluster {
            let client = ClusterClient::builder(config.addresses())
                .connection_timeout(timeout)
                .response_timeout(timeout)
                .retries(1)
                .min_retry_wait(10)
                .build()?;
            return Ok(Self::Cluster(Cluster { client: Arc::new(client), opened: Arc::default() }));
        }
        let address = config.addresses().next().unwrap_or_default();
        let manager = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(10));
        ConnectionManager::new_lazy_with_config(Client::open(address)?, manager).map(Self::One)
    }

    /// Whether an error says that the server does not let this user in, or has no such database, so that no later try will help.
    pub(crate) fn is_refused(error: &RedisError) -> bool {
        matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
            || error.kind() == ErrorKind::AuthenticationFailed
            || is_no_database(error)
    }
}

/// Whether the server does not switch to the database. The crate tells that by its own words, with those of the server.
fn is_no_database(error: &RedisError) -> bool {
    let said = error.to_string();
    said.contains("refused to switch database") && !said.contains("LOADING")
}

impl Cluster {
    async fn opened(&self) -> RedisResult<ClusterConnection> {
        self.opened.get_or_try_init(|| self.client.get_async_connection()).await.cloned()
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(manager) => manager.req_packed_command(command),
            Self::Cluster(cluster) => {
                Box::pin(async move { cluster.opened().await?.req_packed_command(command).await })
            }
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(manager) => manager.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => {
                Box::pin(async move { cluster.opened().await?.req_packed_commands(pipeline, offset, count).await })
            }
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(manager) => manager.get_db(),
            Self::Cluster(_) => 0,
        }
    }
}
