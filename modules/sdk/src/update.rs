//! Changing what is kept, where others change it too.

use crate::{state, wall_clock};

/// How often a change is tried before it is given up: others would have to have changed the value each time.
const TRIES: usize = 1000;

/// What becomes of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// It stays.
    Keep,
    /// It is set to this.
    Set(Vec<u8>),
    /// It is removed.
    Remove,
}

/// Replaces the value of a key by what `change` makes of it, and returns what `change` has to say besides. Where somebody
/// else has changed the value meanwhile, `change` is called again with theirs.
///
/// # Errors
///
/// What the store says, and where others change the value all the time.
pub async fn update<T>(key: &str, mut change: impl FnMut(Option<&[u8]>) -> (Update, T)) -> Result<T, String> {
    for _ in 0..TRIES {
        let current = state::get(key.to_owned()).await?;
        let (update, told) = change(current.as_deref());
        let new = match update {
            Update::Keep => return Ok(told),
            Update::Set(value) => Some(value),
            Update::Remove => None,
        };
        if state::compare_and_swap(key.to_owned(), current, new).await? {
            return Ok(told);
        }
    }
    Err(format!("others change `{key}` all the time"))
}

/// Nanoseconds since 1970 by the wall clock, which others see too who share what is kept. It may go back.
pub fn unix_time() -> u64 {
    let now = wall_clock::now();
    u64::try_from(now.seconds).unwrap_or_default().saturating_mul(1_000_000_000).saturating_add(now.nanoseconds.into())
}
