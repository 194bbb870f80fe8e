//! Hints of a server: how long to wait before the next attempt, and whether to make one.

use std::{
    ops::RangeInclusive,
    time::{Duration, SystemTime},
};

use arcllm::{Attempt, Error, ErrorKind, Message, Model, Overrides, Response};
use arcllm_simulator::{Format, Reply, Simulator};

use crate::{
    scene::{around, around_both, ask, load, replies, soon, steps},
    support::{Chain, Folder},
};

/// Backoff is from 10 to 20 ms; a wait for a hint h is from h to h + 10 ms; no wait is above 60 ms.
const RETRY: &str =
    "max_retries = 1\nbackoff_base_seconds = 0.01\nmax_wait_seconds = 0.06\nbudget_min_per_second = 1e6";

const SENT: &str = "Tue, 15 Nov 1994 08:12:31 GMT";

/// What headers lead to.
#[derive(Debug, Clone)]
enum Heard {
    /// No hint: the wait is the module's own.
    Nothing,
    /// A hint of so many milliseconds, and a wait within these bounds.
    Wait(f64, RangeInclusive<u64>),
    /// A hint of so many seconds, which is above the longest wait.
    TooMuch(f64),
}
use Heard::{Nothing, TooMuch, Wait};

/// A model with a retry, and its provider.
struct Stage {
    provider: Simulator,
    model: Model,
    _folder: Folder,
}

impl Stage {
    async fn new(format: Format, settings: &str) -> Self {
        let provider = replies([]).await;
        let folder = Chain::new().provider("a", format, &provider.url()).module("retry", settings).folder().unwrap();
        Self { model: load(&folder, Overrides::new()).await, provider, _folder: folder }
    }

    /// Asks, while the provider gives this reply and then good ones.
    async fn ask(&self, reply: &Reply) -> Result<Response, Error> {
        self.provider.push(reply.clone()).unwrap();
        soon(self.model.invoke(&[Message::user("Hi")], &[])).await
    }

    /// How many requests came since the last time.
    fn requests(&self) -> usize {
        let count = self.provider.requests().len();
        self.provider.forget_requests();
        count
    }

    /// Plays these headers with this status.
    async fn hear(&self, status: u16, headers: &[(&str, &str)], heard: &Heard) {
        let case = format!("{status} {headers:?}");
        let reply = with(Reply::error(status, "Not now."), headers);
        let result = self.ask(&reply).await;
        let hint = match heard {
            Nothing => None,
            Wait(milliseconds, _) => Some(Duration::from_secs_f64(milliseconds / 1000.0)),
            TooMuch(seconds) => Some(Duration::from_secs_f64(*seconds)),
        };
        let bounds = match heard {
            Nothing => 10..=20,
            Wait(_, bounds) => bounds.clone(),
            TooMuch(_) => {
                self.gave_up(&result.unwrap_err(), status, hint, &case);
                return;
            }
        };
        let answer = result.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(answer.trail[0].retry_after, hint, "{case}");
        assert_waited(&answer.trail[1], bounds, &case);
        assert_eq!(self.requests(), 2, "{case}");
    }

    /// Checks that there was one attempt, and that its error came back unchanged.
    fn gave_up(&self, error: &Error, status: u16, hint: Option<Duration>, case: &str) {
        assert_eq!(steps(&error.trail), [format!("retry asks a: {status}")], "{case}");
        let ErrorKind::Api(api) = &error.kind else { panic!("{case}: {error}") };
        assert_eq!((api.status, api.message.as_str(), api.retry_after), (status, "Not now.", hint), "{case}");
        assert_eq!(error.trail[0].retry_after, hint, "{case}");
        assert_eq!(self.requests(), 1, "{case}");
    }
}

fn with(reply: Reply, headers: &[(&str, &str)]) -> Reply {
    headers.iter().fold(reply, |reply, (name, value)| reply.header(*name, *value))
}

fn assert_waited(attempt: &Attempt, milliseconds: RangeInclusive<u64>, case: &str) {
    let bounds = Duration::from_millis(*milliseconds.start())..=Duration::from_millis(*milliseconds.end());
    assert!(bounds.contains(&attempt.waited), "{case}: not within {bounds:?}: {attempt:?}");
}

/// Plays each of these headers with 429 and 529, in both formats.
async fn hear_all(cases: &[(&[(&str, &str)], Heard)]) {
    for format in [Format::Anthropic, Format::OpenAi] {
        let stage = Stage::new(format, RETRY).await;
        for (headers, heard) in cases {
            for status in [429, 529] {
                stage.hear(status, headers, heard).await;
            }
        }
    }
}

#[tokio::test]
async fn in_milliseconds() {
    hear_all(&[
        (&[("retry-after-ms", "30")], Wait(30.0, 30..=40)),
        (&[("Retry-After-Ms", "30")], Wait(30.0, 30..=40)),
        (&[("retry-after-ms", "30.5")], Wait(30.5, 30..=41)),
        (&[("retry-after-ms", " 30 ")], Wait(30.0, 30..=40)),
        // The shortest hint counts, too: the wait is never shorter than the hint.
        (&[("retry-after-ms", "1")], Wait(1.0, 1..=11)),
        (&[("retry-after-ms", "55")], Wait(55.0, 55..=60)),
        (&[("retry-after-ms", "60")], Wait(60.0, 60..=60)),
        (&[("retry-after-ms", "61")], TooMuch(0.061)),
        (&[("retry-after-ms", "3600000")], TooMuch(3600.0)),
    ])
    .await;
}

#[tokio::test]
async fn in_seconds() {
    hear_all(&[
        (&[("retry-after", "0.03")], Wait(30.0, 30..=40)),
        (&[("RETRY-AFTER", "0.03")], Wait(30.0, 30..=40)),
        (&[("retry-after", ".03")], Wait(30.0, 30..=40)),
        (&[("retry-after", "0.06")], Wait(60.0, 60..=60)),
        (&[("retry-after", "0.061")], TooMuch(0.061)),
        (&[("retry-after", "1")], TooMuch(1.0)),
        (&[("retry-after", "3600")], TooMuch(3600.0)),
    ])
    .await;
}

#[tokio::test]
async fn a_hint_of_a_whole_second_is_waited_for() {
    // The hint is the longest wait, so there is no jitter.
    let settings = "max_retries = 1\nbackoff_base_seconds = 0.01\nmax_wait_seconds = 1.0\nbudget_min_per_second = 1e6";
    let stage = Stage::new(Format::Anthropic, settings).await;
    let date = [("date", SENT), ("retry-after", "Tue, 15 Nov 1994 08:12:32 GMT")];
    let (in_seconds, as_date) = (Wait(1000.0, 1000..=1000), Wait(1000.0, 1000..=1000));
    stage.hear(429, &[("retry-after", "1")], &in_seconds).await;
    stage.hear(529, &date, &as_date).await;
}

#[tokio::test]
async fn as_a_date_by_the_servers_clock() {
    let cases: &[(&[(&str, &str)], Heard)] = &[
        (&[("date", SENT), ("retry-after", "Tue, 15 Nov 1994 08:12:32 GMT")], TooMuch(1.0)),
        (&[("date", SENT), ("retry-after", "Tue, 15 Nov 1994 08:13:31 GMT")], TooMuch(60.0)),
        (&[("date", SENT), ("retry-after", "Tuesday, 15-Nov-94 08:13:31 GMT")], TooMuch(60.0)),
        (&[("date", SENT), ("retry-after", "Tue Nov 15 08:13:31 1994")], TooMuch(60.0)),
        (&[("date", SENT), ("retry-after", SENT)], Nothing),
        (&[("date", SENT), ("retry-after", "Tue, 15 Nov 1994 08:12:30 GMT")], Nothing),
        // In the future by this machine's clock, and in the past by the server's.
        (&[("date", "Fri, 31 Dec 9999 23:59:58 GMT"), ("retry-after", "Fri, 31 Dec 9999 23:59:57 GMT")], Nothing),
        (&[("retry-after", SENT)], Nothing),
        (&[("date", "yesterday"), ("retry-after", SENT)], Nothing),
    ];
    hear_all(cases).await;
}

#[tokio::test]
async fn as_a_date_without_the_servers_clock() {
    let (until, since_epoch) = ("Sun, 06 Nov 2044 08:49:37 GMT", 2362034977);
    let stage = Stage::new(Format::OpenAi, RETRY).await;
    for reply in [Reply::status(429).without_header("date"), Reply::status(529).header("date", "tomorrow")] {
        let error = stage.ask(&reply.clone().header("retry-after", until)).await.unwrap_err();
        let hint = error.trail[0].retry_after.unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let remains = Duration::from_secs(since_epoch) - now;
        assert!(hint.abs_diff(remains) < Duration::from_secs(120), "{hint:?}, {remains:?}");
        assert_eq!(stage.requests(), 1);

        let answer = stage.ask(&reply.header("retry-after", SENT)).await.unwrap();
        assert_eq!((answer.trail[0].retry_after, stage.requests()), (None, 2));
        assert_waited(&answer.trail[1], 10..=20, "in the past");
    }
}

#[tokio::test]
async fn zero_negative_and_malformed_values_are_no_hint() {
    let values = ["0", "0.0", "-0", "-1", "-0.03", "NaN", "nan", "inf", "-inf", "infinity", "1e400", "1e-300"];
    let values = values.into_iter().chain(["", " ", "soon", "0,03", "0.03s", "30 ms", "0x10", "1 2", "Tue, 15 Nov"]);
    let cases: Vec<_> = values.flat_map(|value| [[("retry-after", value)], [("retry-after-ms", value)]]).collect();
    let cases: Vec<(&[(&str, &str)], Heard)> = cases.iter().map(|headers| (&headers[..], Nothing)).collect();
    hear_all(&cases).await;
    hear_all(&[(&[], Nothing), (&[("retry-after-seconds", "0.05")], Nothing)]).await;
}

#[tokio::test]
async fn absurd_hints_end_the_retrying() {
    for value in ["1e300", "99999999999999999999", "1e9", "1000000001"] {
        hear_all(&[(&[("retry-after", value)], TooMuch(1e9))]).await;
    }
    hear_all(&[
        (&[("retry-after-ms", "1e300")], TooMuch(1e9)),
        (&[("retry-after-ms", "99999999999999999999")], TooMuch(1e9)),
        (&[("date", SENT), ("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")], TooMuch(1e9)),
    ])
    .await;
}

#[tokio::test]
async fn the_first_found_wins() {
    hear_all(&[
        (&[("retry-after-ms", "30"), ("retry-after", "3600")], Wait(30.0, 30..=40)),
        (&[("retry-after", "3600"), ("retry-after-ms", "30")], Wait(30.0, 30..=40)),
        (&[("retry-after-ms", "3600000"), ("retry-after", "0.03")], TooMuch(3600.0)),
        // A malformed hint does not count as found.
        (&[("retry-after-ms", "0"), ("retry-after", "0.03")], Wait(30.0, 30..=40)),
        (&[("retry-after-ms", "-5"), ("retry-after", "0.03")], Wait(30.0, 30..=40)),
        (&[("retry-after-ms", "NaN"), ("retry-after", "0.03")], Wait(30.0, 30..=40)),
        (&[("retry-after-ms", "soon"), ("retry-after", "0.03")], Wait(30.0, 30..=40)),
        (&[("retry-after-ms", "30"), ("retry-after", "soon")], Wait(30.0, 30..=40)),
        (&[("retry-after-ms", "0"), ("retry-after", "-1")], Nothing),
        (&[("retry-after-ms", "0"), ("date", SENT), ("retry-after", "Tue, 15 Nov 1994 08:13:31 GMT")], TooMuch(60.0)),
    ])
    .await;
}

#[tokio::test]
async fn should_retry_counts_more_than_the_status() {
    for format in [Format::Anthropic, Format::OpenAi] {
        let stage = Stage::new(format, RETRY).await;
        for value in ["true", "True", "TRUE", " tRuE "] {
            for status in [400, 401, 404, 409, 501, 504, 529] {
                let answer = stage.ask(&Reply::status(status).header("x-should-retry", value)).await.unwrap();
                assert_eq!(
                    steps(&answer.trail),
                    [&*format!("retry asks a: {status}"), "retry waits, retry asks a: ok"]
                );
                assert_eq!((answer.trail[0].should_retry, stage.requests()), (Some(true), 2));
                assert_waited(&answer.trail[1], 10..=20, value);
            }
        }
        for value in ["false", "False", "FALSE", " fAlSe "] {
            for status in [429, 500, 502, 503, 529, 400] {
                let reply = Reply::error(status, "Not now.").header("x-should-retry", value);
                let error = stage.ask(&reply).await.unwrap_err();
                stage.gave_up(&error, status, None, value);
                assert_eq!(error.trail[0].should_retry, Some(false));
            }
        }
        for value in ["", "1", "yes", "truely"] {
            let answer = stage.ask(&Reply::status(529).header("x-should-retry", value)).await.unwrap();
            assert_eq!((answer.trail[0].should_retry, stage.requests()), (None, 2), "{value}");
            let error = stage.ask(&Reply::error(400, "Not now.").header("x-should-retry", value)).await.unwrap_err();
            stage.gave_up(&error, 400, None, value);
        }
    }
}

#[tokio::test]
async fn should_retry_and_a_hint() {
    let stage = Stage::new(Format::Anthropic, RETRY).await;
    let (yes, no) = (("x-should-retry", "true"), ("x-should-retry", "false"));
    stage.hear(400, &[yes, ("retry-after-ms", "30")], &Wait(30.0, 30..=40)).await;
    // Retryable, but the wait would be too long.
    stage.hear(400, &[yes, ("retry-after", "3600")], &TooMuch(3600.0)).await;
    let reply = with(Reply::error(429, "Not now."), &[no, ("retry-after-ms", "30")]);
    stage.gave_up(&stage.ask(&reply).await.unwrap_err(), 429, Some(Duration::from_millis(30)), "no, with a hint");
}

#[tokio::test]
async fn a_module_outside_can_act_on_a_hint_above_the_longest_wait() {
    for status in [429, 529] {
        let reply = Reply::error(status, "Not now.").header("retry-after", "3600");
        let (a, b) = (replies([reply.clone()]).await, replies([]).await);
        let chain = around_both(&a, &b).module("retry", RETRY).module("fallback", "chain = [\"b\"]");
        let answer = ask(&chain.host("order = [\"fallback\", \"retry\"]")).await.unwrap();
        assert_eq!(steps(&answer.trail), [&*format!("retry asks a: {status}"), "retry asks b: ok"]);
        assert_eq!(answer.trail[0].retry_after, Some(Duration::from_secs(3600)));

        let a = replies([reply]).await;
        let error = ask(&around(&a).module("retry", RETRY)).await.unwrap_err();
        let json = serde_json::to_value(&error).unwrap();
        assert_eq!(
            (&json["retry_after_seconds"], &json["trail"][0]["retry_after_seconds"]),
            (&3600.0.into(), &3600.0.into())
        );
    }
}
