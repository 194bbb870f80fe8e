//! The conformance kit passes modules that conform, and finds what others do wrong.

use arcllm_conformance::kit::{self, Report, Scenario, Scenarios};
use serde_json::{Map, json};

use crate::{
    strangers::stage::with,
    support::{Chain, Folder, built_in_module, root, test_module},
};

fn scenarios(toml: &str) -> Vec<Scenario> {
    toml::from_str::<Scenarios>(toml).unwrap().scenarios
}

fn failed(report: &Report) -> Vec<&str> {
    let failed = report.checks.iter().filter(|check| !check.differences.is_empty());
    failed.map(|check| check.name.as_str()).collect()
}

#[test]
fn the_built_in_modules_conform() {
    for (name, scenarios) in [
        ("retry", 39),
        ("fallback", 29),
        ("chaos", 11),
        ("rate-limit", 14),
        ("circuit-breaker", 16),
        ("telemetry", 11),
        ("redact", 15),
    ] {
        let mut all = kit::bundled().unwrap();
        let own = root().join(format!("modules/{name}/scenarios.toml"));
        if own.exists() {
            all.extend(kit::read(&own).unwrap());
        }
        let report = kit::test(&built_in_module(name), &Map::new(), &all).unwrap();
        assert_eq!(failed(&report), [""; 0], "{report:#?}");
        let kinds = [
            ("rate-limit", "limiter"),
            ("circuit-breaker", "breaker"),
            ("telemetry", "observer"),
            ("redact", "transformer"),
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
        ("swallows-errors", "every error comes back unchanged", "became an answer"),
        ("swallows-errors", "exhausted, the last error comes back unchanged", "ended with an answer of primary"),
        ("retries400", "the error of a wrong request passes through at once", "expected [\"primary\"]"),
        (
            "ignores-hints",
            "a hint is the shortest wait, and jitter is added",
            "expected [Exactly(0.0), Between(7.5, 8.5)]",
        ),
        ("asks-twice", "a good answer is returned and nothing is asked again", "expected [\"primary\"]"),
        ("traps-on-nothing", "odd requests", "no messages: primary: the module `subject` failed"),
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
    assert!(check.differences.iter().any(|told| told == "status 503: 4 requests were sent, expected 1"), "{report:#?}");
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
    let keys = ["Scenario", "Expect", "Reply"].map(|name| schema["$defs"][name]["properties"].as_object().unwrap());
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
        output.stdout.contains("failed  mine\n            asked [\"primary\"], expected [\"second\"]"),
        "{}",
        output.stdout
    );
    folder.write("own.toml", own.replace("asked", "aksed")).unwrap();
    let output = folder.arcllm(["module", "test", &file, "--scenarios", "own.toml"]).unwrap().run().await.unwrap();
    assert_eq!(output.code, 2);
    insta::assert_snapshot!(output.stderr, @r#"
    error: own.toml: TOML parse error at line 4, column 1
      |
    4 | aksed = ["second"]
      | ^^^^^
    unknown field `aksed`, expected one of `asked`, `waited`, `answered_by`, `error`, `status`, `message`, `sent`, `text`, `tool_arguments`, `pieces`, `took`
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
