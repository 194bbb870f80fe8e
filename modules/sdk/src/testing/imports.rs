//! What a module can import, out of the world that runs it.

/// The inner.
pub mod inner {
    pub use super::super::handles::{Request, Response};
    use crate::{testing::executor::current, types::Error};

    /// Asks the inner.
    pub async fn invoke(request: Request) -> Result<Response, Error> {
        let target = request.provider();
        request.ask(&target).await
    }

    /// The name of the provider at the end of the chain.
    pub fn name() -> String {
        let _ = current();
        super::super::INNER.to_owned()
    }

    /// Whether a call can be made.
    pub fn validate_config() -> Result<(), String> {
        Ok(())
    }
}

/// Other models.
pub mod models {
    pub use super::super::handles::{Model, Request, Response};
    use crate::types::{Error, Failure};

    /// Loads the model of a provider that the world has.
    pub async fn load(request: &Request, provider: String) -> Result<Model, Error> {
        if request.world.0.borrow().providers.contains_key(&provider) {
            return Ok(Model(provider));
        }
        let message = "there is no such provider in this world".to_owned();
        Err(Error::Config(Failure { message, provider, extensions: Vec::new() }))
    }
}

/// What outlives a call.
pub mod state {
    use crate::testing::{World, executor};

    /// The world, once the store has come to this operation.
    async fn reached() -> World {
        let world = executor::current();
        let takes = {
            let mut inside = world.0.borrow_mut();
            inside.operations += 1;
            inside.state_takes
        };
        executor::sleep(&world, takes).await;
        world
    }

    /// The value of this key.
    pub async fn get(key: String) -> Result<Option<Vec<u8>>, String> {
        Ok(reached().await.0.borrow().values.get(&key).cloned())
    }

    /// Sets it, whatever it was.
    pub async fn set(key: String, value: Vec<u8>) -> Result<(), String> {
        reached().await.0.borrow_mut().values.insert(key, value);
        Ok(())
    }

    /// Removes it.
    pub async fn delete(key: String) -> Result<(), String> {
        reached().await.0.borrow_mut().values.remove(&key);
        Ok(())
    }

    /// Adds to a whole number.
    pub async fn increment(key: String, delta: i64) -> Result<i64, String> {
        let world = reached().await;
        let values = &mut world.0.borrow_mut().values;
        let number = values.get(&key).map_or(Some(0), |value| std::str::from_utf8(value).ok()?.parse::<i64>().ok());
        let number = number.ok_or("the value is no whole number")?.saturating_add(delta);
        values.insert(key, number.to_string().into_bytes());
        Ok(number)
    }

    /// Sets it to `new` if it still is `current`.
    pub async fn compare_and_swap(key: String, current: Option<Vec<u8>>, new: Option<Vec<u8>>) -> Result<bool, String> {
        let world = reached().await;
        let values = &mut world.0.borrow_mut().values;
        if values.get(&key) != current.as_ref() {
            return Ok(false);
        }
        match new {
            Some(new) => drop(values.insert(key, new)),
            None => drop(values.remove(&key)),
        }
        Ok(true)
    }
}

/// The monotonic clock.
pub mod clock {
    use crate::testing::executor::{current, sleep};

    /// Nanoseconds since the beginning of the world.
    pub fn now() -> u64 {
        current().0.borrow().now
    }

    /// Waits so many nanoseconds.
    pub async fn wait_for(nanoseconds: u64) {
        let world = current();
        let waited = world.0.borrow().waited.saturating_add(nanoseconds);
        sleep(&world, nanoseconds).await;
        world.0.borrow_mut().waited = waited;
    }

    /// Waits until then.
    pub async fn wait_until(when: u64) {
        wait_for(when.saturating_sub(now())).await;
    }
}

/// The wall clock. A world begins with the year 1970.
pub mod wall_clock {
    pub use crate::bindings::wasi::clocks::system_clock::Instant;
    use crate::testing::executor::current;

    /// Now.
    pub fn now() -> Instant {
        let now = std::time::Duration::from_nanos(current().0.borrow().now);
        Instant { seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX), nanoseconds: now.subsec_nanos() }
    }
}

/// Random numbers.
pub mod random {
    use crate::testing::executor::current;

    /// The next of the world's numbers.
    pub fn get_insecure_random_u64() -> u64 {
        let world = current();
        let state = &mut world.0.borrow_mut().random;
        // SplitMix64, Steele et al., "Fast splittable pseudorandom number generators", 2014.
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The log.
pub mod log {
    pub use crate::bindings::wasi::logging::logging::Level;
    use crate::testing::executor::current;

    /// Notes a message.
    pub fn log(_level: Level, _context: &str, message: &str) {
        current().0.borrow_mut().logged.push(message.to_owned());
    }
}
