//! Runs a module in a world.

use std::{future::poll_fn, rc::Rc, task::Poll};

use crate::{
    testing::{executor, request::Request, world::World},
    types::RequestParts,
};

impl World {
    /// Makes a request of one text, said by the user.
    pub fn request(&self, text: &str) -> Request {
        self.request_of(RequestParts::from_text(text))
    }

    /// Makes a request of this content.
    pub fn request_of(&self, parts: RequestParts) -> Request {
        Request { world: self.clone(), parts: Rc::new(parts) }
    }

    /// Runs a future, and all tasks that it starts, to their end in virtual time.
    ///
    /// # Panics
    ///
    /// If it waits for something that cannot happen, or if another world runs on this thread.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        executor::run(self, future)
    }

    /// Runs all of these futures at once, as an instance runs its calls, and returns their results in order.
    ///
    /// # Panics
    ///
    /// As [`run`](World::run).
    pub fn run_all<T>(&self, futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
        let mut running: Vec<_> = futures.into_iter().map(|future| (Some(Box::pin(future)), None)).collect();
        self.run(poll_fn(move |context| {
            for (future, result) in &mut running {
                if let Some(Poll::Ready(value)) = future.as_mut().map(|future| future.as_mut().poll(context)) {
                    (*future, *result) = (None, Some(value));
                }
            }
            match running.iter().all(|(future, _)| future.is_none()) {
                true => Poll::Ready(running.drain(..).filter_map(|(_, result)| result).collect()),
                false => Poll::Pending,
            }
        }))
    }
}
