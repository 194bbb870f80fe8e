//! The conformance kit passes modules that conform, and finds what others do wrong.

use arcllm_conformance::kit::{self, Report, Scenario};
use serde_json::{Map, json};

use crate::{
    strangers::stage::with,
    support::{Chain, Folder, built_in_module, root, test_module},
};

fn scenarios(toml: &str) -> Vec<Scenario> {
    kit::parse(toml).unwrap().scenarios
}

fn settings(json: serde_json::Value) -> Map<String, serde_json::Value> {
    json.as_object().unwrap().clone()
}

fn failed(report: &Report) -> Vec<&str> {
    let failed = report.checks.iter().filter(|check| !check.differences.is_empty());
    failed.map(|check| check.name.as_str()).collect()
}

#[test]
fn the_built_in_modules_conform() {
    for (name, scenarios) in [
        ("cache", 16),
        ("resume", 17),
        ("hedge", 17),
        ("route", 16),
        ("validate", 14),
        ("audit", 14),
        ("budget", 16),
        ("retry", 39),
        ("fallback", 29),
        ("chaos", 11),
        ("rate-limit", 17),
        ("circuit-breaker", 19),
        ("telemetry", 11),
        ("redact", 15),
    ] {
        let mut all = kit::bundled().unwrap();
        let own = root().join(format!("modules/{name}/scenarios.toml"));
        let mut settings = Map::new();
        if own.exists() {
            let own = kit::read(&own).unwrap();
            all.extend(own.scenarios);
            settings = own.settings;
        }
        let report = kit::test(&built_in_module(name), &settings, &all).unwrap();
        assert_eq!(failed(&report), [""; 0], "{report:#?}");
        let kinds = [
            ("rate-limit", "limiter"),
            ("circuit-breaker", "breaker"),
            ("telemetry", "observer"),
            ("redact", "transformer"),
            ("route", "router"),
            ("validate", "validator"),
        ];
        let kind = kinds.into_iter().find(|(module, _)| *module == name);
        assert_eq!(report.kind, kind.map_or(name, |(_, kind)| kind));
        assert_eq!(report.checks.iter().filter(|check| check.group == "scenario").count(), scenarios);
    }
}

/// Plays scenarios of a retry with a fallback, and finds the one that it does not pass.
#[test]
fn a_module_that_does_too_little_is_found() {
    let mut scenarios = kit::bundled().unwrap();
    scenarios
        .retain(|scenario| scenario.name.starts_with("a broken connection") || scenario.name.starts_with("a good"));
    for scenario in &mut scenarios {
        scenario.kind = None;
        scenario.settings = [("chain".to_owned(), json!(["primary"]))].into_iter().collect();
    }
    let report = kit::test(&built_in_module("fallback"), &Map::new(), &scenarios).unwrap();
    assert_eq!(failed(&report), ["a broken connection is tried again"]);
}

/// The checks that a retry with this fault fails, and their messages.
fn found(fault: &str) -> Vec<(String, String)> {
    let settings = [("fault".to_owned(), json!(fault))].into_iter().filter(|_| !fault.is_empty()).collect();
    let report = kit::test(&test_module("faulty"), &settings, &kit::bundled().unwrap()).unwrap();
    let failed = report.checks.into_iter().filter(|check| !check.differences.is_empty());
    failed.map(|check| (check.name, check.differences.join("; "))).collect()
}

#[test]
fn each_seeded_fault_fails_a_check_that_says_what_was_expected() {
    assert_eq!(found(""), []);
    for (fault, name, says) in [
        (
            "swallows-errors",
            "every error comes back unchanged",
            "The caller got an answer. It should have got the error.",
        ),
        (
            "swallows-errors",
            "exhausted, the last error comes back unchanged",
            "The call ended with an answer of primary.",
        ),
        ("retries400", "the error of a wrong request passes through at once", "It should have asked primary."),
        (
            "ignores-hints",
            "a hint is the shortest wait, and jitter is added",
            "It should have waited 0 s, 7.5 to 8.5 s.",
        ),
        ("asks-twice", "a good answer is returned and nothing is asked again", "It should have asked primary."),
        ("traps-on-nothing", "odd requests", "no messages: The module trapped or reached a limit."),
    ] {
        let found = found(fault);
        let check = found.iter().find(|(check, _)| check == name);
        assert!(check.is_some_and(|(_, differences)| differences.contains(says)), "{fault}: {name}: {found:#?}");
    }
}

/// The same retry conforms or not by what it says of itself.
#[test]
fn a_module_does_no_more_than_it_says() {
    let folder = Folder::new("").unwrap();
    let silent = with("faulty", "asks-again", "asks-agaim");
    let file = folder.write("silent.wasm", silent).unwrap();
    let report = kit::test(&file, &Map::new(), &[]).unwrap();
    let check = report.checks.iter().find(|check| check.name == "every error comes back unchanged").unwrap();
    assert!(
        check.differences.iter().any(|told| told == "status 503: 4 requests were sent. There should be 1."),
        "{report:#?}"
    );
    assert_eq!(report.behavior, ["asks-agaim"]);
    let whole = with("upper", "holds-answers-back", "holds-answers-bakk");
    let file = folder.write("whole.wasm", whole).unwrap();
    assert_eq!(failed(&kit::test(&file, &Map::new(), &[]).unwrap()), ["a streamed answer comes as it is made"]);
}

#[test]
fn every_expectation_can_fail() {
    let scenario = |expect: &str| {
        format!(
            "[[scenario]]\nname = \"{}\"\nsettings = {{ max_retries = 1 }}\nproviders.primary = [{{ status = 503 }}]\n\
             [scenario.expect]\nasked = [\"primary\", \"primary\"]\nanswered_by = \"primary\"\n{expect}\n",
            expect.replace('"', "'")
        )
    };
    let right = ["", "waited = [0, [1, 2]]", "took = [1, 2]"];
    let wrong = ["waited = [0, 0]", "waited = [0]", "took = 0", "error = \"api\"", "status = 503"];
    let all: String = right.iter().chain(&wrong).map(|expect| scenario(expect)).collect();
    let report = kit::test(&built_in_module("retry"), &Map::new(), &scenarios(&all)).unwrap();
    assert_eq!(failed(&report), wrong.map(|expect| expect.replace('"', "'")));
}

#[test]
fn expectations_about_streams_can_fail() {
    let scenario = "[[scenario]]\nname = \"a\"\nstream = true\nproviders.primary = [{ error = \"parse\", after_events = 2 }]\n\
                    [scenario.expect]\nasked = [\"primary\"]\nerror = \"parse\"\npieces = 3";
    let report = kit::test(&built_in_module("retry"), &Map::new(), &scenarios(scenario)).unwrap();
    assert_eq!(failed(&report), ["a"]);
    // It ends its own answer after the first write.
    let stops = [("fault".to_owned(), json!("stops"))].into_iter().collect();
    let streamed = test_module("upper-streamed");
    let report = kit::test(&streamed, &stops, &kit::bundled().unwrap()).unwrap();
    let found = failed(&report);
    for name in [
        "a streamed answer is the same as without streaming",
        "when an answer breaks off, nothing of it is sent twice",
        "an answer comes piece by piece",
    ] {
        assert!(found.contains(&name), "{name}: {found:?}");
    }
}

#[test]
fn modules_that_change_texts_conform() {
    for name in ["upper", "upper-streamed", "blocking"] {
        let file = test_module(name);
        let report = kit::test(&file, &Map::new(), &kit::bundled().unwrap()).unwrap();
        assert_eq!(failed(&report), [""; 0], "{report:#?}");
        let granted: &[&str] = if name == "blocking" { &["models", "state"] } else { &[] };
        assert_eq!(report.granted, granted);
    }
}

/// Expectations about texts, right and wrong.
#[test]
fn expectations_about_texts_can_hold_and_fail() {
    let scenario = |reply: &str, expect: &str| {
        format!(
            "[[scenario]]\nname = {expect:?}\nsay = \"one\"\nproviders.primary = [{reply}]\n\
             [scenario.expect]\nasked = [\"primary\"]\n{expect}\n"
        )
    };
    let (good, bad) =
        ("{ text = \"two\", tool_arguments = { n = 1 } }", "{ status = 400, message = \"no such thing\" }");
    let answered = "answered_by = \"primary\"\n";
    let failed_with = "error = \"api\"\nstatus = 400\n";
    let right = [
        (good, answered, "sent = [\"one\"]"),
        (good, answered, "text = \"two\""),
        (good, answered, "tool_arguments = { n = 1 }"),
        (bad, failed_with, "message = \"such\""),
    ];
    let wrong = [
        (good, answered, "sent = [\"two\"]"),
        (good, answered, "text = \"one\""),
        (good, answered, "tool_arguments = { n = 2 }"),
        (bad, failed_with, "message = \"other\""),
    ];
    let all = right.iter().chain(&wrong);
    let all: String = all.map(|(reply, ending, expect)| scenario(reply, &format!("{ending}{expect}"))).collect();
    let report = kit::test(&built_in_module("retry"), &Map::new(), &scenarios(&all)).unwrap();
    assert_eq!(failed(&report), wrong.map(|(_, ending, expect)| format!("{ending}{expect}")));
}

/// A module that asks other models is held to what it says of itself, and no more. The examples of the guide.
#[test]
fn a_right_router_and_a_right_hedge_conform() {
    let own = "[[scenario]]\nname = \"a long request goes on\"\nsettings = { up_to_tokens = 1 }\nsay = \"many words\"\n\
               [scenario.expect]\nasked = [\"primary\"]\nanswered_by = \"primary\"\n";
    let all: Vec<_> = kit::bundled().unwrap().into_iter().chain(scenarios(own)).collect();
    let report = kit::test(&test_module("small-first"), &settings(json!({ "small": "second" })), &all).unwrap();
    assert_eq!(failed(&report), [""; 0], "{report:#?}");
    assert!(report.checks.iter().any(|check| check.name == "an answer comes piece by piece"));
    let text = std::fs::read_to_string(root().join("tests/scenarios/hedge.toml")).unwrap();
    let own = kit::parse(&text).unwrap();
    let all: Vec<_> = kit::bundled().unwrap().into_iter().chain(own.scenarios).collect();
    let report = kit::test(&test_module("impatient"), &own.settings, &all).unwrap();
    assert_eq!(failed(&report), [""; 0], "{report:#?}");
}

#[test]
fn a_wrong_router_and_a_wrong_hedge_are_found() {
    let hedge = std::fs::read_to_string(root().join("tests/scenarios/hedge.toml")).unwrap();
    let mut hedge = kit::parse(&hedge).unwrap().scenarios;
    hedge.iter_mut().for_each(|scenario| scenario.settings.clear());
    let all: Vec<_> = kit::bundled().unwrap().into_iter().chain(hedge).collect();
    for (fault, check, says) in [
        ("swallows-errors", "every error comes back unchanged", "The caller got an answer."),
        ("rewrites-errors", "every error comes back unchanged", "status 529: The caller got the error"),
        ("shortens-requests", "a conversation of 10 MB gets through", "The provider was sent another conversation."),
        (
            "waits-for-both",
            "the one that begins first answers, and the other is cancelled",
            "It should have taken 1.5 s.",
        ),
        ("asks-after-the-answer", "an answer in time is the only one", "It asked primary, then second."),
    ] {
        let report = kit::test(&test_module("faulty-choice"), &settings(json!({ "fault": fault })), &all).unwrap();
        let found = report.checks.iter().find(|found| found.name == check).unwrap();
        assert!(found.differences.iter().any(|told| told.contains(says)), "{fault}: {report:#?}");
    }
    // Right code that does not say that it asks others.
    let folder = Folder::new("").unwrap();
    let file = folder.write("silent.wasm", with("impatient", "asks-others", "asks-otherz")).unwrap();
    let report = kit::test(&file, &settings(json!({ "second": "second", "after_seconds": 0.1 })), &[]).unwrap();
    assert_eq!(failed(&report), ["100 calls at once do not mix"], "{report:#?}");
}

#[test]
fn expectations_about_times_and_cancelled_requests_can_hold_and_fail() {
    let scenario = |expect: &str| {
        format!(
            "[[scenario]]\nname = {expect:?}\ndelay_seconds = {{ primary = 5, second = 1 }}\n[scenario.expect]\n\
             asked = [\"primary\", \"second\"]\nanswered_by = \"second\"\n{expect}\n"
        )
    };
    let right = ["asked_at = [0, 0.5]", "cancelled = [{ provider = \"primary\", at = [1.5, 1.6] }]", "took = 1.5"];
    let wrong = [
        ("asked_at = [0, 0.4]", "It asked at 0 s, 0.5 s of the call. It should have asked at 0 s, 0.4 s."),
        ("asked_at = [0]", "It should have asked at 0 s."),
        ("cancelled = []", "Cancelled requests: primary at 1.5 s. There should be: none."),
        ("cancelled = [{ provider = \"second\" }]", "There should be: second."),
        ("cancelled = [{ provider = \"primary\", at = 2 }]", "There should be: primary at 2 s."),
    ];
    let all: String = right.into_iter().chain(wrong.map(|(expect, _)| expect)).map(scenario).collect();
    let hedge = settings(json!({ "second": "second", "after_seconds": 0.5 }));
    let report = kit::test(&test_module("impatient"), &hedge, &scenarios(&all)).unwrap();
    assert_eq!(failed(&report), wrong.map(|(expect, _)| expect), "{report:#?}");
    for (expect, says) in wrong {
        let found = report.checks.iter().find(|check| check.name == expect).unwrap();
        assert!(found.differences.iter().all(|told| told.contains(says)), "{found:?}");
        assert_eq!(found.differences.len(), 1, "what is the same when streamed is said once: {found:?}");
    }
}

#[tokio::test]
async fn a_module_without_its_settings_fails_once_and_settings_come_from_files_and_arguments() {
    let folder = Chain::new().folder().unwrap();
    let file = test_module("small-first").display().to_string();
    let test = |more: &[&str]| folder.arcllm([&["module", "test", &file], more].concat()).unwrap().run();
    let missing = test(&[]).await.unwrap();
    assert_eq!((missing.code, missing.stdout.as_str()), (2, ""));
    let told = missing
        .stderr
        .replace(&test_module("small-first").canonicalize().unwrap().display().to_string(), "small-first.wasm");
    insta::assert_snapshot!(told, @r#"
    error: small-first.wasm: this module needs the setting `small`
      help: give --settings '{"small": "second"}', or a table [settings] at the head of the scenarios
    "#);
    let scenario = |expected: &str| {
        format!(
            "[[scenario]]\nname = \"mine\"\n[scenario.expect]\nasked = [\"{expected}\"]\nanswered_by = \"{expected}\"\n"
        )
    };
    folder.write("own.toml", format!("[settings]\nsmall = \"third\"\n{}", scenario("third"))).unwrap();
    let from_file = test(&["--scenarios", "own.toml"]).await.unwrap();
    assert_eq!(from_file.code, 0, "{}", from_file.stdout);
    // The argument wins.
    let both = test(&["--scenarios", "own.toml", "--settings", "{\"small\": \"second\"}"]).await.unwrap();
    assert!(
        both.stdout.contains("failed  mine\n            It asked second. It should have asked third."),
        "{}",
        both.stdout
    );
    let wrong = test(&["--settings", "{\"small\": \"second\", \"up_to_tokens\": -1}"]).await.unwrap();
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.stderr.contains("this module does not load with the settings of this test: `up_to_tokens` is -1"),
        "{}",
        wrong.stderr
    );
    folder.write("other.toml", "[settings]\nsmall = \"second\"\n").unwrap();
    let two = test(&["--scenarios", "own.toml", "--scenarios", "other.toml"]).await.unwrap();
    assert!(two.stderr.contains("other.toml: another file of scenarios has another `small`"), "{}", two.stderr);
}

/// The example in `docs/scenarios.md`.
#[test]
fn the_documented_scenarios_run_and_every_key_is_documented() {
    let guide = std::fs::read_to_string(root().join("docs/scenarios.md")).unwrap();
    let example = guide.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let report = kit::test(&built_in_module("retry"), &Map::new(), &scenarios(example)).unwrap();
    assert_eq!(failed(&report), [""; 0], "{report:#?}");
    assert_eq!(report.checks.iter().filter(|check| check.group == "scenario").count(), 2);
    // Each key is explained.
    let schema = kit::schema();
    let keys = ["Scenario", "Expect", "Reply", "Cancelled"]
        .map(|name| schema["$defs"][name]["properties"].as_object().unwrap());
    for key in keys.into_iter().flat_map(serde_json::Map::keys) {
        assert!(guide.contains(&format!("`{key}`")), "{key}");
    }
}

#[tokio::test]
async fn scenarios_from_a_file_run_and_mistakes_in_it_are_errors() {
    let folder = Chain::new().folder().unwrap();
    let file = built_in_module("retry").display().to_string();
    let own = "[[scenario]]\nname = \"mine\"\n[scenario.expect]\nasked = [\"second\"]\n";
    folder.write("own.toml", own).unwrap();
    let output = folder.arcllm(["module", "test", &file, "--scenarios", "own.toml"]).unwrap().run().await.unwrap();
    assert_eq!(output.code, 1);
    assert!(
        output.stdout.contains("failed  mine\n            It asked primary. It should have asked second."),
        "{}",
        output.stdout
    );
    folder.write("own.toml", own.replace("asked", "aksed")).unwrap();
    let output = folder.arcllm(["module", "test", &file, "--scenarios", "own.toml"]).unwrap().run().await.unwrap();
    assert_eq!(output.code, 2);
    insta::assert_snapshot!(output.stderr, @r#"
    error: own.toml: line 4: `scenario[0].expect.aksed` is not a key
      help: did you mean `asked`?
      help: docs/scenarios.md explains the format, and `arcllm module test --schema` prints its schema
    "#);
    let output = folder.arcllm(["module", "test", &file, "--scenarios", "none.toml"]).unwrap().run().await.unwrap();
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("none.toml: No such file"), "{}", output.stderr);
    let schema = folder.arcllm(["module", "test", "--schema"]).unwrap().run().await.unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema.stdout).unwrap();
    assert_eq!(schema, kit::schema());
}

#[tokio::test]
async fn the_command_reports_for_people_and_for_programs() {
    let folder = Chain::new().folder().unwrap();
    let file = built_in_module("retry").display().to_string();
    let people = folder.arcllm(["module", "test", &file]).unwrap().run().await.unwrap();
    assert_eq!(people.code, 0);
    assert!(people.stdout.trim_end().ends_with("57 passed, 0 failed"), "{}", people.stdout);
    let programs = folder.arcllm(["module", "test", "--json", &file]).unwrap().run().await.unwrap();
    let report: serde_json::Value = serde_json::from_str(&programs.stdout).unwrap();
    assert_eq!((report["kind"].as_str(), report["checks"].as_array().map(Vec::len)), (Some("retry"), Some(57)));
}

#[tokio::test]
async fn a_file_that_is_not_a_module_is_an_error() {
    let folder = Chain::new().folder().unwrap();
    let file = root().join("tests/README.md").display().to_string();
    let output = folder.arcllm(["module", "test", &file]).unwrap().run().await.unwrap();
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("is not WebAssembly"), "{}", output.stderr);
}
