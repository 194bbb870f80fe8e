//! Headers that say when the limits of a provider start afresh.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

use crate::chat::allowance::Limited;

/// From here on a number is a date in seconds since 1970, and not a wait.
const FIRST_DATE: f64 = 1e9;

/// From here on it is a date in milliseconds.
const FIRST_DATE_IN_MILLISECONDS: f64 = 1e11;

/// The seconds until limits start afresh. They may be zero, negative or not finite.
///
/// Reads `x-ratelimit-reset-*` (OpenAI, Groq and others) and `anthropic-ratelimit-*-reset`. A limit is used up if the
/// header with `remaining` instead of `reset` is 0. If several are, the last one counts, because the next request needs all
/// of them. A limit without `remaining` may be used up or not. It counts only if none is known to be, and then the first
/// one does: a wait that is too short costs one request, one that is too long ends the retrying.
pub(crate) struct Limits {
    /// Of those that are used up.
    pub(crate) used_up: Option<f64>,
    unknown: Option<f64>,
}

impl Limits {
    pub(crate) fn read(headers: &HeaderMap, now: SystemTime) -> Self {
        let (mut used_up, mut unknown): (Option<f64>, Option<f64>) = (None, None);
        for (name, value) in headers {
            let Some(remaining) = name_of_remaining(name.as_str()) else { continue };
            let Some(wait) = value.to_str().ok().and_then(|value| wait(value.trim(), now)) else { continue };
            match headers.get(remaining) {
                Some(remaining) if is_zero(remaining.to_str().unwrap_or_default()) => {
                    used_up = Some(used_up.map_or(wait, |other| other.max(wait)));
                }
                Some(_) => {}
                None => unknown = Some(unknown.map_or(wait, |other| other.min(wait))),
            }
        }
        Self { used_up, unknown }
    }

    /// Of those that are used up, else of those that may be.
    pub(crate) fn reset(&self) -> Option<f64> {
        self.used_up.or(self.unknown)
    }
}

/// The largest count of what is left. Nobody needs to know that there is more.
const MOST_REMAINING: f64 = 1e15;

/// What headers say that is left, of what, and the seconds until the limit starts afresh. These may be zero, negative or not finite.
///
/// Reads `x-ratelimit-remaining-*` (OpenAI, Groq and others) and `anthropic-ratelimit-*-remaining`, with the header that has `reset`
/// in place of `remaining`.
pub(crate) fn remaining(
    headers: &HeaderMap,
    now: SystemTime,
) -> impl Iterator<Item = (Limited, u64, Option<f64>)> + '_ {
    headers.iter().filter_map(move |(name, value)| {
        let (limited, reset) = limited(name.as_str())?;
        let number: f64 = value.to_str().ok()?.trim().parse().ok()?;
        let remaining = (number.is_finite() && number >= 0.0).then(|| number.min(MOST_REMAINING) as u64)?;
        let reset = headers.get(reset).and_then(|reset| wait(reset.to_str().ok()?.trim(), now));
        Some((limited, remaining, reset))
    })
}

/// What the header of this name says to be left, and the name of the header with the time of the limit.
fn limited(name: &str) -> Option<(Limited, String)> {
    let (limit, reset) = match name.strip_prefix("anthropic-ratelimit-") {
        Some(limit) => {
            let limit = limit.strip_suffix("-remaining")?;
            (limit, format!("anthropic-ratelimit-{limit}-reset"))
        }
        None => {
            let (start, limit) = name.split_once("ratelimit-remaining")?;
            let is_it = matches!(start, "" | "x-") && (limit.is_empty() || limit.starts_with('-'));
            let reset = is_it.then(|| format!("{start}ratelimit-reset{limit}"))?;
            (limit.strip_prefix('-').unwrap_or("requests"), reset)
        }
    };
    let kinds = [
        ("requests", Limited::Requests),
        ("tokens", Limited::Tokens),
        ("input-tokens", Limited::InputTokens),
        ("output-tokens", Limited::OutputTokens),
    ];
    // Some servers add the window: `requests-day`.
    let is_of =
        |kind: &str| limit.strip_prefix(kind).is_some_and(|window| window.is_empty() || window.starts_with('-'));
    kinds.into_iter().find(|(kind, _)| is_of(kind)).map(|(_, limited)| (limited, reset))
}

/// The header that says how much is left of the limit whose reset this header tells.
fn name_of_remaining(name: &str) -> Option<String> {
    if let Some(limit) = name.strip_prefix("anthropic-ratelimit-") {
        return Some(format!("anthropic-ratelimit-{}-remaining", limit.strip_suffix("-reset")?));
    }
    let (start, limit) = name.split_once("ratelimit-reset")?;
    let is_it = matches!(start, "" | "x-") && (limit.is_empty() || limit.starts_with('-'));
    is_it.then(|| format!("{start}ratelimit-remaining{limit}"))
}

fn is_zero(remaining: &str) -> bool {
    remaining.trim().parse::<f64>().is_ok_and(|remaining| remaining <= 0.0)
}

/// The seconds from now: `20`, `6m0s`, a date in seconds or milliseconds since 1970, a date of RFC 3339 or of HTTP.
fn wait(value: &str, now: SystemTime) -> Option<f64> {
    let until = |date: f64| Some(date - now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64());
    if let Ok(number) = value.parse::<f64>() {
        return match number {
            date if date >= FIRST_DATE_IN_MILLISECONDS => until(date / 1000.0),
            date if date >= FIRST_DATE => until(date),
            seconds => Some(seconds),
        };
    }
    let http = || httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok();
    let date = || rfc_3339(value).or_else(|| http().as_ref().map(Duration::as_secs_f64)).and_then(until);
    duration(value).or_else(date)
}

/// A duration as Go writes it: `1h2m3.5s`, `20ms`.
fn duration(mut text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 8] = [
        // Longer names come first.
        ("ms", 1e-3),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ns", 1e-9),
        ("d", 86_400.0),
        ("h", 3600.0),
        ("m", 60.0),
        ("s", 1.0),
    ];
    let mut seconds = None;
    while !text.is_empty() {
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, rest) = text.split_at_checked(end)?;
        let (rest, unit) = UNITS.iter().find_map(|(name, unit)| Some((rest.strip_prefix(name)?, unit)))?;
        seconds = Some(seconds.unwrap_or(0.0) + number.parse::<f64>().ok()? * unit);
        text = rest;
    }
    seconds
}

/// The seconds since 1970 of a date such as `2026-01-27T10:05:00Z`.
fn rfc_3339(text: &str) -> Option<f64> {
    let read: toml::value::Datetime = text.parse().ok()?;
    let (date, time) = (read.date?, read.time?);
    let offset = match read.offset? {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes),
    };
    // Days since 1970 in years that begin in March, so that the leap day is the last day of a year.
    let (month, day) = (i64::from(date.month), i64::from(date.day));
    let year = i64::from(date.year) - i64::from(month <= 2);
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * ((month + 9) % 12) + 2) / 5 + day - 719_469;
    let minutes = days * 1440 + i64::from(time.hour) * 60 + i64::from(time.minute) - offset;
    let (second, nanosecond) = (time.second.unwrap_or(0), time.nanosecond.unwrap_or(0));
    Some(minutes as f64 * 60.0 + f64::from(second) + f64::from(nanosecond) * 1e-9)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    /// 2026-01-27 10:00:00.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_508_000)
    }

    #[track_caller]
    fn resets(pairs: &[(&'static str, &str)], expected: Option<f64>) {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        assert_eq!(Limits::read(&pairs.iter().map(pair).collect(), now()).reset(), expected, "{pairs:?}");
    }

    #[test]
    fn values_in_all_forms() {
        for (value, expected) in [
            ("20", 20.0),
            (" 0.5 ", 0.5),
            ("6m0s", 360.0),
            ("1s", 1.0),
            ("20ms", 0.02),
            ("2m59.56s", 179.56),
            ("1d2h3m4s", 93_784.0),
            ("1769508030", 30.0),
            ("1769508030500", 30.5),
            ("2026-01-27T10:00:30Z", 30.0),
            ("2026-01-27T11:00:30.5+01:00", 30.5),
            ("2026-03-01T10:00:00Z", 33.0 * 86_400.0),
            ("Tue, 27 Jan 2026 10:00:30 GMT", 30.0),
        ] {
            resets(&[("x-ratelimit-reset-tokens", value)], Some(expected));
            resets(&[("anthropic-ratelimit-tokens-reset", value)], Some(expected));
        }
        for value in ["", "soon", "1x", "s", "1", "2026-01-27", "10:00:00", "2026-02-30T00:00:00Z", "1s2"] {
            resets(&[("x-ratelimit-reset", value)], value.parse().ok());
        }
    }

    #[test]
    fn dates_over_four_centuries() {
        for day in (0..146_097).step_by(97) {
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400 + 3_723);
            let http = httpdate::fmt_http_date(date);
            let parts: Vec<_> = http.split([' ', ',']).collect();
            let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
            let month = months.iter().position(|month| *month == parts[3]).unwrap() + 1;
            let text = format!("{}-{month:02}-{}T{}Z", parts[4], parts[2], parts[5]);
            assert_eq!(rfc_3339(&text), Some((day * 86_400 + 3_723) as f64), "{text}");
        }
    }

    #[test]
    fn the_last_of_the_limits_that_are_used_up() {
        let (requests, tokens) = (("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-reset-tokens", "6m0s"));
        let left =
            |requests, tokens| [("x-ratelimit-remaining-requests", requests), ("x-ratelimit-remaining-tokens", tokens)];
        resets(&[&[requests, tokens][..], &left("0", "100")].concat(), Some(1.0));
        resets(&[&[requests, tokens][..], &left("5", "0")].concat(), Some(360.0));
        resets(&[&[requests, tokens][..], &left("0", "-3")].concat(), Some(360.0));
        resets(&[&[requests, tokens][..], &left("5", "100")].concat(), None);
        let anthropic = ("anthropic-ratelimit-input-tokens-reset", "2026-01-27T10:01:00Z");
        resets(&[anthropic, ("anthropic-ratelimit-input-tokens-remaining", "0"), requests], Some(60.0));
    }

    #[test]
    fn the_first_of_the_limits_of_which_no_more_is_known() {
        resets(&[("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-reset-tokens", "6m0s")], Some(1.0));
        resets(&[("x-ratelimit-reset", "9"), ("x-ratelimit-remaining-day", "0")], Some(9.0));
        resets(&[("ratelimit-reset", "9")], Some(9.0));
    }

    #[test]
    fn other_headers_mean_nothing() {
        for name in
            ["x-ratelimit-resets", "my-ratelimit-reset", "anthropic-ratelimit-tokens-limit", "x-ratelimit-limit"]
        {
            resets(&[(name, "9")], None);
        }
    }

    proptest! {
        #[test]
        fn any_value_is_read(bytes: Vec<u8>, text in "[0-9.:TZdhmsnuµ+-]{0,30}") {
            for value in [bytes, text.into_bytes()] {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    let name = HeaderName::from_static("x-ratelimit-reset");
                    Limits::read(&HeaderMap::from_iter([(name, value)]), now()).reset();
                }
            }
        }
    }
}
