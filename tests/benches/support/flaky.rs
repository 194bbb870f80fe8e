//! An adapter that fails now and then, and counts requests.

use std::{
    sync::Arc,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use arcllm::{Adapter, ContentBlock, ErrorKind, Failure, Message, Request, Response};
use futures::future::BoxFuture;
use tokio::task::yield_now;

use super::answer;

/// One attempt in so many fails.
const FAILING: u64 = 10;

/// Counts what each call sends. One attempt in ten fails, and some take longer than others.
pub(crate) struct Flaky {
    seed: u64,
    sent: Vec<AtomicU8>,
}

impl Flaky {
    pub(crate) fn new(seed: u64, calls: u64) -> Self {
        Self { seed, sent: (0..calls).map(|_| AtomicU8::new(0)).collect() }
    }

    /// The request of the call of this number.
    pub(crate) fn request(call: u64) -> Request {
        Request::new([Message::user(call.to_string())])
    }

    /// How many requests this call has sent.
    pub(crate) fn sent(&self, call: u64) -> u64 {
        u64::from(self.sent.get(call as usize).unwrap().load(Ordering::Acquire))
    }

    /// How many requests have been sent.
    pub(crate) fn sent_in_all(&self) -> u64 {
        self.sent.iter().map(|sent| u64::from(sent.load(Ordering::Acquire))).sum()
    }

    async fn attempt(&self, call: u64) -> Result<Response, ErrorKind> {
        let before = self.sent.get(call as usize).unwrap().fetch_add(1, Ordering::AcqRel);
        let luck = draw(self.seed, call, u64::from(before));
        match (luck >> 32) % 64 {
            0 => tokio::time::sleep(Duration::from_millis(1)).await,
            turns => turn(turns % 4).await,
        }
        if luck.is_multiple_of(FAILING) {
            return Err(ErrorKind::Connection(Failure::new("a", "as it was told to")));
        }
        Ok(answer())
    }
}

impl Adapter for Flaky {
    fn send(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        let block = request.messages.first().and_then(|message| message.content.first());
        let number = block.and_then(|block| match block {
            ContentBlock::Text(text) => text.text.parse().ok(),
            _ => None,
        });
        let number = number.unwrap();
        Box::pin(async move { self.attempt(number).await })
    }
}

/// Lets the other tasks run so many times.
pub(crate) async fn turn(times: u64) {
    for _ in 0..times {
        yield_now().await;
    }
}

/// Bits that look random and depend only on these arguments.
pub(crate) fn draw(seed: u64, call: u64, what: u64) -> u64 {
    let mut bits = seed ^ call.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ what.wrapping_mul(0xd1b5_4a32_d192_ed03);
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        bits = (bits ^ (bits >> 30)).wrapping_mul(factor);
    }
    bits ^ (bits >> 31)
}
