//! Keys in requests. They are compared, and not kept.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// Schemes that may stay in the clear. Any other first word could be a part of the key.
const SCHEMES: [&str; 4] = ["basic", "bearer", "digest", "token"];

/// Salted hashes of the keys that a request carried.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    salt: RandomState,
    hashes: Vec<u64>,
}

impl Credentials {
    /// Whether one of the keys is `secret`.
    pub(crate) fn contain(&self, secret: &str) -> bool {
        self.hashes.contains(&self.salt.hash_one(secret))
    }

    /// Takes the key out of a header's value, if that header carries one. `name` is in lower case.
    pub(crate) fn redact(&mut self, name: &str, value: String) -> String {
        match name {
            "authorization" | "proxy-authorization" => {
                self.add(&value);
                match value.split_once(' ') {
                    Some((scheme, key)) if SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) => {
                        self.add(key.trim());
                        format!("{scheme} [redacted]")
                    }
                    _ => "[redacted]".to_owned(),
                }
            }
            "x-api-key" | "api-key" | "cookie" => {
                self.add(&value);
                "[redacted]".to_owned()
            }
            _ => value,
        }
    }

    fn add(&mut self, secret: &str) {
        self.hashes.push(self.salt.hash_one(secret));
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{} redacted]", self.hashes.len())
    }
}
