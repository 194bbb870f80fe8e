//! Values that outlive a call and an instance, by key. Needs the grant `state`.

#[cfg(target_family = "wasm")]
pub use crate::bindings::arcllm::llm::state::*;
#[cfg(not(target_family = "wasm"))]
pub use crate::testing::imports::state::*;

/// How often a change is tried before it is given up. To get there, others must have changed the value each time.
const TRIES: usize = 1000;

/// What [`update`] does with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Leaves it as it is.
    Keep,
    /// Sets it to this.
    Set(Vec<u8>),
    /// Removes it.
    Remove,
}

/// Changes the value of a key in one step, and returns what `change` returned beside the update.
///
/// If somebody else has changed the value in between, `change` is called again with their value.
///
/// # Errors
///
/// The store's own error, or that others changed the value at every try.
pub async fn update<T>(key: &str, mut change: impl FnMut(Option<&[u8]>) -> (Update, T)) -> Result<T, String> {
    for _ in 0..TRIES {
        let current = get(key.to_owned()).await?;
        let (update, result) = change(current.as_deref());
        let new = match update {
            Update::Keep => return Ok(result),
            Update::Set(value) => Some(value),
            Update::Remove => None,
        };
        if compare_and_swap(key.to_owned(), current, new).await? {
            return Ok(result);
        }
    }
    Err(format!("`{key}` was changed by others at each of {TRIES} tries"))
}
