//! A world for a module's unit tests, natively: a scripted inner, a virtual clock, seeded random numbers.
//!
//! Outside of WebAssembly the imports of a module ([`inner`](crate::inner), [`models`](crate::models),
//! [`state`](crate::state), [`journal`](crate::journal), [`clock`](crate::clock), [`random`](crate::random), [`log`](crate::log) and
//! [`stream`](crate::stream)) are those of the [`World`] that runs it. So a test calls the `invoke` of the module itself:
//!
//! ```
//! use std::time::Duration;
//!
//! use arcllm_module::{Error, Request, Response, clock, inner, testing::{World, api, text}};
//!
//! async fn twice(request: Request) -> Result<Response, Error> {
//!     match inner::invoke(request.clone()).await {
//!         Ok(response) => Ok(response),
//!         Err(_) => {
//!             clock::wait_for(Duration::from_secs(1)).await;
//!             inner::invoke(request).await
//!         }
//!     }
//! }
//!
//! let world = World::new().answers([Err(api(529)), Ok(text("Hello"))]);
//! let answer = world.run(twice(world.request("Hi"))).unwrap();
//! assert_eq!(answer.parts().text(), "Hello");
//! assert_eq!(world.asked().len(), 2);
//! assert_eq!(world.now().as_secs(), 1);
//! ```
//!
//! Each provider has answers and times of its own, and [`Asked`] tells which requests the module cancelled:
//!
//! ```
//! use std::{pin::pin, time::Duration};
//!
//! use arcllm_module::{Raced, inner, models, race, testing::{World, text}};
//!
//! let seconds = Duration::from_secs;
//! let world = World::new().provider_after("inner", seconds(9)).provider("other", [Ok(text("quick"))]);
//! let world = world.provider_after("other", seconds(1));
//! let raced = world.run(async {
//!     let request = world.request("Hi");
//!     let other = models::load(&request, "other".to_owned()).await?;
//!     match race(pin!(inner::invoke(request.clone())), pin!(other.invoke(request))).await {
//!         Raced::One(answer) | Raced::Other(answer) => answer,
//!     }
//! });
//! assert_eq!(raced.unwrap().parts().text(), "quick");
//! let cancelled: Vec<_> = world.asked().into_iter().map(|asked| (asked.provider, asked.cancelled)).collect();
//! assert_eq!(cancelled, [("inner".to_owned(), Some(seconds(1))), ("other".to_owned(), None)]);
//! ```
//!
//! [`World::state_fails`] takes the state away, [`World::journal_fails`] the journal.

pub(crate) mod endings;
pub(crate) mod executor;
pub(crate) mod imports;
pub(crate) mod kept;
mod pipe;
mod provider;
mod request;
mod response;
mod run;
mod script;
pub(crate) mod state;
pub(crate) mod stream;
mod world;

pub use script::{Answer, Asked, api, text};
pub use world::World;

#[cfg(test)]
mod tests;
