//! Reads that can be given up.

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
    /// A read that nobody has waited for to its end. Cancelled instead, it could have just come back, and what it brought
    /// would be lost.
    under_way: RefCell<Option<Reading>>,
    reader: Rc<streams::Reader>,
}

/// The events of this answer. One that has come whole is read likewise.
pub fn read(answer: Response) -> Reader {
    Reader { under_way: RefCell::default(), reader: Rc::new(streams::read(answer)) }
}

impl Reader {
    /// Waits for more, and takes all that has come; nothing after `End`. The future can be dropped, such as for a timer:
    /// the next read goes on where it was.
    ///
    /// # Errors
    ///
    /// That of the answer, which has ended with it.
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
