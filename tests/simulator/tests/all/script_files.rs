//! Scripts as files: what the keys mean, and the errors of wrong scripts.

use std::time::Duration;

use arcllm_simulator::{Fault, LineEnd, Place, Reply, Script, Then, Usage};
use serde_json::json;

#[test]
fn every_key_has_its_builder() {
    let script: Script = r#"
        then = "refuse-request"

        [[reply]]
        status = 429
        headers = { retry-after = "1", x-note = ["a", "b"], date = [] }
        error = "slow down"
        times = 3

        [[reply]]
        text = "Hello"
        thinking = "Hm"
        signature = "s"
        tool_calls = [{ id = "call_1", name = "weather", arguments = { city = "Oslo", days = [1, 2.5, true] } }]
        stop_reason = "max_tokens"
        usage = { input_tokens = 1, cache_write_hour_tokens = 3, reasoning_tokens = 2 }
        model = "m"
        delay_seconds = 0.25
        body_delay_seconds = 1

        [[reply]]
        body = "<p>"
        content_type = "text/html"

        [[reply]]
        body_json = { any = ["thing"] }
        fault = "reset-in-body"
        fault_at = { byte = 3 }

        [[reply]]
        stream = true
        pace_seconds = 0.5
        pieces = 3
        line_end = "crlf"
        comments = true
        split_data = true
        pings = true
        unknown_events = true
        coalesced = true
        gzip = true

        [[reply]]
        stream = false
        piece_bytes = 7

        [[reply]]
        events = ["data: 1\n\n", ": and no more"]
        fault = "end-early"
        fault_at = "before-end"
    "#
    .parse()
    .unwrap();

    let limited = Reply::error(429, "slow down")
        .without_header("date")
        .header("retry-after", "1")
        .header("x-note", "a")
        .header("x-note", "b")
        .times(3);
    let answer = Reply::text("Hello")
        .thinking("Hm", "s")
        .tool_call("call_1", "weather", json!({"city": "Oslo", "days": [1, 2.5, true]}))
        .stop_reason("max_tokens")
        .usage(Usage { input_tokens: 1, cache_write_hour_tokens: 3, reasoning_tokens: 2, ..Usage::default() })
        .model("m")
        .delay(Duration::from_millis(250))
        .body_delay(Duration::from_secs(1));
    let page = Reply::body("text/html", "<p>");
    let cut = Reply::json(&json!({"any": ["thing"]})).with_fault(Fault::ResetInBody);
    let cut = cut.fault_at(Place::Byte(3));
    let streamed = Reply::default()
        .streamed()
        .pace(Duration::from_millis(500))
        .pieces(3)
        .line_end(LineEnd::CrLf)
        .comments()
        .split_data()
        .pings()
        .unknown_events()
        .coalesced()
        .gzip();
    let unstreamed = Reply::default().unstreamed().piece_bytes(7);
    let events = [(Duration::ZERO, "data: 1\n\n"), (Duration::ZERO, ": and no more")];
    let raw = Reply::event_stream(events).with_fault(Fault::EndEarly).fault_at(Place::BeforeEnd);
    assert_eq!(script, Script::new([limited, answer, page, cut, streamed, unstreamed, raw]).then(Then::RefuseRequest));
}

#[test]
fn empty_scripts_and_refusing_ones() {
    assert_eq!("".parse::<Script>().unwrap(), Script::default());
    assert_eq!("refuse = true".parse::<Script>().unwrap(), Script::refuse());
    assert_eq!("then = \"repeat\"".parse::<Script>().unwrap(), Script::default().then(Then::Repeat));
}

#[test]
fn every_place_has_its_key() {
    for (key, place) in [
        ("{ byte = 10 }", Place::Byte(10)),
        ("{ before_event = 1 }", Place::BeforeEvent(1)),
        ("{ in_event = 2 }", Place::InEvent(2)),
        ("{ in_character = 3 }", Place::InCharacter(3)),
        ("'before-end'", Place::BeforeEnd),
    ] {
        let script: Script = format!("[[reply]]\nfault = 'truncate'\nfault_at = {key}").parse().unwrap();
        assert_eq!(script, Script::new([Reply::fault(Fault::Truncate).fault_at(place)]));
    }
}

#[test]
fn what_is_not_a_script_is_shown_with_its_line() {
    for (text, says) in [
        ("[[reply]]\ntxt = 'x'", "2: `reply[0].txt` is not a key\n  help: did you mean `text`?"),
        ("[[reply]]\n[[reply]]\n\ntxt = 'x'", "4: `reply[1].txt` is not a key\n  help: did you mean `text`?"),
        ("replies = []", "1: `replies` is not a key\n  help: known are then, refuse, reply"),
        (
            "then = 'stop'",
            "1: `then` is \"stop\", which is not a value that it can have\n  help: known are answer, repeat, again, refuse-request",
        ),
        (
            "[[reply]]\nfault = 'rst'",
            "2: `reply[0].fault`: unknown fault `rst`: did you mean `reset`? docs/simulate.md and `arcllm simulate --help` list all faults",
        ),
        (
            "[[reply]]\nstatus = '429'",
            "2: `reply[0].status` is the text \"429\"\n  help: a whole number from 0 to 65535",
        ),
        (
            "[[reply]]\nstatus = 1000000",
            "2: `reply[0].status` is the number 1000000\n  help: a whole number from 0 to 65535",
        ),
        ("[[reply]]\nfault_at = 5", "2: `reply[0].fault_at`: wanted string or table"),
        (
            "[[reply]]\nfault_at = { bite = 3 }",
            "2: `reply[0].fault_at` is \"bite\", which is not a value that it can have\n  help: did you mean `byte`?",
        ),
        (
            "[[reply]]\nheaders = { a = 1 }",
            "2: `reply[0].headers.a`: a header's value must be a string or a list of strings",
        ),
        (
            "[[reply]]\nusage = { tokens = 1 }",
            "2: `reply[0].usage.tokens` is not a key\n  help: known are input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_hour_tokens, reasoning_tokens",
        ),
        ("[[reply]]\ntool_calls = [{ id = 'a' }]", "2: `reply[0].tool_calls[0].name` is missing"),
        ("[reply]\nstatus = 1", "1: `reply` is a table\n  help: a list"),
        ("[[reply]]\ntext = 'a'\ntext = 'b'", "3: sets `text` a second time\n  help: keep one of the two"),
        ("[[reply]]\ntext = ", "2: is not TOML: string values must be quoted, expected literal string"),
    ] {
        let error = text.parse::<Script>().unwrap_err().to_string();
        assert_eq!(error, format!("script:{says}"), "{text}");
    }
}

#[test]
fn what_does_not_go_together_is_named() {
    for (reply, says) in [
        ("status = 99", "`status` is 99: give one from 200 to 599"),
        ("pace_seconds = -1", "`pace_seconds` is -1: give a number of seconds, 0 or more"),
        ("pieces = 1\npiece_bytes = 1", "`pieces` and `piece_bytes` both say how texts are cut: keep one of them"),
        ("body = 'x'\nevents = []", "`body` and `events` both say what the body is: keep one of them"),
        ("times = 0", "`times` is 0: give 1 or more, or leave the reply out"),
        ("delay_seconds = -1", "`delay_seconds` is -1: give a number of seconds, 0 or more"),
        ("delay_seconds = nan", "`delay_seconds` is NaN: give a number of seconds, 0 or more"),
        ("body_delay_seconds = inf", "`body_delay_seconds` is inf: give a number of seconds, 0 or more"),
        ("message = 'x'\ntext = 'y'", "`message` and `text` both say what the body is: keep one of them"),
        ("body = 'x'\nusage = {}", "`body` and `usage` both say what the body is: keep one of them"),
        ("body = 'x'\nbody_json = 1", "`body` and `body_json` both say what the body is: keep one of them"),
        (
            "content_type = 'text/html'",
            "`content_type` goes with `body`, which is missing: add it, or set the type in `headers`",
        ),
        ("signature = 's'", "`signature` signs `thinking`, which is missing: add it"),
        ("body_json = { a = [1, inf] }", "`body_json.a[1]` is inf, which JSON does not have: give a finite number"),
        (
            "tool_calls = [{ name = 'n', arguments = { day = 2026-01-02 } }]",
            "`tool_calls.arguments.day` is a date, which JSON does not have: put 2026-01-02 in quotes",
        ),
        ("headers = { 'a b' = 'c' }", "`headers`: \"a b\" is no header name: give letters, digits and `-`"),
    ] {
        let text = format!("[[reply]]\ntext = 'fine'\n\n[[reply]]\n{reply}\n");
        let error = text.parse::<Script>().unwrap_err().to_string();
        assert_eq!(error, format!("script:4: reply 2: {says}"));
    }
}

#[test]
fn a_script_that_refuses_has_no_replies() {
    let error = "refuse = true\n[[reply]]\ntext = 'x'".parse::<Script>().unwrap_err();
    assert!(error.to_string().contains("`refuse = true` lets no request in"), "{error}");
}

#[test]
fn files_are_read_and_named() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Two runs at once must not write to one file.
    let file = folder.join(format!("script-{}.toml", std::process::id()));
    std::fs::write(&file, "[[reply]]\nstatus = 503\n").unwrap();
    assert_eq!(Script::from_file(&file).unwrap(), Script::new([Reply::status(503)]));

    std::fs::write(&file, "[[reply]]\nstatus = 1\n").unwrap();
    let error = Script::from_file(&file).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}:1: reply 1: `status`", file.display())), "{error}");

    std::fs::remove_file(&file).unwrap();

    let missing = folder.join("missing.toml");
    let error = Script::from_file(&missing).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: cannot read the script: ", missing.display())), "{error}");
}
