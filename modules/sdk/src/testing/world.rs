//! The world around a module under test.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    pin::Pin,
    rc::Rc,
    time::Duration,
};

use crate::{
    testing::{
        kept::Kept,
        script::{Answer, Asked, INNER, Provider, text},
    },
    types::{Attempt, Error, ModelFacts, RequestParts},
};

/// Everything around a module under test. Clones are the same world.
#[derive(Clone)]
pub struct World(pub(crate) Rc<RefCell<Inside>>);

/// A task that a module has started, such as the writing of an answer.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()>>>;

/// What a world holds. Times and durations are nanoseconds.
pub(crate) struct Inside {
    /// The time since its beginning.
    pub(crate) now: u64,
    /// When sleeps end.
    pub(crate) timers: BTreeSet<u64>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) random: u64,
    pub(crate) deadline: Option<u64>,
    pub(crate) streamed: bool,
    /// How long each answer takes.
    pub(crate) takes: u64,
    pub(crate) providers: HashMap<String, Provider>,
    /// After how many events the next streamed answers of a provider break off, and with which errors.
    pub(crate) breaks: HashMap<String, VecDeque<(usize, Error)>>,
    /// What is known of models, by the names that load them.
    pub(crate) facts: BTreeMap<String, ModelFacts>,
    /// What `state` keeps.
    pub(crate) kept: Kept,
    /// How long each operation of `state` takes.
    pub(crate) state_takes: u64,
    /// Why each operation of `state` fails, if it does.
    pub(crate) state_problem: Option<String>,
    /// How many operations of `state` there were.
    pub(crate) operations: usize,
    /// The records that were appended.
    pub(crate) journal: Vec<String>,
    /// How long each append takes.
    pub(crate) journal_takes: u64,
    /// Why each append fails, if it does.
    pub(crate) journal_problem: Option<String>,
    pub(crate) asked: Vec<Asked>,
    pub(crate) trail: Vec<Attempt>,
    pub(crate) logged: Vec<String>,
    pub(crate) notes: Vec<String>,
    /// How long the module has slept since the last attempt.
    pub(crate) waited: u64,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Makes a world whose inner, called `inner`, answers `Hello`.
    pub fn new() -> Self {
        let inside = Inside {
            now: 0,
            timers: BTreeSet::new(),
            tasks: Vec::new(),
            random: 0,
            deadline: None,
            streamed: false,
            takes: 0,
            providers: HashMap::new(),
            breaks: HashMap::new(),
            facts: BTreeMap::new(),
            kept: Kept::default(),
            state_takes: 0,
            state_problem: None,
            operations: 0,
            journal: Vec::new(),
            journal_takes: 0,
            journal_problem: None,
            asked: Vec::new(),
            trail: Vec::new(),
            logged: Vec::new(),
            notes: Vec::new(),
            waited: 0,
        };
        Self(Rc::new(RefCell::new(inside))).answers([Ok(text("Hello"))])
    }

    /// Sets the answers of the inner, in order. The last one is repeated.
    #[must_use]
    pub fn answers(self, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.provider(INNER, answers)
    }

    /// Adds a provider that a module can [load](crate::models::load), with its answers in order. The last one is repeated.
    #[must_use]
    pub fn provider(self, name: &str, answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers = answers.into_iter().collect::<Vec<_>>().into_iter().peekable();
        let mut last = None;
        self.provider_with(name, move |_| {
            last = answers.next().or_else(|| last.take());
            last.clone().unwrap_or_else(|| Ok(text("Hello")))
        })
    }

    /// Sets a function that answers each request to the inner.
    #[must_use]
    pub fn answers_with(self, answer: impl FnMut(&RequestParts) -> Answer + 'static) -> Self {
        self.provider_with(INNER, answer)
    }

    /// Adds a provider that a module can [load](crate::models::load), with a function that answers each request.
    #[must_use]
    pub fn provider_with(self, name: &str, answer: impl FnMut(&RequestParts) -> Answer + 'static) -> Self {
        {
            let mut inside = self.0.borrow_mut();
            let takes = inside.providers.get(name).and_then(|provider| provider.takes);
            inside.providers.insert(name.to_owned(), Provider { script: Some(Box::new(answer)), takes });
        }
        self
    }

    /// Makes the next streamed answers of the inner break off, each after so many events and with this error. Those after them
    /// come whole.
    #[must_use]
    pub fn breaks_off(self, breaks: impl IntoIterator<Item = (usize, Error)>) -> Self {
        self.provider_breaks_off(INNER, breaks)
    }

    /// Makes the next streamed answers of this provider break off, as [`breaks_off`](World::breaks_off) does those of the inner.
    #[must_use]
    pub fn provider_breaks_off(self, name: &str, breaks: impl IntoIterator<Item = (usize, Error)>) -> Self {
        self.0.borrow_mut().breaks.entry(name.to_owned()).or_default().extend(breaks);
        self
    }

    /// Sets how long each answer takes, of the inner and of all providers without a time of their own.
    #[must_use]
    pub fn answers_after(self, time: Duration) -> Self {
        self.0.borrow_mut().takes = saturated(time);
        self
    }

    /// Sets how long each answer of this provider takes. Adds the provider if the world does not have it. The inner is called
    /// `inner`.
    #[must_use]
    pub fn provider_after(self, name: &str, time: Duration) -> Self {
        let is_known = self.0.borrow().providers.contains_key(name);
        let world = if is_known { self } else { self.provider(name, []) };
        if let Some(provider) = world.0.borrow_mut().providers.get_mut(name) {
            provider.takes = Some(saturated(time));
        }
        world
    }

    /// Sets how long each operation of `state` takes, as with a store on another machine. Other calls come in between.
    #[must_use]
    pub fn state_after(self, time: Duration) -> Self {
        self.0.borrow_mut().state_takes = saturated(time);
        self
    }

    /// Makes each operation of `state` fail with this problem from now on, as when the store is down.
    #[must_use]
    pub fn state_fails(self, problem: &str) -> Self {
        self.0.borrow_mut().state_problem = Some(problem.to_owned());
        self
    }

    /// Makes `state` work again.
    #[must_use]
    pub fn state_works(self) -> Self {
        self.0.borrow_mut().state_problem = None;
        self
    }

    /// Sets how long each append to the journal takes. Other calls come in between.
    #[must_use]
    pub fn journal_after(self, time: Duration) -> Self {
        self.0.borrow_mut().journal_takes = saturated(time);
        self
    }

    /// Makes each append to the journal fail with this problem from now on, as when the disk is full.
    #[must_use]
    pub fn journal_fails(self, problem: &str) -> Self {
        self.0.borrow_mut().journal_problem = Some(problem.to_owned());
        self
    }

    /// Makes the journal work again.
    #[must_use]
    pub fn journal_works(self) -> Self {
        self.0.borrow_mut().journal_problem = None;
        self
    }

    /// Sets the caller's deadline, counted from now on.
    #[must_use]
    pub fn deadline(self, time: Duration) -> Self {
        {
            let mut inside = self.0.borrow_mut();
            inside.deadline = Some(inside.now.saturating_add(saturated(time)));
        }
        self
    }

    /// Makes the caller read answers as they come.
    #[must_use]
    pub fn streamed(self) -> Self {
        self.0.borrow_mut().streamed = true;
        self
    }

    /// Sets what is known of a model, as config would. Its name is what [loads](crate::models::load) it.
    #[must_use]
    pub fn facts(self, facts: ModelFacts) -> Self {
        self.0.borrow_mut().facts.insert(facts.name.clone(), facts);
        self
    }

    /// Sets the seed of random numbers. Without it the seed is zero.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.0.borrow_mut().random = seed;
        self
    }

    /// Returns the time since the beginning.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.0.borrow().now)
    }

    /// Returns the requests that providers were sent, in order, each with when it was cancelled, if it was.
    pub fn asked(&self) -> Vec<Asked> {
        self.0.borrow().asked.clone()
    }

    /// Returns the log messages, in order.
    pub fn logged(&self) -> Vec<String> {
        self.0.borrow().logged.clone()
    }

    /// Returns the records that were appended to the journal, in order.
    pub fn journal(&self) -> Vec<String> {
        self.0.borrow().journal.clone()
    }

    /// Returns the remarks that the module has written into the trail, in order.
    pub fn notes(&self) -> Vec<String> {
        self.0.borrow().notes.clone()
    }

    /// Returns the value that the module keeps under this key.
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        let inside = self.0.borrow();
        inside.kept.value(key, inside.now).map(<[u8]>::to_vec)
    }

    /// Returns how many operations of `state` there were.
    pub fn state_operations(&self) -> usize {
        self.0.borrow().operations
    }
}

/// Returns the nanoseconds of a duration, at most `u64::MAX`.
fn saturated(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
