//! What a module can import, served by the world that runs it.

/// The inner.
pub mod inner {
    use crate::{
        testing::{provider::ask, script::INNER, stream::answered},
        types::Error,
    };

    pub use crate::testing::{request::Request, response::Response};

    /// Asks the inner.
    pub async fn invoke(request: Request) -> Result<Response, Error> {
        let parts = ask(&request.world, INNER, &request.parts).await?;
        Ok(answered(&request.world, INNER, parts))
    }

    /// Returns the name of the provider at the end of the chain.
    pub fn name() -> String {
        INNER.to_owned()
    }

    /// Succeeds: in a world a call can always be made.
    pub fn validate_config() -> Result<(), String> {
        Ok(())
    }
}

/// Other models.
pub mod models {
    use crate::{
        testing::{
            provider::{ask, unknown},
            script::MODEL,
            stream::answered,
        },
        types::{Error, ModelFacts},
    };

    pub use crate::testing::{request::Request, response::Response};

    /// A loaded model.
    pub struct Model(String);

    impl Model {
        /// Returns the name of its provider.
        pub fn provider(&self) -> String {
            self.0.clone()
        }

        /// Returns the model that its provider is asked for.
        pub fn name(&self) -> String {
            MODEL.to_owned()
        }

        /// Asks it.
        pub async fn invoke(&self, request: Request) -> Result<Response, Error> {
            let parts = ask(&request.world, &self.0, &request.parts).await?;
            Ok(answered(&request.world, &self.0, parts))
        }
    }

    /// Loads a model by its name: that of a provider that the world has, alone or before a `/` and a model.
    pub async fn load(request: &Request, name: String) -> Result<Model, Error> {
        let providers = &request.world.0.borrow().providers;
        let provider = name.split_once('/').map_or(&*name, |(provider, _)| provider);
        match providers.contains_key(&name) {
            true => Ok(Model(name)),
            false if providers.contains_key(provider) => Ok(Model(provider.to_owned())),
            false => Err(unknown(&name)),
        }
    }

    /// Lists the models that the world has facts of.
    pub fn list(request: &Request) -> Vec<ModelFacts> {
        request.world.0.borrow().facts.values().cloned().collect()
    }
}

/// The journal.
pub(crate) mod journal {
    use crate::{
        testing::{executor, request::Request},
        types::{ContentBlock, Role},
    };

    /// Appends a record with what a request asks. A host adds whole messages and tools, and this the texts of messages.
    pub async fn append_with_request(record: String, request: &Request, limit: u32) -> Result<(), String> {
        let mut room = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut messages = Vec::new();
        for message in request.parts().messages.into_iter().rev() {
            let texts = message.content.into_iter().filter_map(|block| match block {
                ContentBlock::Text(text) => Some(text.text),
                _ => None,
            });
            let mut text: String = texts.collect();
            let length = |text: &str| serde_json::Value::from(text).to_string().len();
            while !text.is_empty() && length(&text) > room {
                text.truncate(text.floor_char_boundary(text.len() / 2));
            }
            room = room.saturating_sub(length(&text));
            let role = match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::Tool => "tool",
                Role::Other(_) => "other",
            };
            messages.push(format!("{{\"role\":\"{role}\",\"content\":{}}}", serde_json::Value::from(text)));
        }
        messages.reverse();
        let fields = record.trim_end().trim_end_matches('}').to_owned();
        append(format!("{fields},\"content\":{{\"messages\":[{}]}}}}", messages.join(","))).await
    }

    /// Appends a record.
    pub async fn append(record: String) -> Result<(), String> {
        let world = executor::current();
        let takes = world.0.borrow().journal_takes;
        executor::sleep(&world, takes).await;
        let inside = &mut world.0.borrow_mut();
        match &inside.journal_problem {
            Some(problem) => Err(problem.clone()),
            None => {
                inside.journal.push(record);
                Ok(())
            }
        }
    }
}

/// The monotonic clock.
pub(crate) mod clock {
    use crate::testing::executor::{current, sleep};

    /// Returns the nanoseconds since the beginning of the world.
    pub(crate) fn now() -> u64 {
        current().0.borrow().now
    }

    /// Waits this many nanoseconds.
    pub(crate) async fn wait_for(nanoseconds: u64) {
        let world = current();
        let waited = world.0.borrow().waited.saturating_add(nanoseconds);
        sleep(&world, nanoseconds).await;
        world.0.borrow_mut().waited = waited;
    }

    /// Waits until this time.
    pub(crate) async fn wait_until(when: u64) {
        wait_for(when.saturating_sub(now())).await;
    }
}

/// The wall clock. A world begins at the start of 1970.
pub mod wall_clock {
    pub use crate::bindings::wasi::clocks::system_clock::Instant;
    use crate::testing::executor::current;

    /// Returns the time.
    pub fn now() -> Instant {
        let now = std::time::Duration::from_nanos(current().0.borrow().now);
        Instant { seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX), nanoseconds: now.subsec_nanos() }
    }
}

/// Random numbers.
pub mod random {
    use crate::testing::executor::current;

    /// Returns the next random number of the world.
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

    /// Keeps a message for the test.
    pub fn log(_level: Level, _context: &str, message: &str) {
        current().0.borrow_mut().logged.push(message.to_owned());
    }
}
