//! Decides after which errors more is asked, whom, and how. Plain Rust, without WebAssembly.

use arcllm_module::{
    Cost, Error, Target,
    types::{ModelFacts, Options, OutputFormat, Reason, Reasoning},
};

use crate::{
    seam::Asked,
    settings::{Prefix, Settings},
};

/// What a model can do that goes on from the beginning of its answer.
const PREFIX: &str = "prefix";

/// Decides what is done with an answer that has broken off.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The settings.
    pub settings: Settings,
}

impl Policy {
    /// Makes the policy of these settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Begins with a call whose inner asks this model: `provider/model`.
    pub fn turns(&self, inner: String) -> Turns<'_> {
        Turns { policy: self, inner, resumes: 0, next: 0, refuses_prefix: false }
    }

    /// Whether another answer may be whole, if one has broken off like this.
    pub fn is_broken(error: &Error) -> bool {
        match error {
            Error::Connection(_) | Error::Timeout(_) | Error::Parse(_) => true,
            Error::Api(api) => match &api.reason {
                Reason::RateLimit | Reason::Overloaded | Reason::Server | Reason::Other(_) => true,
                Reason::Quota
                | Reason::ContextLength
                | Reason::ContentFilter
                | Reason::Authentication
                | Reason::Permission
                | Reason::NotFound
                | Reason::InvalidRequest
                | Reason::Billing => false,
            },
            Error::Config(_) | Error::Module(_) | Error::Cancelled | Error::DeadlineExceeded | Error::Other(_) => false,
        }
    }

    /// Whether another model may answer, if one has not begun to.
    pub fn is_failed(error: &Error) -> bool {
        !matches!(error, Error::Cancelled | Error::DeadlineExceeded)
    }

    /// Returns the most that one call costs: the inner, and the dearest target for each resume.
    pub fn worst_case(&self, inner: &Target, others: &[Target]) -> Cost {
        let targets = self.settings.targets.iter().map(|target| target.0.as_str());
        let dearest = targets.map(|name| find(others, name).unwrap_or(inner).most).reduce(|one, other| Cost {
            attempts: one.attempts.max(other.attempts),
            waiting: one.waiting.max(other.waiting),
        });
        let (each, times) = (dearest.unwrap_or(inner.most), u64::from(self.settings.max_resumes));
        Cost {
            attempts: inner.most.attempts.saturating_add(each.attempts.saturating_mul(times)),
            waiting: inner.most.waiting.saturating_add(each.waiting.saturating_mul(times)),
        }
    }
}

/// Finds a target by its name, or for `provider/model` another one of the same provider.
fn find<'a>(others: &'a [Target], name: &str) -> Option<&'a Target> {
    let provider = name.split_once('/').map(|(provider, _)| provider);
    let by_provider = || others.iter().find(|target| Some(target.provider.as_str()) == provider);
    others.iter().find(|target| target.name == name).or_else(by_provider)
}

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// The inner again.
    Inner,
    /// The model of this name.
    Target(String),
}

/// The requests for one answer.
#[derive(Debug)]
pub struct Turns<'a> {
    policy: &'a Policy,
    /// The model that the inner asks.
    inner: String,
    resumes: u32,
    next: usize,
    refuses_prefix: bool,
}

impl Turns<'_> {
    /// Returns whom to ask after `broken`, a `provider/model`, has failed. None if enough was asked. `facts` tells what is known of
    /// a name.
    pub fn next(&mut self, broken: &str, facts: impl Fn(&str) -> Option<ModelFacts>) -> Option<Whom> {
        if self.resumes >= self.policy.settings.max_resumes {
            return None;
        }
        self.resumes += 1;
        let targets = &self.policy.settings.targets;
        let is_broken = |name: &str| {
            name == broken || facts(name).is_some_and(|facts| format!("{}/{}", facts.provider, facts.model) == broken)
        };
        let from = self.next;
        let order = (0..targets.len()).map(|step| (from + step) % targets.len());
        let healthy = order.clone().find(|at| targets.get(*at).is_some_and(|target| !is_broken(&target.0)));
        let Some(at) = healthy.or_else(|| order.clone().next()) else { return Some(Whom::Inner) };
        self.next = at + 1;
        targets.get(at).map(|target| Whom::Target(target.0.clone()))
    }

    /// Returns how many resumes were begun.
    pub fn resumes(&self) -> u32 {
        self.resumes
    }

    /// Returns how `whom` is asked to go on.
    pub fn asked(&self, whom: &Whom, options: &Options, facts: impl Fn(&str) -> Option<ModelFacts>) -> Asked {
        let name = match whom {
            Whom::Inner => self.inner.as_str(),
            Whom::Target(name) => name,
        };
        let takes_prefix = match self.policy.settings.prefix {
            Prefix::Always => true,
            Prefix::Never => false,
            // A model that reasons would have to begin with its reasoning.
            Prefix::Auto => !reasons(options) && facts(name).is_some_and(|facts| can(&facts, PREFIX)),
        };
        match takes_prefix && !self.refuses_prefix {
            true => Asked::WithPrefix,
            false => Asked::WithInstruction,
        }
    }

    /// Notes that a model has not begun to answer. Returns whether the same one may answer if it is told to go on instead.
    pub fn failed(&mut self, asked: Asked, error: &Error) -> bool {
        let refuses = matches!(error, Error::Api(api) if matches!(api.reason, Reason::InvalidRequest));
        let is_new = refuses && asked == Asked::WithPrefix;
        self.refuses_prefix |= is_new;
        is_new
    }

    /// Counts a request to the model that was asked last. Returns whether there may be one more.
    pub fn again(&mut self) -> bool {
        let may = self.resumes < self.policy.settings.max_resumes;
        self.resumes += u32::from(may);
        may
    }
}

fn reasons(options: &Options) -> bool {
    options.reasoning.as_ref().is_some_and(|reasoning| !matches!(reasoning, Reasoning::Off))
}

fn can(facts: &ModelFacts, what: &str) -> bool {
    facts.capabilities.iter().any(|(name, can)| name == what && *can)
}

/// Whether an answer must be JSON.
pub fn is_json(options: &Options) -> bool {
    matches!(options.output, Some(OutputFormat::Json | OutputFormat::JsonSchema(_)))
}

#[cfg(test)]
mod tests;
