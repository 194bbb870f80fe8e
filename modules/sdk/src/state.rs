//! Values, buckets of tokens and leases that outlive a call and an instance, by key. Needs the grant `state`.
//!
//! Each function is one step for everybody who shares them, and one round trip where they lie in a store that processes share.
//! So [`add`] and [`take`] are better than [`update`] wherever they say what is meant.

#[cfg(target_family = "wasm")]
pub use crate::bindings::arcllm::llm::state::*;
#[cfg(not(target_family = "wasm"))]
pub use crate::testing::state::*;

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::World;

    #[test]
    fn changes_at_the_same_time_are_all_kept() {
        let world = World::new().state_after(Duration::from_millis(1));
        let add_one = |value: Option<&[u8]>| {
            let number = value.map_or(0, |value| value.len());
            (Update::Set(vec![b'x'; number + 1]), number)
        };
        let before = world.run_all((0..20).map(|_| update("k", add_one)));
        let mut before: Vec<usize> = before.into_iter().map(Result::unwrap).collect();
        before.sort_unstable();
        assert_eq!(before, (0..20).collect::<Vec<_>>());
        assert_eq!(world.value("k").map(|value| value.len()), Some(20));
    }

    #[test]
    fn an_update_keeps_or_removes_a_value() {
        let world = World::new();
        world.run(async {
            set("k".to_owned(), b"kept".to_vec()).await.unwrap();
            assert_eq!(update("k", |value| (Update::Keep, value.map(<[u8]>::len))).await, Ok(Some(4)));
            assert_eq!(get("k".to_owned()).await, Ok(Some(b"kept".to_vec())));
            update("k", |_| (Update::Remove, ())).await.unwrap();
            assert_eq!(get("k".to_owned()).await, Ok(None));
        });
    }
}
