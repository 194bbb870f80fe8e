//! Hints of the headers that say when limits start afresh.

use std::time::{Duration, SystemTime};

use arcllm_simulator::{Format, Reply};

use super::stage::Stage;
use crate::wire::stage::FORMATS;

/// The hint in seconds of an error with this status and these headers.
async fn hint(stage: &Stage, status: u16, headers: &[(&str, &str)]) -> Option<f64> {
    let reply = headers.iter().fold(Reply::error(status, "No."), |reply, (name, value)| reply.header(*name, *value));
    stage.error(&reply).await.retry_after.map(|wait| wait.as_secs_f64())
}

const SENT: (&str, &str) = ("date", "Tue, 27 Jan 2026 10:00:00 GMT");

#[tokio::test]
async fn limits_that_are_used_up() {
    for format in FORMATS {
        let stage = Stage::new(format).await;
        for (reset, seconds) in [
            ("6m0s", 360.0),
            ("1s", 1.0),
            ("20ms", 0.02),
            ("7.66s", 7.66),
            ("12", 12.0),
            ("1769508030", 30.0),
            ("1769508030000", 30.0),
        ] {
            let headers = [SENT, ("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", reset)];
            assert_eq!(hint(&stage, 429, &headers).await, Some(seconds), "{reset}");
        }
        let reset = ("anthropic-ratelimit-input-tokens-reset", "2026-01-27T10:00:30Z");
        let headers = [SENT, ("anthropic-ratelimit-input-tokens-remaining", "0"), reset];
        assert_eq!(hint(&stage, 429, &headers).await, Some(30.0));
        // Another limit is not used up. Of two that are, both must start afresh.
        let requests = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "2s")];
        let tokens = |left| [("x-ratelimit-remaining-tokens", left), ("x-ratelimit-reset-tokens", "6m0s")];
        assert_eq!(hint(&stage, 429, &[requests, tokens("900")].concat()).await, Some(2.0));
        assert_eq!(hint(&stage, 429, &[requests, tokens("0")].concat()).await, Some(360.0));
        assert_eq!(hint(&stage, 429, &tokens("900")).await, None);
    }
}

#[tokio::test]
async fn something_better_comes_first() {
    let stage = Stage::new(Format::OpenAi).await;
    let reset = ("x-ratelimit-reset-requests", "5s");
    assert_eq!(hint(&stage, 429, &[reset, ("retry-after", "2")]).await, Some(2.0));
    assert_eq!(hint(&stage, 429, &[reset, ("retry-after-ms", "1500")]).await, Some(1.5));
    assert_eq!(hint(&stage, 429, &[reset, ("retry-after", "soon")]).await, Some(5.0));
}

#[tokio::test]
async fn what_is_no_hint() {
    let stage = Stage::new(Format::OpenAi).await;
    for value in ["0", "-1", "NaN", "inf", "", "soon", "1x", "1769507000", "2026-01-27T09:59:59Z"] {
        assert_eq!(hint(&stage, 429, &[SENT, ("x-ratelimit-reset-requests", value)]).await, None, "{value}");
    }
    for status in [400, 500, 503, 529] {
        assert_eq!(hint(&stage, status, &[("x-ratelimit-reset-requests", "5s")]).await, None, "{status}");
    }
}

/// Without a `Date` dates count from now.
#[tokio::test]
async fn a_date_counts_from_now() {
    let stage = Stage::new(Format::OpenAi).await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let reset = (now + Duration::from_secs(1000)).as_secs().to_string();
    let wait = hint(&stage, 429, &[("x-ratelimit-reset", &reset)]).await.unwrap();
    assert!((900.0..=1000.0).contains(&wait), "{wait}");
}
