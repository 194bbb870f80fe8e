//! The server of `arcllm serve`: one current-thread runtime a core, each with a listener of its own.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use arcllm::{ConfigError, Host, RequestLog};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc, watch},
    time::{interval, timeout},
};

pub use crate::process::reload::ReadHost;
use crate::{
    gateway::{readiness::Stage, shared::Shared},
    process::{
        port_owner::port_owner,
        reload::{Reloader, check_open, idle_keys, in_words, load_models, with_gaps},
        signals::{Signal, Signals},
        tls::Certificate,
        worker::Worker,
    },
    telemetry::{
        background::{Output, tell},
        metrics::Metrics,
        otlp::Otlp,
    },
};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How long the last export may take.
const LAST_EXPORT: Duration = Duration::from_secs(5);

/// How long clients have to take the end of answers that are cut off.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Whether the system spreads connections over listeners of the same port. Elsewhere all threads accept from one listener.
const SHARES_PORTS: bool = cfg!(target_os = "linux");

/// How a host is served.
pub struct Setup {
    /// The host, whose `[serve]` counts.
    pub host: Host,
    /// Makes the host anew after a change of its configuration; absent if it cannot change.
    pub read: Option<ReadHost>,
    /// Where to listen, instead of what `[serve]` says.
    pub listen: Option<SocketAddr>,
    /// How to log, instead of what `[serve]` says.
    pub log: Option<RequestLog>,
    /// How many threads serve.
    pub threads: usize,
    /// Where spans and counters are exported to.
    pub otlp: Option<Otlp>,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system, or something else outside of the configuration, does not allow it.
    #[error("{0}")]
    Refused(String),
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop, and finished what ran, as far as there was time.
    Stopped,
    /// It was told twice, and finished nothing.
    AtOnce,
}

/// A server that listens, and does not accept yet.
pub struct Server {
    /// One for each thread.
    listeners: Vec<std::net::TcpListener>,
    address: SocketAddr,
    shared: Arc<Shared>,
    certificate: Option<Arc<Certificate>>,
    read: Option<ReadHost>,
    otlp: Option<Otlp>,
    signals: Signals,
}

/// What is wrong with the `[serve]` of a host, before it is served.
#[derive(Debug)]
pub struct ServeReport {
    /// What keeps the server from starting.
    pub problems: Vec<String>,
    /// What does nothing.
    pub warnings: Vec<String>,
}

/// Checks the `[serve]` of this host, without listening.
pub fn check(host: &Host) -> ServeReport {
    let config = &host.config().serve;
    if let Err(error) = host.config().check_serve_is_trusted() {
        return ServeReport { problems: vec![error.to_string()], warnings: Vec::new() };
    }
    let certificate = config.tls.as_ref().map_or(Ok(()), |files| Certificate::read(files).map(drop));
    let problems = [check_open(config.listen, config), certificate].into_iter().filter_map(Result::err).collect();
    ServeReport { problems, warnings: idle_keys(host) }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Listens, once for each thread. Port 0 takes a free one. Call it inside of a Tokio runtime, before models are loaded, so that they
    /// are counted.
    ///
    /// # Errors
    ///
    /// If the configuration is wrong or not trusted, if other machines would be let in without a key, if a certificate cannot
    /// be read, if the port is taken, or outside of a runtime.
    pub fn listen(setup: Setup) -> Result<Self, ServeError> {
        let outside = |_| ServeError::Refused("a server listens inside of a Tokio runtime".to_owned());
        Handle::try_current().map_err(outside)?;
        let Setup { host, read, listen, log, threads, otlp } = setup;
        host.config().check_serve_is_trusted()?;
        let config = &host.config().serve;
        let address = listen.unwrap_or(config.listen);
        check_open(address, config).map_err(ServeError::Refused)?;
        let certificate = config.tls.as_ref().map(Certificate::read).transpose().map_err(ServeError::Refused)?;
        let certificate = certificate.map(Arc::new);
        let (listeners, address) = listeners(address, threads).map_err(|error| cannot_listen(address, &error))?;
        // From here on a signal is obeyed. Whoever reads where it listens may send one at once.
        let signals = Signals::listen().map_err(|error| ServeError::Refused(error.to_string()))?;
        let log = log.unwrap_or(config.log);
        // A program that counts already goes on as it does.
        let metrics = Metrics::install(otlp.as_ref().and_then(Otlp::meter));
        let shared = Arc::new(Shared::new(host, log, metrics));
        Ok(Self { listeners, address, shared, certificate, read, otlp, signals })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves until the process gets a signal to stop. Then finishes what runs.
    ///
    /// # Errors
    ///
    /// If the system gives no threads, or if no model can be loaded.
    pub async fn run(self) -> Result<Ended, ServeError> {
        let Self { listeners, address, shared, certificate, read, otlp, mut signals } = self;
        let reloader = read.map(|read| Reloader::new(shared.clone(), read, address, certificate.clone()));
        let (stop, stopped) = watch::channel(false);
        let mut threads = Threads::start(listeners, &shared, certificate.as_ref(), &stopped)?;
        let reload = Notify::new();
        let mut prepared = pin!(prepare(&shared, reloader, &reload));
        let mut tidy = interval(Metrics::TIDIED);
        loop {
            tokio::select! {
                failed = &mut prepared => return Err(failed),
                () = threads.ended() => return Err(ServeError::Refused("all threads have ended".to_owned())),
                _ = tidy.tick() => shared.metrics.iter().for_each(Metrics::tidy),
                signal = signals.next() => match signal {
                    Signal::Stop => break,
                    #[cfg(unix)]
                    Signal::Reload => reload.notify_one(),
                },
            }
        }
        shared.readiness.reach(Stage::Stopping);
        // Nobody listens if all threads have ended.
        let _ = stop.send(true);
        let ended = finish(&shared, &mut threads, &mut signals).await;
        // Who does not read has lost the last lines.
        let _ = Output::Standard.drain();
        if let Some(otlp) = otlp {
            // A collector that does not answer must not keep the server from ending.
            let _ = timeout(LAST_EXPORT, tokio::task::spawn_blocking(move || otlp.end())).await;
        }
        Ok(ended)
    }
}

/// Waits until what runs has ended, for as long as the configuration says.
async fn finish(shared: &Shared, threads: &mut Threads, signals: &mut Signals) -> Ended {
    let most = shared.live().config().shutdown;
    let calls = shared.calls.get();
    if calls > 0 {
        let calls = if calls == 1 { "1 call".to_owned() } else { format!("{calls} calls") };
        tell(format_args!("stopping; {calls} may run for {} seconds more", most.as_secs_f64()));
    }
    let again = async { while signals.next().await != Signal::Stop {} };
    let ended = tokio::select! {
        ended = timeout(most, threads.ended()) => match ended {
            Ok(()) => return Ended::Stopped,
            Err(_) => Ended::Stopped,
        },
        () = again => Ended::AtOnce,
    };
    let cut = match shared.calls.get() {
        1 => "1 call is".to_owned(),
        calls => format!("{calls} calls are"),
    };
    tell(format_args!("{cut} cut off"));
    // Each client is told, if it reads.
    shared.ending.cancel();
    let _ = timeout(LAST_WORDS, threads.ended()).await;
    ended
}

/// Loads the models, then keeps up with changes of the configuration. Ends only if no model can be loaded.
async fn prepare(shared: &Shared, reloader: Option<Reloader>, reload: &Notify) -> ServeError {
    let begun = Instant::now();
    let live = shared.live().clone();
    let count = live.host.models().len();
    let (models, mut failed) = load_models(&live.host).await;
    // Nothing else sets them.
    let _ = live.models.set(models);
    for (model, error) in &failed {
        tell(format_args!("the model {model:?} cannot be loaded: {error}"));
    }
    if failed.len() == count
        && let Some((_, error)) = failed.pop_first()
    {
        return error.into();
    }
    let ready = count - failed.len();
    shared.readiness.troubles().models = with_gaps(shared, in_words(failed));
    shared.readiness.reach(Stage::Ready);
    if count == 0 {
        tell(format_args!("no provider has a key: set one, such as ANTHROPIC_API_KEY, or write config.toml"));
    }
    tell(format_args!("ready; models: {ready}; loaded in {:.1} s", begun.elapsed().as_secs_f64()));
    match reloader {
        Some(reloader) => reloader.keep_up(reload).await,
        None => std::future::pending().await,
    }
    ServeError::Refused("the configuration is no longer watched".to_owned())
}

/// The threads that serve.
struct Threads(mpsc::Receiver<()>);

impl Threads {
    fn start(
        listeners: Vec<std::net::TcpListener>,
        shared: &Arc<Shared>,
        certificate: Option<&Arc<Certificate>>,
        stop: &watch::Receiver<bool>,
    ) -> Result<Self, ServeError> {
        let (working, ended) = mpsc::channel(1);
        for listener in listeners {
            let (shared, certificate, stop) = (shared.clone(), certificate.cloned(), stop.clone());
            let (worker, working) = (Worker { listener, shared, certificate, stop }, working.clone());
            let work = move || {
                if let Err(error) = worker.work() {
                    tracing::error!(target: "arcllm::serve", %error, "a thread has ended");
                }
                drop::<mpsc::Sender<()>>(working);
            };
            thread::Builder::new().name("arcllm-serve".to_owned()).spawn(work).map_err(|error| no_thread(&error))?;
        }
        Ok(Self(ended))
    }

    /// Waits until all have ended.
    async fn ended(&mut self) {
        self.0.recv().await;
    }
}

/// A listener for each thread.
fn listeners(mut address: SocketAddr, threads: usize) -> io::Result<(Vec<std::net::TcpListener>, SocketAddr)> {
    // With a port that may be shared, a second server would share it with the first one.
    let first = listen(address, false)?;
    address = first.local_addr()?;
    if !SHARES_PORTS {
        let listeners = (0..threads.max(1)).map(|_| first.try_clone()).collect::<io::Result<_>>()?;
        return Ok((listeners, address));
    }
    drop(first);
    let listeners = (0..threads.max(1)).map(|_| listen(address, true)).collect::<io::Result<_>>()?;
    Ok((listeners, address))
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    #[cfg(target_os = "linux")]
    socket.set_reuse_port(shared)?;
    #[cfg(not(target_os = "linux"))]
    let _ = shared;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> ServeError {
    let mut text = format!("cannot listen on {address}: {error}");
    if error.kind() == io::ErrorKind::AddrInUse {
        if let Some(owner) = port_owner(address) {
            text.push_str(&format!("; {owner} does"));
        }
        text.push_str("\n  help: another port with --listen, or a free one with port 0");
    }
    ServeError::Refused(text)
}

fn no_thread(error: &io::Error) -> ServeError {
    ServeError::Refused(format!("cannot start a thread: {error}"))
}
