//! Secrets that errors and logs must not show: keys and other values from the environment.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use url::form_urlencoded::byte_serialize;

/// The most secrets that are kept. Beyond it the oldest is dropped, because a key may be renewed without end.
const MOST: usize = 256;

/// The secrets in requests to a provider. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Arc<RwLock<Vec<Secret>>>);

/// A secret and the forms in which a server may repeat it.
struct Secret {
    plain: String,
    forms: Vec<String>,
}

impl Secrets {
    /// Removes this secret from every text from now on.
    pub(crate) fn hide(&self, plain: &str) {
        let mut secrets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if plain.is_empty() || secrets.iter().any(|secret| secret.plain == plain) {
            return;
        }
        if secrets.len() >= MOST {
            secrets.remove(0);
        }
        secrets.push(Secret { plain: plain.to_owned(), forms: forms(plain) });
    }

    /// The text without the secrets.
    pub(crate) fn redact(&self, text: &str) -> String {
        let secrets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut forms: Vec<&String> = secrets.iter().flat_map(|secret| &secret.forms).collect();
        // Longest first: removing a secret that is part of a longer one would leave the rest of the longer one.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.into_iter().fold(text.to_owned(), |text, form| text.replace(form, "[redacted]"))
    }
}

/// The secret as it is, in JSON, in JSON with `/` escaped, and in a URL.
fn forms(plain: &str) -> Vec<String> {
    let json = serde_json::Value::from(plain).to_string();
    let json = json.trim_start_matches('"').strip_suffix('"').unwrap_or(plain).to_owned();
    let url: String = byte_serialize(plain.as_bytes()).collect();
    let mut forms = vec![plain.to_owned(), plain.replace('/', "\\/"), json.replace('/', "\\/"), json];
    forms.extend([url.replace('+', "%20"), url.to_lowercase(), url]);
    forms.sort();
    forms.dedup();
    forms
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(hidden: &[&str]) -> Secrets {
        let secrets = Secrets::default();
        hidden.iter().for_each(|secret| secrets.hide(secret));
        secrets
    }

    #[test]
    fn secrets_are_taken_out_in_every_form_that_servers_write() {
        let secrets = secrets(&["sk-secret", "a/b+c \"d\\"]);
        assert_eq!(secrets.redact("bad key sk-secret, sk-secret"), "bad key [redacted], [redacted]");
        for form in [r#"a/b+c "d\"#, r#"a\/b+c \"d\\"#, r#"a/b+c \"d\\"#, "a%2Fb%2Bc+%22d%5C", "a%2Fb%2Bc%20%22d%5C"] {
            assert_eq!(secrets.redact(&format!("<{form}>")), "<[redacted]>", "{form}");
        }
        assert_eq!(format!("{secrets:?}"), "[redacted]");
    }

    #[test]
    fn nothing_is_left_of_a_secret_that_holds_another() {
        assert_eq!(secrets(&["ab", "xabx", ""]).redact("xabx ab"), "[redacted] [redacted]");
    }

    #[test]
    fn the_oldest_of_very_many_is_forgotten() {
        let secrets = Secrets::default();
        for number in 0..=MOST {
            secrets.hide(&format!("key-{number:05}"));
            secrets.hide("key-00000");
        }
        assert_eq!(secrets.0.read().unwrap().len(), MOST);
        assert_eq!(secrets.redact(&format!("key-{MOST:05}")), "[redacted]");
    }
}
