//! Keeps what modules keep in a Redis: each operation is one command or one script, and so one round trip.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use redis::{FromRedisValue, RedisError, Script, ScriptInvocation};
use tokio::runtime::{Handle, Id};

use crate::{
    chat::{
        config_error::ConfigError,
        plain::{self, SENTENCE},
    },
    config::{
        config::Config,
        state::{RedisConfig, StateConfig},
    },
    state::{
        operation::{Added, Bucket, CounterAddition, Leased, Life, Sum, Taken},
        redis::connection::Connection,
        state_store::{ModuleState, StateError, StateStore, Stored},
    },
};

macro_rules! script {
    ($($file:literal),*) => { LazyLock::new(|| Script::new(concat!($(include_str!($file)),*))) };
}

static SET: LazyLock<Script> = script!("window.lua", "set.lua");
static COMPARE_AND_SWAP: LazyLock<Script> = script!("compare_and_swap.lua");
static ADD: LazyLock<Script> = script!("window.lua", "add.lua");
static TAKE: LazyLock<Script> = script!("take.lua");
static LEASE: LazyLock<Script> = script!("lease.lua");

/// Keeps what modules keep in a Redis. Each Tokio runtime has a connection, since a connection ends with its runtime.
pub(crate) struct RedisStore {
    redis: RedisConfig,
    prefix: String,
    timeout: Duration,
    connections: Mutex<HashMap<Id, Result<Connection, StateError>>>,
}

impl RedisStore {
    pub(crate) fn new(redis: RedisConfig, state: &StateConfig) -> Self {
        Self { redis, prefix: state.prefix.clone(), timeout: state.timeout, connections: Mutex::default() }
    }

    /// Asks the server whether it lets this program in. One that cannot be reached may come back, so the log tells of it and the
    /// program goes on.
    ///
    /// # Errors
    ///
    /// If the server refuses the user or the password.
    pub(crate) async fn check(&self, config: &Config) -> Result<(), ConfigError> {
        let problem = match self.connection() {
            Err(error) => error.message,
            Ok(mut connection) => {
                let ping = redis::cmd("PING");
                match tokio::time::timeout(self.timeout, ping.query_async::<()>(&mut connection)).await {
                    Ok(Ok(())) => return Ok(()),
                    Ok(Err(error)) if Connection::is_refused(&error) => {
                        let problem = format!(
                            "names {}, which does not let this program in: {}",
                            self.redis.servers,
                            said(&error)
                        );
                        let error = config.document.error(Some(self.redis.key), problem);
                        return Err(error.help("check the user, the password and the number of the database"));
                    }
                    Ok(Err(error)) => said(&error),
                    Err(_) => format!("it has not answered in {} s", self.timeout.as_secs_f64()),
                }
            }
        };
        tracing::warn!(
            target: "arcllm::state",
            servers = %self.redis.servers,
            "the state store cannot be reached, and modules do without it until it is back: {problem}",
        );
        Ok(())
    }

    fn connection(&self) -> Stored<Connection> {
        let runtime = Handle::try_current().map_err(|_| StateError::new("a module runs outside of a Tokio runtime"))?;
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || Connection::new(&self.redis, self.timeout).map_err(|error| StateError::new(said(&error)));
        connections.entry(runtime.id()).or_insert_with(open).clone()
    }
}

impl StateStore for RedisStore {
    fn open(&self, module: &str) -> Arc<dyn ModuleState> {
        // All keys of a module lie in one slot of a cluster, that of the text in braces.
        Arc::new(Keys { connection: self.connection(), start: format!("{}:{{{module}}}:", self.prefix) })
    }
}

/// The keys of one module.
struct Keys {
    connection: Stored<Connection>,
    start: String,
}

impl Keys {
    fn value(&self, key: &str) -> String {
        format!("{}v:{key}", self.start)
    }

    fn tokens(&self, key: &str) -> String {
        format!("{}t:{key}", self.start)
    }

    fn leases(&self, key: &str) -> String {
        format!("{}l:{key}", self.start)
    }

    async fn command<T: FromRedisValue>(&self, command: &redis::Cmd) -> Stored<T> {
        command.query_async(&mut self.connection.clone()?).await.map_err(failed)
    }

    async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Stored<T> {
        script.invoke_async(&mut self.connection.clone()?).await.map_err(failed)
    }
}

impl ModuleState for Keys {
    fn get<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Stored<Vec<Option<Vec<u8>>>>> {
        async move {
            let Some((first, others)) = keys.split_first() else { return Ok(Vec::new()) };
            let mut command = redis::cmd("MGET");
            command.arg(self.value(first));
            for key in others {
                command.arg(self.value(key));
            }
            self.command(&command).await
        }
        .boxed()
    }

    fn set<'a>(&'a self, key: &'a str, value: Vec<u8>, life: Life) -> BoxFuture<'a, Stored<()>> {
        async move { self.run(SET.key(self.value(key)).arg(value).arg(life_out(life))).await }.boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Stored<()>> {
        async move {
            let keys = [self.value(key), self.tokens(key), self.leases(key)];
            self.command(redis::cmd("DEL").arg(&keys[..])).await
        }
        .boxed()
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        current: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Stored<bool>> {
        async move {
            let mut script = COMPARE_AND_SWAP.key(self.value(key));
            for value in [current, new] {
                script.arg(u8::from(value.is_some())).arg(value.unwrap_or_default());
            }
            self.run(&script).await
        }
        .boxed()
    }

    fn add<'a>(&'a self, additions: &'a [CounterAddition]) -> BoxFuture<'a, Stored<Added>> {
        async move {
            let mut script = ADD.prepare_invoke();
            for addition in additions {
                let most = addition.most.map(|most| most.to_string()).unwrap_or_default();
                script.key(self.value(&addition.key)).arg(addition.delta).arg(most).arg(life_out(addition.life));
            }
            let answer: Vec<String> = self.run(&script).await?;
            let mut numbers = answer.iter().map(|number| number.parse::<i64>().map_err(|_| strange()));
            let mut next = || numbers.next().unwrap_or_else(|| Err(strange()));
            let refused = match next()? {
                -2 => {
                    let at = usize::try_from(next()?).unwrap_or_default().saturating_sub(1);
                    return Err(StateError::no_number(additions.get(at).map_or("", |addition| &addition.key)));
                }
                refused => usize::try_from(refused).ok(),
            };
            let mut sum =
                || Ok(Sum { value: next()?, ends_in: u64::try_from(next()?).ok().map(Duration::from_millis) });
            Ok(Added { refused, sums: additions.iter().map(|_| sum()).collect::<Stored<_>>()? })
        }
        .boxed()
    }

    fn take<'a>(&'a self, buckets: &'a [Bucket], wait: Duration) -> BoxFuture<'a, Stored<Taken>> {
        async move {
            let mut script = TAKE.prepare_invoke();
            script.arg(wait.as_secs_f64() * 1e6);
            for bucket in buckets {
                script.key(self.tokens(&bucket.key)).arg(bucket.per_second).arg(bucket.burst).arg(bucket.cost);
            }
            let (refused, wait): (i64, u64) = self.run(&script).await?;
            Ok(Taken { refused: usize::try_from(refused).ok(), wait: Duration::from_micros(wait) })
        }
        .boxed()
    }

    fn lease<'a>(&'a self, key: &'a str, most: u32, lasts: Duration) -> BoxFuture<'a, Stored<Leased>> {
        async move {
            let lease: u64 = rand::random();
            // Above this, microseconds since 1970 are not exact.
            let lasts = lasts.as_micros().clamp(1, 1_000_000_000_000_000);
            let lasts = u64::try_from(lasts).unwrap_or(u64::MAX);
            let (granted, wait): (bool, u64) =
                self.run(LEASE.key(self.leases(key)).arg(most).arg(lasts).arg(lease)).await?;
            Ok(if granted { Leased::Granted(lease) } else { Leased::Held(Duration::from_micros(wait)) })
        }
        .boxed()
    }

    fn release<'a>(&'a self, key: &'a str, lease: u64) -> BoxFuture<'a, Stored<()>> {
        async move { self.command(redis::cmd("ZREM").arg(self.leases(key)).arg(lease)).await }.boxed()
    }
}

/// A life as the scripts read it.
fn life_out(life: Life) -> String {
    let word = match life {
        Life::Forever => "forever",
        // Redis keeps nothing for longer than its own numbers go.
        Life::Time(time) => return time.as_millis().clamp(1, 1_000_000_000_000_000).to_string(),
        Life::Minute => "minute",
        Life::Hour => "hour",
        Life::Day => "day",
        Life::Month => "month",
    };
    word.to_owned()
}

fn strange() -> StateError {
    StateError::new("the store answered with something else than numbers")
}

fn failed(error: RedisError) -> StateError {
    StateError::new(said(&error))
}

/// What a server or the connection to it says.
fn said(error: &RedisError) -> String {
    plain::line(&error.to_string(), SENTENCE).into_owned()
}
