//! Waits for one of two futures.

use std::{future::poll_fn, pin::Pin, task::Poll};

/// Which of two futures of a [`race`] was first, and its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raced<A, B> {
    /// The first argument.
    One(A),
    /// The second argument.
    Other(B),
}

/// Waits until one of two futures is ready. If both are, the first argument wins.
///
/// Both run at the same time. The loser stops when it is dropped, and so does what it asked: its provider sees that the caller
/// has left. This module asks another model beside a slow one, and takes the answer that comes first:
///
/// ```
/// use std::{pin::pin, time::Duration};
///
/// use arcllm_module::{Error, Raced, Request, Response, clock, inner, models, race};
///
/// async fn invoke(request: Request) -> Result<Response, Error> {
///     let one = pin!(inner::invoke(request.clone()));
///     let other = pin!(async {
///         clock::wait_for(Duration::from_secs(1)).await;
///         models::load(&request, "other".to_owned()).await?.invoke(request.clone()).await
///     });
///     match race(one, other).await {
///         Raced::One(answer) | Raced::Other(answer) => answer,
///     }
/// }
/// # use arcllm_module::testing::{World, text};
/// # let world = World::new().answers_after(Duration::from_secs(9)).provider("other", [Ok(text("quick"))]);
/// # let world = world.provider_after("other", Duration::from_secs(1));
/// # assert_eq!(world.run(invoke(world.request("Hi"))).unwrap().parts().text(), "quick");
/// # assert_eq!(world.asked()[0].cancelled, Some(Duration::from_secs(2)));
/// ```
///
/// Give pinned `&mut` futures, as from `pin!(…).as_mut()`, to wait for the loser afterwards.
pub async fn race<A, B>(one: impl Future<Output = A> + Unpin, other: impl Future<Output = B> + Unpin) -> Raced<A, B> {
    let (mut one, mut other) = (one, other);
    poll_fn(|context| {
        if let Poll::Ready(result) = Pin::new(&mut one).poll(context) {
            return Poll::Ready(Raced::One(result));
        }
        Pin::new(&mut other).poll(context).map(Raced::Other)
    })
    .await
}
