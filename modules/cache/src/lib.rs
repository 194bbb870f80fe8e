//! Answers equal requests from what was answered before, and asks once for those that come at once.
//!
//! [`Policy`] decides what is cached, [`Kept`] is an answer as bytes, [`Flights`] are the requests of this instance, and [`Store`]
//! knows those of all others. This file connects them to the host.

mod bytes;
mod flight;
mod kept;
mod policy;
mod settings;
mod store;

use std::{cell::RefCell, rc::Rc, time::Duration};

use arcllm_module::{
    Behavior, Cost, Description, Error, Module, Request, Response, Target, clock, endings, inner,
    stream::{self, Event, Reader, Writer},
    types::ResponseParts,
};

pub use bytes::Bytes;
pub use flight::{Flight, Flights, Pilot, Stage};
pub use kept::{CACHED, Kept};
pub use policy::{Call, Policy};
pub use settings::{Labels, OnStoreFailure, Settings};
pub use store::{FIRST_PAUSE, Found, Store, longer};

/// The module.
pub struct Cache {
    flights: Flights,
    shared: Rc<Shared>,
}

/// What a call still needs after it has its answer.
struct Shared {
    policy: Policy,
    store: Store,
}

/// How a call goes on.
enum Next {
    /// With this answer, as it is kept.
    Answer(Rc<[u8]>),
    /// By asking.
    Ask(Asking),
}

/// A call that asks, and whose answer is kept.
struct Asking {
    key: String,
    /// Absent if equal calls of this instance wait for another one.
    pilot: Option<Pilot>,
    /// Absent if equal calls elsewhere do not wait for it.
    lease: Option<u64>,
    shared: Rc<Shared>,
}

/// What became of the answer of a call.
#[derive(Default)]
enum End {
    /// It is kept as these bytes.
    Kept(Rc<[u8]>),
    /// It is not kept.
    NotKept,
    /// There is none.
    #[default]
    Failed,
}

impl Module for Cache {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("cache", env!("CARGO_PKG_VERSION"), "cache").behavior(&[Behavior::AnswersItself])
    }

    fn new(settings: Settings) -> Self {
        let shared = Rc::new(Shared { policy: Policy::new(settings), store: Store });
        Self { flights: Flights::default(), shared }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let Some(key) = self.key(&request) else { return inner::invoke(request).await };
        match self.next(key, &request).await? {
            Next::Answer(bytes) => match Kept::read(&bytes) {
                Some(kept) => Ok(answered(&request, kept)),
                None => inner::invoke(request).await,
            },
            Next::Ask(asking) => asking.ask(request).await,
        }
    }

    fn worst_case(&self, inner: &Target, _: &[Target]) -> Cost {
        let wait = clock::nanoseconds(self.shared.policy.max_wait());
        Cost { waiting: inner.most.waiting.saturating_add(wait), ..inner.most }
    }
}

impl Cache {
    /// The key of a call that can be answered from the cache.
    fn key(&self, request: &Request) -> Option<String> {
        let options = request.options();
        if !self.shared.policy.is_cached(&options) {
            return None;
        }
        let (provider, model, digest) = (request.provider(), request.model(), request.digest());
        self.shared.policy.key(&Call { provider: &provider, model: &model, digest: &digest, options: &options })
    }

    /// Looks for the answer of a call, or for an equal one that is under way.
    async fn next(&self, key: String, request: &Request) -> Result<Next, Error> {
        let until = clock::now().saturating_add(self.shared.policy.max_wait());
        let pilot = loop {
            let other = match self.flights.begin(&key) {
                Ok(pilot) => break pilot,
                Err(other) => other,
            };
            match wait(&other, until).await {
                Stage::Answered(bytes) => return Ok(Next::Answer(bytes)),
                Stage::NotKept | Stage::UnderWay => return Ok(Next::Ask(self.asking(key, None, None))),
                // One of those who wait is the next to ask, and the rest wait for it.
                Stage::Failed => {}
            }
        };
        match self.shared.store.look(&key, &self.shared.policy, until).await {
            Ok(Found::Answer(bytes)) => {
                let bytes: Rc<[u8]> = bytes.into();
                pilot.flight().answer(bytes.clone());
                Ok(Next::Answer(bytes))
            }
            Ok(Found::Nothing(lease)) => Ok(Next::Ask(self.asking(key, Some(pilot), lease))),
            Ok(Found::NotKept) => {
                pilot.flight().keep_nothing();
                Ok(Next::Ask(self.asking(key, None, None)))
            }
            Err(problem) => {
                self.shared.store.failed(&problem);
                match self.shared.policy.refuses() {
                    true => Err(refused(request, &problem)),
                    false => Ok(Next::Ask(self.asking(key, Some(pilot), None))),
                }
            }
        }
    }

    fn asking(&self, key: String, pilot: Option<Pilot>, lease: Option<u64>) -> Asking {
        Asking { key, pilot, lease, shared: self.shared.clone() }
    }
}

/// Waits until an equal call has ended, but not beyond `until`.
async fn wait(other: &Flight, until: Duration) -> Stage {
    let mut pause = FIRST_PAUSE;
    loop {
        let left = until.saturating_sub(clock::now());
        match other.stage() {
            Stage::UnderWay if !left.is_zero() && clock::waited(pause.min(left)).await => pause = longer(pause),
            stage => return stage,
        }
    }
}

/// Answers a call with what is kept.
fn answered(request: &Request, kept: Kept) -> Response {
    let age = clock::unix_time().saturating_sub(kept.at).as_secs();
    request.note(&format!("answered from the cache: the answer is {age} s old"));
    Response::new(request, &kept.marked())
}

fn refused(request: &Request, problem: &str) -> Error {
    let message = format!("the module cache cannot look into its store, and on_store_failure is \"refuse\": {problem}");
    Error::refused(request, "cache", 503, clock::nanoseconds(Duration::from_secs(1)), message)
}

impl Asking {
    async fn ask(self, request: Request) -> Result<Response, Error> {
        match inner::invoke(request.clone()).await {
            Ok(response) if response.is_whole() => Ok(self.whole(response)),
            Ok(response) => Ok(self.streamed(&request, response)),
            Err(error) => {
                self.end(End::Failed).await;
                Err(error)
            }
        }
    }

    /// Hands on a whole answer, and keeps it meanwhile.
    fn whole(self, response: Response) -> Response {
        let may_keep =
            response.stop_reason().is_some_and(|stop| self.shared.policy.may_keep(&stop, response.size().as_ref()));
        let end = self.answered(may_keep.then(|| response.parts()).as_ref());
        endings::after(&response, async move |_| self.end(end).await);
        response
    }

    /// Hands on an answer as it comes, and keeps it when it has ended well.
    fn streamed(self, request: &Request, response: Response) -> Response {
        let reader = stream::read(response);
        let asking = Rc::new(self);
        let end: Rc<RefCell<End>> = Rc::default();
        let (passing, passed) = (asking.clone(), end.clone());
        let answer = stream::written(request, async move |writer| {
            pass(&reader, writer, |parts| *passed.borrow_mut() = passing.answered(Some(parts))).await
        });
        endings::after(&answer, async move |_| {
            // The reader may have left, and the answer has come all the same.
            let end = end.take();
            asking.end(end).await;
        });
        answer
    }

    /// What becomes of this answer, or of one that cannot be kept. Who waits in this instance knows from now on.
    fn answered(&self, parts: Option<&ResponseParts>) -> End {
        let bytes: Option<Rc<[u8]>> =
            parts.and_then(|parts| self.shared.policy.kept(clock::unix_time(), parts)).map(Rc::from);
        match (&self.pilot, &bytes) {
            (Some(pilot), Some(bytes)) => pilot.flight().answer(bytes.clone()),
            (Some(pilot), None) => pilot.flight().keep_nothing(),
            (None, _) => {}
        }
        bytes.map_or(End::NotKept, End::Kept)
    }

    /// Keeps the answer, or lets others ask.
    async fn end(&self, end: End) {
        let Shared { policy, store } = &*self.shared;
        match end {
            End::Kept(bytes) => store.keep(&self.key, &bytes, self.lease, policy.ttl()).await,
            End::NotKept => store.keep_nothing(&self.key, self.lease, policy).await,
            End::Failed => store.release(&self.key, self.lease).await,
        }
    }
}

/// Hands on the events of an answer as they come. `ended` gets the whole answer before its reader does.
async fn pass(reader: &Reader, writer: &Writer, ended: impl FnOnce(&ResponseParts)) -> Result<(), Error> {
    loop {
        let events = reader.read().await?;
        let end = match events.last() {
            None => return Ok(()),
            Some(Event::End(parts)) => Some(parts),
            Some(_) => None,
        };
        if let Some(parts) = end {
            ended(parts);
            return writer.write(events).await;
        }
        writer.write(events).await?;
    }
}

arcllm_module::export!(Cache);

#[cfg(test)]
mod tests;
