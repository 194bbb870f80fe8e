//! A world for a module's unit tests, natively: a scripted inner, a virtual clock, seeded random numbers.
//!
//! Outside of WebAssembly the imports of a module ([`inner`](crate::inner), [`models`](crate::models),
//! [`state`](crate::state), [`clock`](crate::clock), [`random`](crate::random), [`log`](crate::log) and
//! [`stream`](crate::stream)) are those of the [`World`] that runs it. So a test calls the `invoke` of the module itself:
//!
//! ```
//! use arcllm_module::{Error, Request, Response, clock, inner, testing::{World, api, text}};
//!
//! async fn twice(request: Request) -> Result<Response, Error> {
//!     match inner::invoke(request.clone()).await {
//!         Ok(response) => Ok(response),
//!         Err(_) => {
//!             clock::wait_for(1_000_000_000).await;
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

pub(crate) mod endings;
pub(crate) mod executor;
pub(crate) mod imports;
mod pipe;
mod provider;
mod request;
mod response;
mod run;
mod script;
pub(crate) mod stream;
mod world;

pub use script::{Answer, Asked, api, text};
pub use world::World;

#[cfg(test)]
mod tests;
