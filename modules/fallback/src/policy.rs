//! Which errors are worth another provider, and which one is next. Knows nothing of WebAssembly.

use arcllm_module::{Cost, Error, Target};

use crate::config::Settings;

/// Whom to ask when a provider fails.
#[derive(Debug, Clone)]
pub struct Policy {
    chain: Vec<String>,
    except: Vec<u16>,
}

impl Policy {
    /// The policy of these settings.
    pub fn new(settings: Settings) -> Self {
        let mut chain: Vec<String> = Vec::new();
        for provider in settings.chain {
            // Asking twice the one that just failed helps nobody; that is what retry is for.
            if !chain.contains(&provider.0) {
                chain.push(provider.0);
            }
        }
        Self { chain, except: settings.except_status_codes }
    }

    /// The providers to ask when `failed` has failed, in order.
    pub fn others<'a>(&'a self, failed: &'a str) -> impl Iterator<Item = &'a str> {
        self.chain.iter().map(String::as_str).filter(move |provider| *provider != failed)
    }

    /// Whether another provider may do better.
    pub fn worth_another(&self, error: &Error) -> bool {
        match error {
            Error::Api(api) => !self.except.contains(&api.status),
            Error::Connection(_)
            | Error::Timeout(_)
            | Error::Parse(_)
            | Error::Config(_)
            | Error::Module(_)
            | Error::Other(_) => true,
            Error::Cancelled | Error::DeadlineExceeded => false,
        }
    }

    /// The most that one call costs: the inner and every provider of the chain, each failing at last.
    pub fn worst_case(&self, inner: &Target, others: &[Target]) -> Cost {
        let chain = self.others(&inner.provider);
        let targets = chain.filter_map(|name| others.iter().find(|target| target.provider == name));
        targets.fold(inner.most, |sum, target| Cost {
            attempts: sum.attempts.saturating_add(target.most.attempts),
            waiting: sum.waiting.saturating_add(target.most.waiting),
        })
    }
}

#[cfg(test)]
mod tests {
    use arcllm_module::{
        ProviderName,
        types::{ApiError, Failure},
    };
    use proptest::prelude::*;

    use super::*;

    fn policy(chain: &[&str], except: &[u16]) -> Policy {
        let chain = chain.iter().map(|name| ProviderName((*name).to_owned())).collect();
        Policy::new(Settings { chain, except_status_codes: except.to_vec() })
    }

    fn api(status: u16) -> Error {
        Error::Api(ApiError {
            status,
            message: String::new(),
            provider: "a".into(),
            model: "m".into(),
            request_id: None,
            retry_after: None,
            should_retry: None,
            extensions: Vec::new(),
        })
    }

    #[test]
    fn the_failed_one_and_repetitions_are_skipped() {
        let policy = policy(&["a", "b", "a", "c", "b"], &[]);
        assert_eq!(policy.others("a").collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(policy.others("x").collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn any_error_but_cancelled_deadline_and_exceptions_is_worth_another() {
        let policy = policy(&["a"], &[400]);
        let failure = || Failure { message: String::new(), provider: String::new(), extensions: Vec::new() };
        assert!(policy.worth_another(&api(401)));
        assert!(!policy.worth_another(&api(400)));
        assert!(policy.worth_another(&Error::Config(failure())));
        assert!(policy.worth_another(&Error::Parse(failure())));
        assert!(!policy.worth_another(&Error::Cancelled));
        assert!(!policy.worth_another(&Error::DeadlineExceeded));
    }

    #[test]
    fn the_worst_case_adds_up_the_chain_without_the_primary() {
        let target = |name: &str, attempts| Target { provider: name.into(), most: Cost { attempts, waiting: 5 } };
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
