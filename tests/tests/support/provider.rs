//! A provider in this process: it needs no socket, so it works on virtual time, and it answers when the test says so.

use std::{sync::Arc, time::Duration};

use arcllm::{Adapter, ApiError, ContentBlock, ErrorKind, Request, Response};
use futures::future::BoxFuture;
use tokio::sync::{Semaphore, watch};

/// Nothing here takes this long unless it hangs.
const LONGEST: Duration = Duration::from_secs(60);

/// A provider that counts what it is asked. It says hello at once, unless it is told otherwise.
pub(crate) struct Provider {
    asked: watch::Sender<usize>,
    may_answer: Semaphore,
    takes: Duration,
    answer: Result<Response, ErrorKind>,
}

impl Provider {
    /// One that answers at once.
    pub(crate) fn open() -> Self {
        Self::with(Semaphore::MAX_PERMITS)
    }

    /// One that keeps its answers back until [`Self::let_answer`].
    pub(crate) fn closed() -> Self {
        Self::with(0)
    }

    fn with(answers: usize) -> Self {
        let may_answer = Semaphore::new(answers);
        Self { asked: watch::Sender::new(0), may_answer, takes: Duration::ZERO, answer: Ok(response("Hello.")) }
    }

    /// Answers with this text.
    #[must_use]
    pub(crate) fn saying(self, text: impl Into<String>) -> Self {
        Self { answer: Ok(response(text)), ..self }
    }

    /// Answers with this status, and the message `no`.
    #[must_use]
    pub(crate) fn failing(self, status: u16) -> Self {
        let error = ApiError::new(status, "no").with_provider("a").with_model("m");
        Self { answer: Err(ErrorKind::Api(error)), ..self }
    }

    /// Takes this long for each answer.
    #[must_use]
    pub(crate) fn taking(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        *self.asked.borrow()
    }

    /// Waits until it was asked so many times.
    pub(crate) async fn wait_until_asked(&self, times: usize) {
        let mut asked = self.asked.subscribe();
        tokio::time::timeout(LONGEST, asked.wait_for(|asked| *asked >= times)).await.unwrap().unwrap();
    }

    /// Lets it give so many answers more.
    pub(crate) fn let_answer(&self, times: usize) {
        self.may_answer.add_permits(times);
    }
}

impl Adapter for Provider {
    fn send(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async move {
            self.asked.send_modify(|asked| *asked += 1);
            self.may_answer.acquire().await.unwrap().forget();
            // Even an empty sleep would let other tasks run.
            if !self.takes.is_zero() {
                tokio::time::sleep(self.takes).await;
            }
            self.answer.clone()
        })
    }
}

fn response(text: impl Into<String>) -> Response {
    Response::new(vec![ContentBlock::text(text)]).with_provider("a", "m")
}
