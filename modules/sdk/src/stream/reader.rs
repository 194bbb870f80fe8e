//! Reads that can be dropped and resumed.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Poll, ready},
};

use crate::{
    Error, Response,
    bindings::arcllm::llm::streams::{self, Event},
};

type Reading = Pin<Box<dyn Future<Output = Result<Vec<Event>, Error>>>>;

/// The events of an answer. Dropping it ends the answer and closes its connection.
pub struct Reader {
    /// A read whose future was dropped before it ended. It is kept, because cancelling it could lose events that have
    /// just arrived.
    under_way: RefCell<Option<Reading>>,
    reader: Rc<streams::Reader>,
}

/// Reads the events of this answer. A whole answer is read the same way.
pub fn read(answer: Response) -> Reader {
    Reader { under_way: RefCell::default(), reader: Rc::new(streams::read(answer)) }
}

impl Reader {
    /// Waits for events, and takes all that have come. After `End` it takes none.
    ///
    /// The future can be dropped, for example when a timer ends first. The next read goes on where it stopped.
    ///
    /// # Errors
    ///
    /// The error that ended the answer.
    pub async fn read(&self) -> Result<Vec<Event>, Error> {
        poll_fn(|context| {
            let mut under_way = self.under_way.borrow_mut();
            let reading = under_way.get_or_insert_with(|| {
                let reader = self.reader.clone();
                Box::pin(async move { reader.read().await })
            });
            let read = ready!(reading.as_mut().poll(context));
            *under_way = None;
            Poll::Ready(read)
        })
        .await
    }
}
