//! A key: given to its provider, shown to nobody.

use std::{ffi::OsString, fmt};

use reqwest::header::HeaderValue;

/// An API key, or another secret that a header can carry. It has no `Display` and no JSON, and its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ApiKey(String);

impl ApiKey {
    /// The key in the environment variable of this name, without the white space around it.
    ///
    /// # Errors
    ///
    /// A message that names the variable, never its value: it is missing, empty or no possible key.
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

    /// The key in this text, without the white space around it.
    ///
    /// # Errors
    ///
    /// A message that begins with `subject`, and never holds the text: it is empty or no possible key.
    pub(crate) fn new(subject: &str, text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err(format!("{subject} is empty")),
            // Only these can stand in a header; anything else is a slip of copy and paste.
            key if key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => Ok(Self(key.to_owned())),
            _ => Err(format!("{subject} holds characters that no key has")),
        }
    }

    /// The value of the header that carries the key, marked so that nothing logs it.
    pub(crate) fn header(&self, scheme: &str) -> Result<HeaderValue, String> {
        let mut value = HeaderValue::try_from(format!("{scheme}{}", self.0)).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The key itself, to be sent or hidden.
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
    fn what_is_no_key_names_the_variable_and_not_the_value() {
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
    fn what_is_not_unicode_is_no_key() {
        use std::os::unix::ffi::OsStringExt as _;
        let error = ApiKey::of_variable("SOME_KEY", Some(OsString::from_vec(vec![b'a', 0xff]))).unwrap_err();
        assert!(error.contains("SOME_KEY, which is not valid Unicode"), "{error}");
    }
}
