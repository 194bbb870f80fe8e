//! The memory of a call, to the byte. It is a binary of its own, since its allocator counts, and one test, since other
//! tests would be counted too.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that fails here has failed")]

mod allocator;
mod case;
mod gateway;
mod hostile;
mod request;
mod responses;
mod server;
mod streamed;
mod whole;

use std::time::Duration;

use arcllm::{Config, Host, Model, Overrides};
use server::Server;

/// Connections, a runtime and buffers cost less than this.
const BESIDES: usize = 2 << 20;

/// A model for each format, without modules.
pub(crate) async fn model(format: &str, server: &Server, megabytes: usize) -> Model {
    let config = format!(
        "[providers.a]\nadapter = \"{format}\"\nbase_url = \"{}\"\napi_key_env = \"\"\ndefault_model = \"m\"\n\
         max_response_mb = {megabytes}\n",
        server.url
    );
    let mut config = Config::parse(&config, None).unwrap();
    // Quadratic work would take longer than this.
    config.deadline = Duration::from_secs(120);
    Host::builder().config(config).build().unwrap().load_model("a", Overrides::new()).await.unwrap()
}

#[test]
fn memory() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        gateway::open_streams().await;
        gateway::long_conversation().await;
        hostile::answers().await;
        request::conversations().await;
    });
    // As many threads as calls, so that all can read their answers at the same time.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(10).enable_all().build().unwrap();
    runtime.block_on(hostile::ten_at_once());
}
