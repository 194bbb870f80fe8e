//! Decides after which errors another provider is asked, and which one. Plain Rust, without WebAssembly.

use arcllm_module::{Cost, Error, HttpStatus, Target};

use crate::settings::Settings;

/// Decides who is asked when a provider fails.
#[derive(Debug, Clone)]
pub struct Policy {
    chain: Vec<String>,
    except: Vec<HttpStatus>,
}

impl Policy {
    /// Makes the policy of these settings.
    pub fn new(settings: Settings) -> Self {
        let mut chain: Vec<String> = Vec::new();
        for provider in settings.chain {
            // A provider that has failed is not asked again: that is the job of retry.
            if !chain.contains(&provider.0) {
                chain.push(provider.0);
            }
        }
        Self { chain, except: settings.except_status_codes }
    }

    /// Returns the providers to ask after `failed` has failed, in order.
    pub fn others<'a>(&'a self, failed: &'a str) -> impl Iterator<Item = &'a str> {
        self.chain.iter().map(String::as_str).filter(move |provider| *provider != failed)
    }

    /// Returns whether another provider is asked after this error.
    pub fn asks_another(&self, error: &Error) -> bool {
        match error {
            Error::Api(api) => !self.except.iter().any(|status| status.get() == api.status),
            Error::Connection(_)
            | Error::Timeout(_)
            | Error::Parse(_)
            | Error::Config(_)
            | Error::Module(_)
            | Error::Other(_) => true,
            Error::Cancelled | Error::DeadlineExceeded => false,
        }
    }

    /// Returns the most that one call costs: the inner and every provider of the chain, if all of them fail.
    pub fn worst_case(&self, inner: &Target, others: &[Target]) -> Cost {
        let chain = self.others(&inner.provider);
        let targets = chain.filter_map(|name| others.iter().find(|target| target.name == name));
        targets.fold(inner.most, |sum, target| Cost {
            attempts: sum.attempts.saturating_add(target.most.attempts),
            waiting: sum.waiting.saturating_add(target.most.waiting),
        })
    }
}

#[cfg(test)]
mod tests {
    use arcllm_module::{ModelName, testing::api, types::Failure};
    use proptest::prelude::*;

    use super::*;

    fn policy(chain: &[&str], except: &[u16]) -> Policy {
        let chain = chain.iter().map(|name| ModelName((*name).to_owned())).collect();
        let except_status_codes = except.iter().copied().map(HttpStatus::new).collect();
        Policy::new(Settings { chain, except_status_codes })
    }

    #[test]
    fn the_failed_one_and_repetitions_are_skipped() {
        let policy = policy(&["a", "b", "a", "c", "b"], &[]);
        assert_eq!(policy.others("a").collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(policy.others("x").collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn another_is_asked_after_any_error_but_cancelled_deadline_and_exceptions() {
        let policy = policy(&["a"], &[400]);
        let failure = || Failure::new("", "");
        assert!(policy.asks_another(&api(401)));
        assert!(!policy.asks_another(&api(400)));
        assert!(policy.asks_another(&Error::Config(failure())));
        assert!(policy.asks_another(&Error::Parse(failure())));
        assert!(!policy.asks_another(&Error::Cancelled));
        assert!(!policy.asks_another(&Error::DeadlineExceeded));
    }

    #[test]
    fn the_worst_case_adds_up_the_chain_without_the_primary() {
        let target = |name: &str, attempts| Target {
            name: name.into(),
            provider: name.into(),
            model: String::new(),
            most: Cost { attempts, waiting: 5 },
        };
        let others = [target("a", 1), target("b", 2), target("c", 4), target("d", 8)];
        let cost = policy(&["a", "b", "c"], &[]).worst_case(&target("a", 1), &others);
        assert_eq!((cost.attempts, cost.waiting), (7, 15));
    }

    proptest! {
        #[test]
        fn each_other_provider_is_asked_once(chain in prop::collection::vec("[a-d]", 0..8), failed in "[a-d]") {
            let names: Vec<&str> = chain.iter().map(String::as_str).collect();
            let policy = policy(&names, &[]);
            let others: Vec<&str> = policy.others(&failed).collect();
            prop_assert!(!others.contains(&failed.as_str()));
            for name in &names {
                let asked = others.iter().filter(|other| other == &name).count();
                prop_assert_eq!(asked, usize::from(*name != failed));
            }
        }
    }
}
