//! Numbers in settings, each with the range that it must be in.
//!
//! A number outside of its range is refused when the settings are read, so a module never sees one.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::clock;

/// Defines a number: its type, the check of its range, the words for the range, and its JSON Schema.
macro_rules! number {
    ($(#[$documentation:meta])* $name:ident($type:ty) if $is_right:path, $expected:literal, $schema:tt) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
        #[serde(transparent)]
        pub struct $name($type);

        impl $name {
            /// Makes the setting of a known value, such as a default.
            ///
            /// # Panics
            ///
            /// If the value is outside of the range. Values of a configuration do not come here: they are deserialized.
            pub const fn new(value: $type) -> Self {
                assert!($is_right(value as f64), $expected);
                Self(value)
            }

            /// Returns the value.
            pub const fn get(self) -> $type {
                self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = f64::deserialize(deserializer)?;
                if !$is_right(value) || f64::from(value as $type) != value {
                    return Err(D::Error::custom(format_args!("is {value}, expected {}", $expected)));
                }
                Ok(Self(value as $type))
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

number! {
    /// A length of time in seconds: finite, and above zero.
    ///
    /// Where the setting is a wait, `#[schemars(extend("format" = "arcllm-wait-seconds"))]` on the field tells the host so.
    /// `arcllm check` then compares it with the deadline of a call.
    Seconds(f64) if is_above_zero, "a number of seconds above zero", {"type": "number", "exclusiveMinimum": 0}
}

number! {
    /// A finite number that is zero or more.
    Amount(f64) if is_zero_or_more, "a number, zero or more", {"type": "number", "minimum": 0}
}

number! {
    /// A whole number above zero.
    Count(u32) if is_above_zero, "a whole number above zero", {"type": "integer", "minimum": 1, "maximum": 4_294_967_295_u32}
}

number! {
    /// An HTTP status.
    HttpStatus(u16) if is_status, "an HTTP status, from 100 to 599", {"type": "integer", "minimum": 100, "maximum": 599}
}

impl Seconds {
    /// Returns the time in nanoseconds, as the WIT has durations: at least one, at most `u64::MAX`.
    pub fn nanoseconds(self) -> u64 {
        clock::nanoseconds(self.duration())
    }

    /// Returns the time: at least a nanosecond, at most `u64::MAX` of them.
    pub fn duration(self) -> Duration {
        clock::seconds(self.0).max(Duration::from_nanos(1))
    }
}

const fn is_above_zero(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

const fn is_zero_or_more(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

const fn is_status(value: f64) -> bool {
    value >= 100.0 && value <= 599.0
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;

    fn refused<T: DeserializeOwned + std::fmt::Debug>(json: &str) -> String {
        serde_json::from_str::<T>(json).expect_err("a number outside of the range").to_string()
    }

    #[test]
    fn numbers_in_the_range_are_read() {
        assert_eq!(serde_json::from_str::<Seconds>("60").unwrap(), Seconds::new(60.0));
        assert_eq!(serde_json::from_str::<Amount>("0").unwrap(), Amount::new(0.0));
        for count in [1, u32::MAX] {
            assert_eq!(serde_json::from_str::<Count>(&count.to_string()).unwrap().get(), count);
        }
        for status in [100, 599] {
            assert_eq!(serde_json::from_str::<HttpStatus>(&status.to_string()).unwrap().get(), status);
        }
    }

    #[test]
    fn other_numbers_are_refused_and_named() {
        assert_eq!(refused::<Seconds>("0.0"), "is 0, expected a number of seconds above zero");
        assert_eq!(refused::<Seconds>("-60"), "is -60, expected a number of seconds above zero");
        assert_eq!(refused::<Amount>("-0.5"), "is -0.5, expected a number, zero or more");
        for json in ["0", "2.5", "4294967296", "-1"] {
            assert_eq!(refused::<Count>(json), format!("is {json}, expected a whole number above zero"));
        }
        for json in ["99", "600", "200.5", "70000", "-200"] {
            assert_eq!(refused::<HttpStatus>(json), format!("is {json}, expected an HTTP status, from 100 to 599"));
        }
    }

    #[test]
    fn seconds_become_nanoseconds() {
        for (seconds, nanoseconds) in [(1.5, 1_500_000_000), (1e-300, 1), (1e300, u64::MAX)] {
            assert_eq!(Seconds::new(seconds).nanoseconds(), nanoseconds);
        }
    }

    #[test]
    #[should_panic(expected = "a number of seconds above zero")]
    fn a_default_outside_of_the_range_fails_at_once() {
        let _ = Seconds::new(f64::NAN);
    }
}
