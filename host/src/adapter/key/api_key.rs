//! A key. Only its provider sees it.

use std::{ffi::OsString, fmt};

use reqwest::header::{HeaderValue, InvalidHeaderValue};

/// An API key, or another secret for a header. It has no `Display` and no JSON, and its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ApiKey(String);

impl ApiKey {
    /// Reads the environment variable of this name. White space around the key is removed.
    ///
    /// # Errors
    ///
    /// The end of a sentence that begins with the setting: the variable is missing, empty or cannot be a key. Never shows the
    /// value.
    pub(crate) fn from_env(name: &str) -> Result<Self, String> {
        Self::of_variable(name, std::env::var_os(name))
    }

    fn of_variable(name: &str, value: Option<OsString>) -> Result<Self, String> {
        let value = value.ok_or_else(|| format!("names the environment variable {name}, which is not set"))?;
        let value = value
            .into_string()
            .map_err(|_| format!("names the environment variable {name}, which is not valid Unicode"))?;
        Self::new(&format!("names the environment variable {name}, which"), &value)
    }

    /// Makes a key of this text. White space around the key is removed.
    ///
    /// # Errors
    ///
    /// A message that begins with `subject`: the text is empty or cannot be a key. Never shows the text.
    pub(crate) fn new(subject: &str, text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err(format!("{subject} is empty")),
            // A header can hold only these. Others come from a mistake in copying.
            key if key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => Ok(Self(key.to_owned())),
            _ => Err(format!("{subject} holds characters that no key has")),
        }
    }

    /// The value of the header that carries the key, marked so that nothing logs it.
    pub(crate) fn header(&self, scheme: &str) -> Result<HeaderValue, InvalidHeaderValue> {
        let mut value = HeaderValue::try_from(format!("{scheme}{}", self.0))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The key itself, to send or to hide it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<ApiKey, String> {
        ApiKey::of_variable("SOME_KEY", Some(value.into()))
    }

    #[test]
    fn is_trimmed() {
        let key = read(" sk-1 \n").unwrap();
        assert_eq!(key.header("Bearer ").unwrap().to_str().unwrap(), "Bearer sk-1");
    }

    #[test]
    fn is_never_shown() {
        let key = read("sk-secret").unwrap();
        assert_eq!(format!("{key:?}"), "[redacted]");
        assert_eq!(format!("{:?}", key.header("").unwrap()), "Sensitive");
    }

    #[test]
    fn errors_name_the_variable_and_not_the_value() {
        for (value, says) in
            [("", "is empty"), (" \t\n", "is empty"), ("s\nk", "characters"), ("schlüssel", "characters")]
        {
            let error = read(value).unwrap_err();
            assert!(error.contains("SOME_KEY") && error.contains(says), "{error}");
            assert!(value.trim().is_empty() || !error.contains(value), "{error}");
        }
        assert!(ApiKey::of_variable("SOME_KEY", None).unwrap_err().contains("SOME_KEY, which is not set"));
        assert!(ApiKey::from_env("ARCLLM_TEST_NO_SUCH_VARIABLE").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_is_unicode() {
        use std::os::unix::ffi::OsStringExt as _;
        let error = ApiKey::of_variable("SOME_KEY", Some(OsString::from_vec(vec![b'a', 0xff]))).unwrap_err();
        assert!(error.contains("SOME_KEY, which is not valid Unicode"), "{error}");
    }
}
