//! Decides whom to ask beside a slow one, and what a call costs at most. Plain Rust, without WebAssembly.

use arcllm_module::{ChainTarget, Cost, Listed, Target};

use crate::settings::Settings;

/// Decides whom to ask.
#[derive(Debug, Clone)]
pub struct Policy {
    targets: Vec<ChainTarget>,
    after: u64,
}

impl Policy {
    /// Makes the policy of these settings.
    pub fn new(settings: &Settings) -> Self {
        let targets = settings.targets.iter().map(|Listed(target)| target.clone()).collect();
        Self { targets, after: settings.after_seconds.nanoseconds() }
    }

    /// Whether the inner is asked again.
    pub fn asks_inner(&self) -> bool {
        self.targets.is_empty()
    }

    /// Returns the targets that are another model than the slow one, in order. `identity` tells the provider and the model that a
    /// name stands for, if it is known.
    pub fn others(
        &self,
        slow: &(String, String),
        identity: impl Fn(&str) -> Option<(String, String)>,
    ) -> impl Iterator<Item = &ChainTarget> {
        self.targets.iter().filter(move |target| identity(&target.model.0).as_ref() != Some(slow))
    }

    /// Returns the most that one call costs: the inner, and beside it the inner again or the dearest target.
    pub fn worst_case(&self, inner: &Target, others: &[Target]) -> Cost {
        let target = |name: &str| {
            let by_provider = || others.iter().find(|other| name.starts_with(&format!("{}/", other.provider)));
            others.iter().find(|other| other.name == name).or_else(by_provider).unwrap_or(inner)
        };
        let inner_again = self.asks_inner().then_some(inner);
        let second = self.targets.iter().map(|one| target(&one.model.0)).chain(inner_again);
        let most = second.fold((0, 0), |(attempts, waiting): (u64, u64), one| {
            (attempts.max(one.most.attempts), waiting.max(one.most.waiting))
        });
        Cost {
            attempts: inner.most.attempts.saturating_add(most.0),
            waiting: inner.most.waiting.max(self.after.saturating_add(most.1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use arcllm_module::Seconds;

    use super::*;

    fn policy(names: &[&str]) -> Policy {
        let targets = names.iter().map(|name| Listed(ChainTarget::new(name))).collect();
        Policy::new(&Settings { targets, after_seconds: Seconds::new(2.0), ..Settings::default() })
    }

    fn target(name: &str, attempts: u64, waiting: u64) -> Target {
        let most = Cost { attempts, waiting };
        Target { name: name.to_owned(), provider: name.to_owned(), model: "m".to_owned(), most }
    }

    #[test]
    fn the_slow_one_itself_is_not_asked_beside_it() {
        let slow = ("a".to_owned(), "m".to_owned());
        let identity = |name: &str| match name {
            "unknown" => None,
            "alias" => Some(("a".to_owned(), "m".to_owned())),
            name => Some((name.to_owned(), "m".to_owned())),
        };
        let policy = policy(&["a", "alias", "b", "unknown"]);
        let asked: Vec<_> = policy.others(&slow, identity).map(|target| target.model.0.as_str()).collect();
        assert_eq!(asked, ["b", "unknown"]);
    }

    #[test]
    fn the_worst_case_is_the_first_and_the_dearest_second() {
        let (inner, others) = (target("a", 2, 5), [target("b", 1, 0), target("c", 3, 7)]);
        let cost = |names: &[&str]| {
            let cost = policy(names).worst_case(&inner, &others);
            (cost.attempts, cost.waiting)
        };
        assert_eq!(cost(&[]), (4, 2_000_000_005));
        assert_eq!(cost(&["b"]), (3, 2_000_000_000));
        assert_eq!(cost(&["b", "c/other"]), (5, 2_000_000_007));
        let huge = policy(&[]).worst_case(&target("a", u64::MAX, u64::MAX), &[]);
        assert_eq!((huge.attempts, huge.waiting), (u64::MAX, u64::MAX));
    }
}
