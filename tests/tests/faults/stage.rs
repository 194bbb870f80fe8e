//! Plays a fault: two simulated providers, and a model over them.

use arcllm::{Attempt, Error, ErrorKind, Message, Model, Overrides, Response};
use arcllm_simulator::{Format, Recorded, Simulator};
use futures::future::join_all;

use super::{
    Fault,
    play::{Part, Play, RETRY, backoff},
};
use crate::{
    scene::{load, replies, soon, steps},
    support::{Chain, Folder},
};

/// How the providers of a stage are set up.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    /// The formats of `a` and `b`.
    pub(crate) formats: [Format; 2],
    /// Whether the agent asks for a stream. Before its first event nothing is different.
    pub(crate) streamed: bool,
    /// Makes the address of a provider that fails from the address of the simulator.
    pub(crate) address: fn(String) -> String,
    /// More settings of a provider, by its part: lines of TOML.
    pub(crate) settings: fn(Part) -> &'static str,
}

pub(crate) const BOTH_FORMATS: Setup = Setup {
    formats: [Format::Anthropic, Format::OpenAi],
    streamed: false,
    address: |address| address,
    settings: |_| "max_response_mb = 1",
};

pub(crate) const OTHER_WAY_ROUND: Setup = Setup { formats: [Format::OpenAi, Format::Anthropic], ..BOTH_FORMATS };

pub(crate) const RESPONSES: Setup = Setup { formats: [Format::Responses, Format::OpenAi], ..BOTH_FORMATS };

/// Plays each fault through each chain.
pub(crate) async fn play_all(setup: Setup, faults: &[Fault]) {
    for retryable in [true, false] {
        let faults: Vec<_> = faults.iter().filter(|fault| fault.retryable == retryable).collect();
        let plays = Play::all(retryable).into_iter();
        // A provider that gets no request does not recover.
        let plays = plays.filter(|play| faults.iter().all(|fault| fault.reply.is_some()) || !play.has_recovery());
        let playing = plays.map(async |play| {
            let stage = Stage::new(play, setup).await;
            for fault in &faults {
                stage.play(fault).await;
            }
        });
        join_all(playing).await;
    }
}

/// Plays all at once, for faults that take time.
pub(crate) async fn play_at_once(setup: Setup, faults: &[Fault]) {
    join_all(faults.iter().map(|fault| play_all(setup, std::slice::from_ref(fault)))).await;
}

struct Stage {
    play: Play,
    setup: Setup,
    a: Simulator,
    b: Simulator,
    model: Model,
    _folder: Folder,
}

impl Stage {
    async fn new(play: Play, setup: Setup) -> Self {
        let (a, b) = (replies([]).await, replies([]).await);
        let mut chain = Chain::new().host(&format!("order = {:?}", play.modules));
        for (name, simulator, format) in [("a", &a, setup.formats[0]), ("b", &b, setup.formats[1])] {
            let part = play.part(name);
            let address = if part == Part::Sound { simulator.url() } else { (setup.address)(simulator.url()) };
            chain = chain.provider_with(name, format, &address, (setup.settings)(part));
        }
        for module in play.modules {
            chain = chain.module(module, if *module == "retry" { RETRY } else { "chain = [\"a\", \"b\"]" });
        }
        let folder = chain.folder().unwrap();
        Self { play, setup, a, b, model: load(&folder, Overrides::new()).await, _folder: folder }
    }

    /// Plays one fault, and checks requests, trail and result.
    async fn play(&self, fault: &Fault) {
        let question = format!("{fault} in {:?}", self.play);
        for (name, provider) in [("a", &self.a), ("b", &self.b)] {
            if let (Some(reply), 1..) = (&fault.reply, self.play.failures(name)) {
                provider.push(reply.clone().times(self.play.failures(name))).unwrap();
            }
        }
        let messages = [Message::user(&question)];
        let result = match self.setup.streamed {
            true => soon(self.model.stream(&messages, &[]).collect()).await,
            false => soon(self.model.invoke(&messages, &[])).await,
        };
        let trail = match &result {
            Ok(answer) => &answer.trail,
            Err(error) => &error.trail,
        };
        assert_eq!(steps(trail), self.play.steps(&fault.outcome), "{question}: {result:?}");
        self.check_waits(trail, &question);
        self.check_requests(fault, &question);
        self.check_end(fault, &result, &question);
    }

    fn check_waits(&self, trail: &[Attempt], question: &str) {
        for (attempt, ask) in trail.iter().zip(self.play.asks()) {
            let Some(retry) = ask.retry else { continue };
            let (from, to) = backoff(retry);
            assert!((from..=to).contains(&attempt.waited), "not from {from:?} to {to:?}: {question}: {trail:?}");
        }
    }

    /// Checks that the requests are those of the play, in its order, with the same question.
    fn check_requests(&self, fault: &Fault, question: &str) {
        let tagged = |name, provider: &Simulator| provider.requests().into_iter().map(move |request| (name, request));
        let mut came: Vec<(&str, Recorded)> = tagged("a", &self.a).chain(tagged("b", &self.b)).collect();
        came.sort_by_key(|(_, request)| request.at);
        let expected = self.play.asks().into_iter().filter(|ask| !ask.fails || fault.reply.is_some());
        let expected: Vec<_> = expected.map(|ask| ask.provider).collect();
        assert_eq!(came.iter().map(|(name, _)| *name).collect::<Vec<_>>(), expected, "{question}");
        for (name, request) in &came {
            let format = self.setup.formats[usize::from(*name == "b")];
            let (path, messages) = match format {
                Format::Anthropic => ("/v1/messages", "messages"),
                Format::Responses => ("/v1/responses", "input"),
                _ => ("/v1/chat/completions", "messages"),
            };
            assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", path), "{question}");
            assert_eq!(request.body["model"], format!("{name}-model"));
            assert_eq!(request.body[messages][0]["content"], question);
            assert_eq!(request.body["stream"] == true, self.setup.streamed, "{question}");
        }
        self.a.forget_requests();
        self.b.forget_requests();
    }

    /// Checks that the agent got the last answer, or the last error unchanged.
    fn check_end(&self, fault: &Fault, result: &Result<Response, Error>, question: &str) {
        let asks = self.play.asks();
        let last = asks[asks.len() - 1];
        let error = match result {
            Ok(answer) => {
                assert!(!last.fails);
                assert_eq!(answer.text().as_deref(), Some("Hello from the simulator."), "{question}");
                assert_eq!((&*answer.provider, &answer.model), (last.provider, &format!("{}-model", last.provider)));
                return;
            }
            Err(error) => error,
        };
        assert!(last.fails, "{question}: {error}");
        assert!(error.received.is_empty(), "{question}: {error:?}");
        let outcome = match &error.kind {
            ErrorKind::Api(api) => api.status.to_string(),
            kind => kind.as_str().to_owned(),
        };
        assert_eq!((&outcome, error.kind.provider()), (&fault.outcome, Some(last.provider)), "{question}: {error}");
        assert!(error.to_string().contains(fault.says), "{question}: {error}");
    }
}
