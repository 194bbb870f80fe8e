//! Headers about the next attempt: how long to wait, and whether to make one.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::{
    adapter::http::rate_limit,
    chat::allowance::{Allowance, Allowances},
};

/// The longest wait. Sums with it do not overflow.
const LONGEST_SECONDS: f64 = 1e9;

/// The wait that the server asks for. A value that is zero, past, negative, infinite or unreadable is ignored.
///
/// Reads the first valid value of: `retry-after-ms`, `Retry-After` in seconds, `Retry-After` as a date (RFC 9110, section
/// 10.2.3). Dates count from the `Date` of the answer, because the server's clock may differ, or else from `now`.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let milliseconds = text(headers, "retry-after-ms").and_then(number).and_then(|ms| wait(ms / 1000.0));
    let after = text(headers, RETRY_AFTER.as_str());
    let seconds = || after.and_then(number).and_then(wait);
    let date = || {
        // Some servers write the offset of UTC as a number.
        let after = after?;
        let in_gmt = after.strip_suffix("+0000").map(|date| format!("{date}GMT"));
        let until = httpdate::parse_http_date(in_gmt.as_deref().unwrap_or(after)).ok()?;
        wait(until.duration_since(sent_at(headers).unwrap_or(now)).ok()?.as_secs_f64())
    };
    milliseconds.or_else(seconds).or_else(date)
}

/// The wait after an error of this status: that of [`retry_after`]. For a 429 without it, the time until the limits of the
/// provider start afresh. For a 503, only of limits that are used up. Other statuses say nothing about limits.
pub(crate) fn wait_after(status: u16, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let limits = || {
        let limits = rate_limit::Limits::read(headers, sent_at(headers).unwrap_or(now));
        match status {
            429 => limits.reset(),
            503 => limits.used_up,
            _ => None,
        }
        .and_then(wait)
    };
    retry_after(headers, now).or_else(limits)
}

/// What is left of the limits of the provider. Times are within the same bounds as waits. What makes no sense is ignored: a number
/// that is negative or none, and a time that has passed.
pub(crate) fn allowances(headers: &HeaderMap, now: SystemTime) -> Allowances {
    let now = sent_at(headers).unwrap_or(now);
    let mut allowances = Allowances::new();
    for (limited, remaining, reset) in rate_limit::remaining(headers, now) {
        let allowance = Allowance::new(remaining, reset.and_then(wait));
        let tightness = |allowance: &Allowance| (std::cmp::Reverse(allowance.remaining), allowance.resets_in);
        let kept = allowances.entry(limited).or_insert(allowance);
        // A provider may limit the same for a minute and for a day.
        if tightness(&allowance) > tightness(kept) {
            *kept = allowance;
        }
    }
    allowances
}

/// When the server sent the answer, by its own clock.
fn sent_at(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, DATE.as_str())?).ok()
}

/// The value of `x-should-retry`.
pub(crate) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match text(headers, "x-should-retry")?.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

fn wait(seconds: f64) -> Option<Duration> {
    if !seconds.is_finite() {
        return None;
    }
    // Tiny waits round to zero.
    Duration::try_from_secs_f64(seconds.min(LONGEST_SECONDS)).ok().filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::chat::allowance::Limited;

    /// 1994-11-15 08:12:31, the example of RFC 9110.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_887_151)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn seconds(pairs: &[(&'static str, &str)]) -> Option<f64> {
        retry_after(&headers(pairs), now()).map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn seconds_with_decimals() {
        for (value, wait) in
            [("2", 2.0), ("0.25", 0.25), (" 30 ", 30.0), ("1e3", 1000.0), ("99999999999999999999", 1e9)]
        {
            assert_eq!(seconds(&[("retry-after", value)]), Some(wait), "{value}");
        }
    }

    #[test]
    fn the_offset_of_utc_may_be_a_number() {
        assert_eq!(seconds(&[("retry-after", "Tue, 15 Nov 1994 08:12:41 +0000")]), Some(10.0));
    }

    #[test]
    fn a_503_counts_limits_that_are_used_up() {
        for (status, remaining, wait) in [(503, "0", Some(5.0)), (503, "1", None), (502, "0", None)] {
            let headers =
                headers(&[("x-ratelimit-reset-requests", "5s"), ("x-ratelimit-remaining-requests", remaining)]);
            let found = wait_after(status, &headers, now()).map(|wait| wait.as_secs_f64());
            assert_eq!(found, wait, "{status} {remaining}");
        }
        let unknown = headers(&[("x-ratelimit-reset-requests", "5s")]);
        assert_eq!((wait_after(503, &unknown, now()), wait_after(429, &unknown, now()).is_some()), (None, true));
    }

    #[test]
    fn what_is_no_hint() {
        let texts = ["0", "0.0", "-1", "-0", "NaN", "inf", "-inf", "1e400", "1e-300", "", "soon", "1,5", "5 s", "0x10"];
        let dates = ["Tue, 15 Nov 1994 08:12:31 GMT", "Tue, 15 Nov 1994 08:12:30 GMT", "Tue, 32 Nov 1994 08:12:40 GMT"];
        for value in texts.into_iter().chain(dates) {
            assert_eq!(seconds(&[("retry-after", value)]), None, "{value}");
            assert_eq!(seconds(&[("retry-after-ms", value)]), None, "{value}");
        }
        assert_eq!(seconds(&[]), None);
    }

    #[test]
    fn the_first_valid_one_wins() {
        assert_eq!(seconds(&[("retry-after-ms", "1500"), ("retry-after", "9")]), Some(1.5));
        assert_eq!(seconds(&[("retry-after-ms", "0.5"), ("retry-after", "9")]), Some(0.0005));
        for none in ["0", "-5", "NaN", "inf", "soon", "1e-300"] {
            assert_eq!(seconds(&[("retry-after-ms", none), ("retry-after", "9")]), Some(9.0), "{none}");
        }
        assert_eq!(seconds(&[("retry-after-ms", "1e300")]), Some(1e9));
    }

    #[test]
    fn dates_in_all_three_forms() {
        for date in ["Tue, 15 Nov 1994 08:12:41 GMT", "Tuesday, 15-Nov-94 08:12:41 GMT", "Tue Nov 15 08:12:41 1994"] {
            assert_eq!(seconds(&[("retry-after", date)]), Some(10.0), "{date}");
        }
        assert_eq!(seconds(&[("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")]), Some(1e9));
    }

    #[test]
    fn dates_count_from_the_date_of_the_answer() {
        let until = ("retry-after", "Tue, 15 Nov 1994 08:12:41 GMT");
        assert_eq!(seconds(&[until, ("date", "Tue, 15 Nov 1994 08:12:36 GMT")]), Some(5.0));
        assert_eq!(seconds(&[until, ("date", "Tue, 15 Nov 1994 09:12:36 GMT")]), None);
        assert_eq!(seconds(&[until, ("date", "yesterday")]), Some(10.0));
    }

    #[test]
    fn should_retry_in_any_case() {
        for (value, says) in [("true", Some(true)), ("False", Some(false)), (" TRUE", Some(true)), ("1", None)] {
            assert_eq!(should_retry(&headers(&[("x-should-retry", value)])), says, "{value}");
        }
        assert_eq!(should_retry(&HeaderMap::new()), None);
    }

    #[test]
    fn limits_are_a_hint_where_nothing_better_is_there() {
        let wait = |status, pairs: &[_]| wait_after(status, &headers(pairs), now()).map(|wait| wait.as_secs_f64());
        let (reset, date) = (("x-ratelimit-reset-tokens", "20ms"), ("date", "Tue, 15 Nov 1994 08:12:30 GMT"));
        assert_eq!(wait(429, &[reset]), Some(0.02));
        assert_eq!(wait(429, &[reset, ("retry-after", "9")]), Some(9.0));
        assert_eq!(wait(429, &[reset, ("retry-after", "soon")]), Some(0.02));
        assert_eq!(wait(529, &[reset]), None);
        let until = ("anthropic-ratelimit-tokens-reset", "1994-11-15T08:12:41Z");
        assert_eq!(wait(429, &[until]), Some(10.0));
        assert_eq!(wait(429, &[until, date]), Some(11.0));
        for none in ["0", "-5", "NaN", "inf", "1994-11-15T08:12:31Z", "1000000000000000000s"] {
            let hint = wait(429, &[("x-ratelimit-reset-tokens", none)]);
            assert_eq!(hint, none.ends_with('s').then_some(1e9), "{none}");
        }
    }

    /// What is left of the first limit, and the seconds until it starts afresh.
    fn left(pairs: &[(&'static str, &str)]) -> Vec<(Limited, u64, Option<f64>)> {
        let allowances = allowances(&headers(pairs), now());
        let left = |(limited, left): (Limited, Allowance)| {
            (limited, left.remaining, left.resets_in.map(|time| time.as_secs_f64()))
        };
        allowances.into_iter().map(left).collect()
    }

    #[test]
    fn what_is_left_of_each_limit() {
        let expected = [(Limited::Requests, 9, Some(360.0)), (Limited::Tokens, 0, Some(0.02))];
        let openai = [
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "9"),
            ("x-ratelimit-reset-requests", "6m0s"),
            ("x-ratelimit-remaining-tokens", " 0 "),
            ("x-ratelimit-reset-tokens", "20ms"),
        ];
        assert_eq!(left(&openai), expected);
        let reset = ("anthropic-ratelimit-input-tokens-reset", "1994-11-15T08:12:41Z");
        let anthropic = [("anthropic-ratelimit-input-tokens-remaining", "0"), reset];
        assert_eq!(left(&anthropic), [(Limited::InputTokens, 0, Some(10.0))]);
        // By the clock of the server.
        let date = ("date", "Tue, 15 Nov 1994 08:12:30 GMT");
        assert_eq!(left(&[&anthropic[..], &[date]].concat()), [(Limited::InputTokens, 0, Some(11.0))]);
        // The tighter of two for the same: what is left of the day.
        let (minute, day) = ("x-ratelimit-remaining-tokens-minute", "x-ratelimit-remaining-tokens-day");
        let both = [(minute, "5"), (day, "0"), ("x-ratelimit-reset-tokens-day", "3600")];
        assert_eq!(left(&both), [(Limited::Tokens, 0, Some(3600.0))]);
        assert_eq!(
            left(&[("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "9")]),
            [(Limited::Requests, 3, Some(9.0))]
        );
        for (none, value) in [
            ("x-ratelimit-remaining-requests", "-1"),
            ("x-ratelimit-remaining-requests", "NaN"),
            ("x-ratelimit-remaining-pages", "0"),
        ] {
            assert_eq!(left(&[(none, value)]), []);
        }
        assert_eq!(
            left(&[("x-ratelimit-remaining-tokens", "1e300")]),
            [(Limited::Tokens, 1_000_000_000_000_000, None)]
        );
    }

    proptest! {
        #[test]
        fn what_is_left_is_within_bounds_whatever_the_headers_are(
            values in proptest::collection::vec((0..6usize, "[0-9.e:TZdhmsinfNa+-]{0,30}"), 0..20),
        ) {
            let names = [
                "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "anthropic-ratelimit-tokens-remaining",
                "anthropic-ratelimit-tokens-reset", "x-ratelimit-remaining", "date",
            ];
            let mut headers = HeaderMap::new();
            for (name, value) in values {
                headers.append(names[name], HeaderValue::from_str(&value).unwrap());
            }
            for allowance in allowances(&headers, now()).into_values() {
                prop_assert!(allowance.remaining <= 1_000_000_000_000_000);
                prop_assert!(allowance.resets_in.is_none_or(|time| !time.is_zero() && time <= Duration::from_secs(1_000_000_000)));
            }
        }

        #[test]
        fn any_bytes_are_a_hint_within_bounds_or_none(
            values in proptest::collection::vec((0..3usize, proptest::collection::vec(any::<u8>(), 0..40)), 0..4),
            text in "[ -~]{0,40}",
            date in "[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
        ) {
            let names = ["retry-after-ms", "retry-after", "date"];
            let text = (1, text.into_bytes());
            for values in [values, vec![text, (2, date.clone().into_bytes())], vec![(1, date.into_bytes())]] {
                let mut headers = HeaderMap::new();
                for (name, value) in values {
                    if let Ok(value) = HeaderValue::from_bytes(&value) {
                        headers.insert(names[name], value);
                    }
                }
                if let Some(wait) = retry_after(&headers, now()) {
                    prop_assert!(!wait.is_zero() && wait <= Duration::from_secs(1_000_000_000));
                }
            }
        }

        #[test]
        fn any_number_is_a_hint_within_bounds_or_none(number: f64) {
            let seconds = seconds(&[("retry-after", &number.to_string())]);
            prop_assert!(seconds.is_none_or(|seconds| seconds > 0.0 && seconds <= 1e9));
        }
    }
}
