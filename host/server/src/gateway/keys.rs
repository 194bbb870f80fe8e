//! The keys of clients: who asks, and what they may use.

use std::{collections::BTreeMap, sync::Arc};

use arcllm::{ClientKey, Host, KnownModel, ServeConfig};
use http::{HeaderMap, StatusCode, header};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use crate::client::problem::Problem;

/// The label that tells modules whose key a request has.
const LABEL: &str = "key";

/// A new key for a client.
#[derive(Debug)]
pub struct NewKey {
    /// The key itself, which is kept nowhere.
    pub key: String,
    /// Its SHA-256 in hexadecimal digits, for `[serve.keys.NAME]`.
    pub sha256: String,
}

impl NewKey {
    /// A key of 256 random bits. Its beginning tells people and scanners of secrets what it is for.
    pub fn random() -> Self {
        let [high, low]: [u128; 2] = rand::random();
        let key = format!("arcllm-{high:032x}{low:032x}");
        let sha256 = Sha256::digest(&key).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { key, sha256 }
    }
}

/// The holder of a key.
#[derive(Debug)]
pub(crate) struct Holder {
    /// The name of the key.
    pub(crate) name: String,
    /// Patterns of the models that it may use. Absent is all.
    models: Option<Vec<String>>,
    /// The labels of its requests.
    pub(crate) labels: BTreeMap<String, String>,
}

/// The keys that let clients in.
#[derive(Debug)]
pub(crate) struct Keys(Vec<([u8; 32], Arc<Holder>)>);

impl Keys {
    /// The keys of a configuration.
    pub(crate) fn of(config: &ServeConfig) -> Self {
        Self(config.keys.iter().map(|(name, key)| (key.sha256, Arc::new(Holder::of(name, key)))).collect())
    }

    /// Whether everybody is let in.
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// Who sends a request with these headers; `None` if everybody is let in.
    ///
    /// # Errors
    ///
    /// A 401.
    pub(crate) fn holder(&self, headers: &HeaderMap) -> Result<Option<Arc<Holder>>, Problem> {
        if self.is_open() {
            return Ok(None);
        }
        let mut given = given(headers).peekable();
        if given.peek().is_none() {
            let message = "there is no key: send it as `x-api-key: KEY` or as `authorization: Bearer KEY`";
            return Err(unauthorized(message));
        }
        // Some clients send both headers, and one of them may hold a word that only fills the place.
        let holder = given.find_map(|key| self.find(key));
        holder.map(Some).ok_or_else(|| unauthorized("this key is not known"))
    }

    /// The holder of this key. The time that it takes does not depend on the key.
    fn find(&self, key: &[u8]) -> Option<Arc<Holder>> {
        let digest: [u8; 32] = Sha256::digest(key).into();
        let mut found = u64::MAX;
        for (at, (known, _)) in (0_u64..).zip(&self.0) {
            let is_same: Choice = known.ct_eq(&digest);
            found.conditional_assign(&at, is_same);
        }
        self.0.get(usize::try_from(found).ok()?).map(|(_, holder)| holder.clone())
    }
}

/// The keys in these headers.
fn given(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let plain = headers.get_all("x-api-key").iter().map(|value| value.as_bytes());
    let bearer = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then_some(key)
    });
    plain.chain(bearer).map(<[u8]>::trim_ascii).filter(|key| !key.is_empty())
}

fn unauthorized(message: &str) -> Problem {
    Problem { should_retry: Some(false), ..Problem::new(StatusCode::UNAUTHORIZED, message) }
}

impl Holder {
    fn of(name: &str, key: &ClientKey) -> Self {
        let mut labels = key.labels.clone();
        labels.entry(LABEL.to_owned()).or_insert_with(|| name.to_owned());
        Self { name: name.to_owned(), models: key.models.clone(), labels }
    }

    /// Whether it may use the model of this name. `full` is the provider and the model that the name stands for.
    pub(crate) fn may_use(&self, name: &str, full: Option<&str>) -> bool {
        let Some(patterns) = &self.models else { return true };
        let allows = |name: &str| patterns.iter().any(|pattern| matches(pattern, name));
        allows(name) || full.is_some_and(allows)
    }

    /// The patterns of the models that it may use, where not all are.
    pub(crate) fn patterns(&self) -> Option<&[String]> {
        self.models.as_deref()
    }
}

/// The patterns of keys that name nothing, each with the name of its key: no model of this host, and none that a provider could have.
pub(crate) fn idle_patterns(host: &Host) -> Vec<(&str, &str)> {
    let (config, known) = (host.config(), host.models());
    let is_idle = |pattern: &str| {
        let provider = pattern.split_once('/').map(|(provider, _)| provider);
        let has_provider = provider.is_some_and(|name| config.providers.keys().any(|known| matches(name, known)));
        let fits = |known: &KnownModel| {
            let full = format!("{}/{}", known.provider, known.model);
            [&known.name, &known.model, &full].iter().any(|name| matches(pattern, name))
        };
        // A model whose provider has no key is not known to the host.
        let mut named = config.models.keys().chain(config.providers.keys());
        !has_provider && !known.iter().any(fits) && !named.any(|name| matches(pattern, name))
    };
    let patterns = config.serve.keys.iter().flat_map(|(name, key)| {
        let patterns = key.models.iter().flatten().map(String::as_str);
        patterns.map(move |pattern| (name.as_str(), pattern))
    });
    patterns.filter(|(_, pattern)| is_idle(pattern)).collect()
}

/// Whether the text fits the pattern, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let end = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some((_, behind)) = text.split_once(piece) else { return false };
        text = behind;
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn keys() -> Keys {
        let digest = |key: &str| format!("{:x}", Sha256::digest(key));
        let config = format!(
            "[serve.keys.one]\nsha256 = \"{}\"\nmodels = [\"fast\", \"anthropic/*\"]\nlabels = {{ team = \"a\" }}
            [serve.keys.two]\nsha256 = \"{}\"\nlabels = {{ key = \"own\" }}",
            digest("first"),
            digest("second")
        );
        Keys::of(&arcllm::Config::parse(&config, None).unwrap().serve)
    }

    fn who(headers: &[(&'static str, &'static str)]) -> Result<Option<String>, StatusCode> {
        let headers =
            headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
        let holder = keys().holder(&headers.collect()).map_err(|problem| problem.status)?;
        Ok(holder.map(|holder| holder.name.clone()))
    }

    #[test]
    fn both_headers_count() {
        for headers in [
            &[("x-api-key", "first")][..],
            &[("authorization", "Bearer first")],
            &[("authorization", "bearer  first ")],
            &[("x-api-key", "dummy"), ("authorization", "Bearer first")],
            &[("x-api-key", "first"), ("authorization", "Basic Og==")],
        ] {
            assert_eq!(who(headers), Ok(Some("one".to_owned())), "{headers:?}");
        }
        assert_eq!(who(&[("x-api-key", "second")]), Ok(Some("two".to_owned())));
        for headers in [
            &[][..],
            &[("x-api-key", "")],
            &[("x-api-key", "First")],
            &[("authorization", "first")],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer firstsecond")],
        ] {
            assert_eq!(who(headers), Err(StatusCode::UNAUTHORIZED), "{headers:?}");
        }
    }

    #[test]
    fn without_keys_everybody_is_let_in() {
        let open = Keys::of(&ServeConfig::default());
        assert!(open.holder(&HeaderMap::new()).unwrap().is_none());
    }

    #[test]
    fn a_new_key_lets_its_holder_in() {
        let NewKey { key, sha256 } = NewKey::random();
        assert_ne!(key, NewKey::random().key);
        let config = format!("[serve.keys.new]\nsha256 = \"{sha256}\"");
        let keys = Keys::of(&arcllm::Config::parse(&config, None).unwrap().serve);
        assert_eq!(keys.find(key.as_bytes()).unwrap().name, "new");
    }

    #[test]
    fn labels_tell_the_name_of_the_key() {
        let labels = |key: &[u8]| keys().find(key).unwrap().labels.clone();
        assert_eq!(
            labels(b"first"),
            BTreeMap::from([("team", "a"), ("key", "one")].map(|(k, v)| (k.into(), v.into())))
        );
        assert_eq!(labels(b"second")["key"], "own");
    }

    #[test]
    fn a_pattern_that_names_nothing_is_found() {
        let key =
            |name: &str, models: &str| format!("[serve.keys.{name}]\nsha256 = \"{name:a>64}\"\nmodels = {models}\n");
        let config = format!(
            "[providers.p]\nadapter = \"openai\"\nbase_url = \"http://127.0.0.1:9\"\ndefault_model = \"m\"
            [models.fast]\nprovider = \"p\"\n{}{}",
            key("1", r#"["fast", "f*", "p", "p/*", "p/other", "p/m", "m", "*"]"#),
            key("2", r#"["fsat", "q/*", "fast/"]"#)
        );
        let host = Host::builder().config(arcllm::Config::parse(&config, None).unwrap()).build().unwrap();
        assert_eq!(idle_patterns(&host), [("2", "fsat"), ("2", "q/*"), ("2", "fast/")]);
    }

    #[test]
    fn a_star_stands_for_any_text() {
        let one = keys().find(b"first").unwrap();
        assert!(one.may_use("fast", None) && one.may_use("anthropic/claude", None));
        assert!(one.may_use("anthropic", Some("anthropic/claude")), "a provider stands for its default model");
        assert!(!one.may_use("faster", None) && !one.may_use("anthropic", None) && !one.may_use("openai/x", None));
        for (pattern, text, fits) in [
            ("*", "", true),
            ("*", "a/b", true),
            ("a*", "b", false),
            ("a*b", "ab", true),
            ("a*b", "a", false),
            ("ab*b", "ab", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*/x", "p/x", true),
            ("*/x", "p/xy", false),
            ("a**", "a", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }
}
