//! Loads the configuration anew while the server runs.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arcllm::{ConfigError, Host, Lock, Model, Overrides, ServeConfig};
use tokio::{sync::Notify, time::sleep};

use crate::{
    gateway::{keys::idle_patterns, readiness::without_file, shared::Shared},
    process::tls::Certificate,
    telemetry::{background::tell, metrics::count_reload},
};

/// How often the files are looked at. A change counts once it is seen twice: a file is seldom written at once.
const LOOK: Duration = Duration::from_millis(200);

/// After this time a reload that failed is tried again, and each time after twice as long, up to the longest. What it lacked may be
/// there by then, such as the file of a module.
const AGAIN: Duration = Duration::from_secs(1);
const LONGEST_AGAIN: Duration = Duration::from_secs(60);

/// What some editors write in front of a text.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// A file of fewer bytes can be blank.
const FEW: u64 = 100;

/// The most models that are loaded at the start.
const MOST_MODELS: usize = 1000;

/// When files changed last, and how long they are.
type Look = Vec<Option<(SystemTime, u64)>>;

/// Reads the configuration and makes a host of it.
pub type ReadHost = Arc<dyn Fn() -> Result<Host, ConfigError> + Send + Sync>;

/// Loads the configuration anew.
pub(crate) struct Reloader {
    shared: Arc<Shared>,
    read: ReadHost,
    /// Where the server listens. It cannot change.
    address: SocketAddr,
    certificate: Option<Arc<Certificate>>,
    /// What the files looked like when they were read.
    seen: Look,
    /// The last reload, if it failed.
    failed: Option<Failed>,
}

/// A reload that failed.
#[derive(Debug)]
struct Failed {
    /// Why, as it has been told.
    why: String,
    /// After how long it is tried again.
    again: Duration,
}

impl Reloader {
    pub(crate) fn new(
        shared: Arc<Shared>,
        read: ReadHost,
        address: SocketAddr,
        certificate: Option<Arc<Certificate>>,
    ) -> Self {
        let seen = look(&shared);
        Self { shared, read, address, certificate, seen, failed: None }
    }

    /// Reloads whenever the files change, when it is asked to, and some time after a reload that failed. Does not end.
    pub(crate) async fn keep_up(mut self, asked: &Notify) {
        loop {
            let again = self.failed.as_ref().map(|failed| failed.again);
            let is_again = tokio::select! {
                () = self.changed() => false,
                () = asked.notified() => false,
                () = async { sleep(again.unwrap_or_default()).await }, if again.is_some() => true,
            };
            self.seen = look(&self.shared);
            self.reload(is_again).await;
        }
    }

    /// Waits until the files have changed.
    async fn changed(&self) {
        let mut last = self.seen.clone();
        loop {
            sleep(LOOK).await;
            let now = look(&self.shared);
            if now != self.seen && now == last {
                return;
            }
            last = now;
        }
    }

    /// Makes new calls use the configuration as it is now. One that does not load changes nothing, and is told again only if it fails
    /// for another reason.
    async fn reload(&mut self, is_again: bool) {
        match self.try_reload().await {
            Ok(failed) => {
                for (model, error) in &failed {
                    tell(format_args!("the model {model:?} cannot be loaded: {error}"));
                }
                let failed = with_gaps(&self.shared, failed);
                let mut troubles = self.shared.readiness.troubles();
                (troubles.reload, troubles.models) = (None, failed);
                self.failed = None;
                count_reload("ok");
                tell(format_args!("the configuration is loaded anew"));
            }
            Err((public, why)) => {
                let before = self.failed.take().filter(|_| is_again);
                let again = before.as_ref().map_or(AGAIN, |failed| (failed.again * 2).min(LONGEST_AGAIN));
                let is_told = before.is_some_and(|failed| failed.why == why);
                if !is_told {
                    self.shared.readiness.troubles().reload = Some((SystemTime::now(), public));
                    count_reload("failed");
                    tell(format_args!("the configuration is not loaded, and the one before stays in use: {why}"));
                }
                self.failed = Some(Failed { why, again });
            }
        }
    }

    /// The models that cannot be loaded, or else why nothing changes: without the names of files, and with them.
    async fn try_reload(&self) -> Result<BTreeMap<String, String>, (String, String)> {
        let both = |error: ConfigError| (without_file(&error), error.to_string());
        if let Some(file) = &self.shared.live().host.config().file {
            check_file(file)
                .map_err(|problem| (format!("the file {problem}"), format!("{} {problem}", file.display())))?;
        }
        let read = self.read.clone();
        let host = tokio::task::spawn_blocking(move || read()).await.map_err(|error| same(error.to_string()))?;
        let host = host.map_err(both)?;
        host.config().check_serve_is_trusted().map_err(both)?;
        let (old, new) = (self.shared.live().clone(), &host.config().serve);
        check_open(self.address, new).map_err(same)?;
        if old.config().listen != new.listen {
            check_open(new.listen, new).map_err(same)?;
        }
        let (models, failed) = load_models(&host).await;
        let failed_before = self.shared.readiness.troubles().models.clone();
        if let Some((model, error)) = failed.iter().find(|(model, _)| !failed_before.contains_key(*model)) {
            let text = format!("the model `{model}` cannot be loaded: {}", error);
            return Err((format!("the model `{model}` cannot be loaded: {}", without_file(error)), text));
        }
        if let (Some(certificate), Some(files)) = (&self.certificate, &old.config().tls) {
            certificate.read_again(files).map_err(|text| ("the certificate cannot be read".to_owned(), text))?;
        }
        for (setting, has_changed) in [
            ("listen", old.config().listen != new.listen),
            ("tls", old.config().tls != new.tls),
            ("log", old.config().log != new.log),
        ] {
            if has_changed {
                tell(format_args!("`serve.{setting}` has changed, which counts from the next start"));
            }
        }
        self.shared.replace(host, models);
        Ok(in_words(failed))
    }
}

/// What the files look like: the configuration, its lock, the certificate and its key.
fn look(shared: &Shared) -> Look {
    let live = shared.live();
    let config = live.host.config();
    let tls = config.serve.tls.iter().flat_map(|tls| [&tls.certificate, &tls.key]);
    let lock = config.file.as_deref().map(Lock::file);
    let files = config.file.iter().chain(tls).cloned().chain(lock);
    let look = |file: PathBuf| fs::metadata(file).ok().and_then(|data| Some((data.modified().ok()?, data.len())));
    files.map(look).collect()
}

fn same(text: String) -> (String, String) {
    (text.clone(), text)
}

/// Refuses what is no file that somebody has written. A pipe would hold up the reader, or has nothing left to read. An empty
/// file is one that is being written, and would take all keys away.
fn check_file(file: &Path) -> Result<(), &'static str> {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || BYTE_ORDER_MARK.contains(byte);
    match fs::metadata(file) {
        Ok(data) if !data.is_file() => Err("is no regular file, which is read at the start only"),
        Ok(data) if data.len() < FEW && fs::read(file).is_ok_and(|text| text.iter().all(is_blank)) => {
            Err("is empty; for a server without settings, write a comment into it")
        }
        // Who reads it tells what is wrong.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Refuses to let in other machines without a key.
///
/// # Errors
///
/// If it listens for other machines, and no keys are set.
pub(crate) fn check_open(address: SocketAddr, config: &ServeConfig) -> Result<(), String> {
    if address.ip().is_loopback() || !config.keys.is_empty() {
        return Ok(());
    }
    let what = "and no key is set, so everybody who reaches this machine could ask with your keys";
    let help = "`arcllm serve key NAME` makes a key; without one, listen on 127.0.0.1 or [::1]";
    Err(format!("the server listens on {address}, {what}\n  help: {help}"))
}

/// Loads every configured model once, which compiles all modules. Also returns those that cannot be loaded.
pub(crate) async fn load_models(host: &Host) -> (Vec<Model>, BTreeMap<String, ConfigError>) {
    let (mut loaded, mut failed) = (Vec::new(), BTreeMap::new());
    for model in host.models().into_iter().take(MOST_MODELS) {
        match host.load_model(&model.name, Overrides::new()).await {
            Ok(model) => loaded.push(model),
            Err(error) => drop(failed.insert(model.name, error)),
        }
    }
    (loaded, failed)
}

/// The keys for models that nobody has, in words.
pub(crate) fn idle_keys(host: &Host) -> Vec<String> {
    let idle = idle_patterns(host).into_iter();
    idle.map(|(key, pattern)| format!("`serve.keys.{key}.models` has {pattern:?}, which fits no model")).collect()
}

/// Tells the operator of keys for models that nobody has, and of providers without a key. Adds these, and the models that ask them,
/// to those that cannot be loaded.
pub(crate) fn with_gaps(shared: &Shared, mut failed: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let host = shared.live().host.clone();
    idle_keys(&host).iter().for_each(|warning| tell(format_args!("{warning}")));
    for (provider, error) in host.without_key() {
        tell(format_args!("the provider {provider:?} cannot be asked: {error}"));
        let models = host.config().models.iter().filter(|(_, model)| model.provider == provider);
        for name in models.map(|(name, _)| name).chain([&provider]) {
            failed.entry(name.clone()).or_insert_with(|| format!("the provider `{provider}` has no key"));
        }
    }
    failed
}

/// The errors, without the names of files.
pub(crate) fn in_words(failed: BTreeMap<String, ConfigError>) -> BTreeMap<String, String> {
    failed.into_iter().map(|(model, error)| (model, without_file(&error))).collect()
}
