//! The grants of a sandbox: what a module may reach besides waiting, random numbers and the log.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value, json};

use crate::{
    chat::plain::{self, WORD},
    config::{section::kind, suggest::suggest},
};

/// The grant to ask other models.
pub(crate) const MODELS: &str = "models";
/// The grant to keep values between calls.
pub(crate) const STATE: &str = "state";
/// The grant to append to the journal.
pub(crate) const JOURNAL: &str = "journal";
/// The grant to add addresses that a provider fetches.
pub(crate) const URLS: &str = "urls";
/// The grant to add extensions.
pub(crate) const EXTENSIONS: &str = "extensions";

/// What the configuration can grant: three interfaces, and two kinds of additions to requests.
const GRANTS: [&str; 5] = [MODELS, STATE, JOURNAL, URLS, EXTENSIONS];

/// The most megabytes of state that a scope can name.
const MOST_MB: u64 = 1 << 20;

/// A permission in `[modules.NAME.sandbox] allow`.
///
/// ```
/// use arcllm::{Grant, Sandbox};
///
/// let sandbox = Sandbox::new().allow(["models", "state"]);
/// let scoped = Sandbox::new().allow([Grant::models(["openai", "groq"]), Grant::state_mb(10), "urls".into()]);
/// # let _ = (sandbox, scoped);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Grant {
    /// Its name: `models`, `state`, `journal`, `urls` or `extensions`.
    pub name: String,
    /// How far it reaches. Absent if it reaches everything.
    pub scope: Option<Scope>,
}

/// How far a grant reaches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// Of `models`: what the module may load. A provider stands for all its models, `PROVIDER/MODEL` for one of them by
    /// whatever name it is loaded, and the name of a `[models.NAME]` for that name.
    Models(Vec<String>),
    /// Of `state`: the most that its values have together, keys included, in binary megabytes.
    MaxMb(u64),
}

impl Grant {
    /// The grant `models`, for these models and providers.
    pub fn models(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        Self { name: MODELS.to_owned(), scope: Some(Scope::Models(names)) }
    }

    /// The grant `state`, for at most this many binary megabytes.
    pub fn state_mb(max_mb: u64) -> Self {
        Self { name: STATE.to_owned(), scope: Some(Scope::MaxMb(max_mb)) }
    }

    /// Reads an item of `allow`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what would be right.
    pub(crate) fn read(value: &Value) -> Result<Self, Wrong> {
        let grant = match value {
            Value::String(name) => Self::from(name.as_str()),
            Value::Object(fields) => Self::scoped(fields)?,
            other => return Err(wrong(format!("has {} in its list", kind(other)), EXAMPLE)),
        };
        grant.check().map(|()| grant)
    }

    fn scoped(fields: &Map<String, Value>) -> Result<Self, Wrong> {
        let mut fields = fields.iter();
        let (Some((name, scope)), None) = (fields.next(), fields.next()) else {
            return Err(wrong("has a table that is not one grant with its scope", EXAMPLE));
        };
        match name.as_str() {
            MODELS => {
                let help = "a list of names, such as { models = [\"openai\", \"groq\"] }";
                let names = scope.as_array().and_then(|names| names.iter().map(text).collect::<Option<Vec<_>>>());
                names.map(Grant::models).ok_or_else(|| wrong("has a scope of `models` that is no list of names", help))
            }
            STATE => {
                let help = "a whole number of megabytes, such as { state = { max_mb = 10 } }";
                let limits = scope.as_object().ok_or_else(|| wrong("has a scope of `state` that is no table", help))?;
                if let Some(unknown) = limits.keys().find(|key| *key != "max_mb") {
                    let problem = format!("has an unknown scope of `state`: `{}`", shown(unknown));
                    return Err(wrong(problem, suggest(unknown, ["max_mb"])));
                }
                let max_mb = limits.get("max_mb").and_then(Value::as_u64);
                max_mb.map(Grant::state_mb).ok_or_else(|| wrong("has a scope of `state` without its `max_mb`", help))
            }
            JOURNAL | URLS | EXTENSIONS => {
                Err(wrong(format!("has a scope of `{name}`, which has none"), format!("write \"{name}\"")))
            }
            unknown => Self::from(unknown).check().map(|()| Self::from(unknown)),
        }
    }

    /// Checks what its types do not.
    pub(crate) fn check(&self) -> Result<(), Wrong> {
        let name = self.name.as_str();
        if !GRANTS.contains(&name) {
            let known = "known are \"models\", \"state\", \"journal\", \"urls\" and \"extensions\"";
            return Err(wrong(format!("has the unknown grant {name:?}"), known));
        }
        match &self.scope {
            None => Ok(()),
            Some(Scope::Models(names)) if name == MODELS => match names.iter().find(|name| !is_plain(name)) {
                _ if names.is_empty() => {
                    Err(wrong("has a scope of `models` that names no model", "name one, or leave the grant out"))
                }
                Some(odd) => {
                    Err(wrong(format!("has a scope of `models` with {odd:?}"), "names without control characters"))
                }
                None => Ok(()),
            },
            Some(Scope::MaxMb(max_mb)) if name == STATE => match (1..=MOST_MB).contains(max_mb) {
                true => Ok(()),
                false => Err(wrong(format!("has a `max_mb` of {max_mb}"), format!("a number from 1 to {MOST_MB}"))),
            },
            Some(_) => Err(wrong(format!("has a scope of another grant for `{name}`"), EXAMPLE)),
        }
    }

    /// Whether it reaches everything that `other` reaches.
    pub fn covers(&self, other: &Grant) -> bool {
        self.name == other.name
            && match (&self.scope, &other.scope) {
                (None, _) => true,
                (Some(Scope::Models(all)), Some(Scope::Models(some))) => some.iter().all(|one| all.contains(one)),
                (Some(Scope::MaxMb(most)), Some(Scope::MaxMb(less))) => less <= most,
                (Some(_), _) => false,
            }
    }

    /// The form that it has in a configuration.
    pub(crate) fn value(&self) -> Value {
        match &self.scope {
            None => json!(self.name),
            Some(Scope::Models(names)) => json!({ MODELS: names }),
            Some(Scope::MaxMb(max_mb)) => json!({ STATE: { "max_mb": max_mb } }),
        }
    }

    /// The form that one types for a command, which [`FromStr`](std::str::FromStr) reads.
    pub fn typed(&self) -> String {
        match &self.scope {
            None => self.name.clone(),
            Some(Scope::Models(names)) => format!("{MODELS}={}", names.join(",")),
            Some(Scope::MaxMb(max_mb)) => format!("{STATE}={max_mb}"),
        }
    }

    /// The form that it has in a configuration, as TOML.
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        match &self.scope {
            None => quoted(&self.name),
            Some(Scope::Models(names)) => {
                let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
                format!("{{ {MODELS} = [{}] }}", names.join(", "))
            }
            Some(Scope::MaxMb(max_mb)) => format!("{{ {STATE} = {{ max_mb = {max_mb} }} }}"),
        }
    }
}

impl From<&str> for Grant {
    /// The whole grant of this name.
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), scope: None }
    }
}

impl From<String> for Grant {
    fn from(name: String) -> Self {
        Self { name, scope: None }
    }
}

impl From<&String> for Grant {
    fn from(name: &String) -> Self {
        Self::from(name.as_str())
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            None => formatter.write_str(&self.name),
            Some(Scope::Models(names)) => write!(formatter, "{} (only {})", self.name, names.join(", ")),
            Some(Scope::MaxMb(max_mb)) => write!(formatter, "{} (at most {max_mb} MB)", self.name),
        }
    }
}

impl std::str::FromStr for Grant {
    type Err = String;

    /// Reads a grant as one types it: `state`, `state=10` for 10 MB, `models=openai,groq`.
    fn from_str(text: &str) -> Result<Self, String> {
        let grant = match text.split_once('=') {
            None => Self::from(text),
            Some((MODELS, names)) => Self::models(names.split(',').map(str::trim)),
            Some((STATE, max_mb)) => {
                Self::state_mb(max_mb.parse().map_err(|_| "write the megabytes as a number: state=10".to_owned())?)
            }
            Some((name, _)) => return Err(format!("`{name}` has no scope: write {name}")),
        };
        grant.check().map(|()| grant).map_err(|Wrong { problem, help }| format!("{text:?} {problem}: {help}"))
    }
}

impl Serialize for Grant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Grant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::read(&value).map_err(|Wrong { problem, help }| D::Error::custom(format!("{problem} ({help})")))
    }
}

/// What is wrong with a grant, and what would be right.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) problem: String,
    pub(crate) help: String,
}

const EXAMPLE: &str =
    "write each grant as \"state\" or with its scope, as { models = [\"openai\"] } or { state = { max_mb = 10 } }";

fn wrong(problem: impl Into<String>, help: impl Into<String>) -> Wrong {
    Wrong { problem: problem.into(), help: help.into() }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(char::is_control)
}

fn shown(text: &str) -> String {
    plain::line(text, WORD).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_written_alike() {
        for (value, shown) in [
            (json!("models"), "models"),
            (json!({ "models": ["openai", "groq/llama"] }), "models (only openai, groq/llama)"),
            (json!({ "state": { "max_mb": 10 } }), "state (at most 10 MB)"),
        ] {
            let grant = Grant::read(&value).unwrap();
            assert_eq!((grant.value(), grant.to_string()), (value, shown.to_owned()));
        }
        assert_eq!("state=10".parse(), Ok(Grant::state_mb(10)));
        assert_eq!("models=a, b/c".parse(), Ok(Grant::models(["a", "b/c"])));
        assert!("urls=1".parse::<Grant>().is_err() && "journal=1".parse::<Grant>().is_err());
        assert!("journal".parse::<Grant>().is_ok() && "state=0".parse::<Grant>().is_err());
    }

    #[test]
    fn a_wrong_form_says_what_would_be_right() {
        for (value, problem) in [
            (json!(5), "has the number 5 in its list"),
            (json!({}), "has a table that is not one grant with its scope"),
            (json!({ "models": ["a"], "state": { "max_mb": 1 } }), "has a table that is not one grant with its scope"),
            (json!({ "models": "openai" }), "has a scope of `models` that is no list of names"),
            (json!({ "models": [] }), "has a scope of `models` that names no model"),
            (json!({ "models": ["a\u{7}"] }), "has a scope of `models` with \"a\\u{7}\""),
            (json!({ "state": 10 }), "has a scope of `state` that is no table"),
            (json!({ "state": {} }), "has a scope of `state` without its `max_mb`"),
            (json!({ "state": { "max_mb": 0 } }), "has a `max_mb` of 0"),
            (json!({ "state": { "max_mb": 1.5 } }), "has a scope of `state` without its `max_mb`"),
            (json!({ "state": { "mb": 1 } }), "has an unknown scope of `state`: `mb`"),
            (json!({ "urls": [] }), "has a scope of `urls`, which has none"),
            (json!({ "model": ["a"] }), "has the unknown grant \"model\""),
        ] {
            let Err(wrong) = Grant::read(&value) else { panic!("{value}") };
            assert_eq!(wrong.problem, problem, "{value}");
            assert!(!wrong.help.is_empty());
        }
    }

    #[test]
    fn a_wider_grant_covers_a_narrower_one() {
        let grant = |text: &str| text.parse::<Grant>().unwrap();
        for (wide, narrow) in [("models", "models=a"), ("models=a,b", "models=b"), ("state=10", "state=10")] {
            assert!(grant(wide).covers(&grant(narrow)), "{wide} {narrow}");
        }
        for (narrow, wide) in [("models=a", "models"), ("models=a", "models=a,b"), ("state=9", "state=10")] {
            assert!(!grant(narrow).covers(&grant(wide)), "{narrow} {wide}");
        }
        assert!(!grant("state").covers(&grant("models")));
    }
}
