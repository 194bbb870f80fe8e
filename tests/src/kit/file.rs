//! Reads files of scenarios, in TOML, and finds what no run can be made of.

use std::{fs::File, io::Read as _, path::Path};

use arcllm_wording::{Format, Mistake};
use serde_json::Value;

use super::{
    inner::{ERRORS, Reply},
    scenario::{Bounds, Scenario, Scenarios},
};

/// The providers of every scenario.
pub(super) const PROVIDERS: [&str; 4] = ["primary", "second", "third", "fourth"];

/// The word for any of them.
pub(super) const ANY: &str = "any";

/// The longest time in a scenario, in seconds: a year.
const LONGEST: f64 = 31_536_000.0;

/// The largest file of scenarios, in bytes.
const LARGEST: u64 = 8 << 20;

const HELP: &str = "docs/scenarios.md explains the format, and `arcllm module test --schema` prints its schema";

/// Reads a file of scenarios.
///
/// # Errors
///
/// If the file cannot be read or is malformed: its name, the line or the scenario, and what is wrong there.
pub fn read(file: &Path) -> Result<Scenarios, String> {
    let named = |problem: &dyn std::fmt::Display| format!("{}: {problem}", file.display());
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
    if read.map_err(|error| named(&error))? as u64 == LARGEST {
        return Err(named(&format!("it is larger than {} MB", LARGEST >> 20)));
    }
    parse(&text).map_err(|problem| format!("{}\n  help: {HELP}", named(&problem).trim_end()))
}

/// Reads the text of a file of scenarios.
///
/// # Errors
///
/// The line or the scenario, and what is wrong there.
pub fn parse(text: &str) -> Result<Scenarios, String> {
    let parsed: Scenarios = read_toml(text)?;
    for scenario in &parsed.scenarios {
        check(scenario).map_err(|problem| format!("scenario {:?}: {problem}", scenario.name))?;
    }
    Ok(parsed)
}

/// Reads the text as TOML. An error begins with its line.
fn read_toml(text: &str) -> Result<Scenarios, String> {
    let at = |error: &toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        before.matches('\n').count() + 1
    };
    let document = toml::Deserializer::parse(text)
        .map_err(|error| format!("line {} is not TOML: {}", at(&error), error.message()))?;
    serde_path_to_error::deserialize(document).map_err(|error| {
        let mistake = Mistake::of(error.inner().message(), Format::Toml).at(&error.path().to_string());
        format!("line {}: {mistake}", at(error.inner()))
    })
}

/// The JSON Schema of a file of scenarios.
pub fn schema() -> Value {
    schemars::schema_for!(Scenarios).to_value()
}

/// The scenarios that come with the kit.
///
/// # Errors
///
/// If a file of the kit is malformed: its name and what is wrong.
pub fn bundled() -> Result<Vec<Scenario>, String> {
    let files = [
        ("retry.toml", include_str!("../../scenarios/retry.toml")),
        ("fallback.toml", include_str!("../../scenarios/fallback.toml")),
        ("streams.toml", include_str!("../../scenarios/streams.toml")),
    ];
    let mut all = Vec::new();
    for (file, text) in files {
        all.extend(parse(text).map_err(|problem| format!("{file}: {problem}"))?.scenarios);
    }
    Ok(all)
}

fn check(scenario: &Scenario) -> Result<(), String> {
    if !scenario.chain.iter().any(|module| module == "subject") {
        return Err("`chain` does not have `subject`, the module under test".to_owned());
    }
    seconds("deadline_seconds", scenario.deadline_seconds)?;
    for (provider, replies) in &scenario.providers {
        is_provider("providers", provider)?;
        replies.iter().try_for_each(reply)?;
    }
    for (provider, delay) in &scenario.delay_seconds {
        is_provider("delay_seconds", provider)?;
        seconds("delay_seconds", *delay)?;
    }
    let expect = &scenario.expect;
    expect.asked.iter().try_for_each(|provider| is_provider("expect.asked", provider))?;
    expect.answered_by.iter().try_for_each(|provider| is_provider("expect.answered_by", provider))?;
    for cancelled in expect.cancelled.iter().flatten() {
        is_provider("expect.cancelled", &cancelled.provider)?;
        cancelled.at.map_or(Ok(()), |at| bounds("expect.cancelled", at))?;
    }
    for (key, list) in [("expect.waited", &expect.waited), ("expect.asked_at", &expect.asked_at)] {
        list.iter().flatten().try_for_each(|all| bounds(key, *all))?;
    }
    expect.took.map_or(Ok(()), |took| bounds("expect.took", took))?;
    let kinds = ERRORS.iter().copied().chain(["api", "usage"]);
    match &expect.error {
        Some(kind) if !kinds.clone().any(|known| known == kind) => Err(unknown("expect.error", kind, kinds)),
        _ => Ok(()),
    }
}

fn reply(reply: &Reply) -> Result<(), String> {
    if let Some(kind) = reply.error.as_ref().filter(|kind| !ERRORS.contains(&kind.as_str())) {
        return Err(unknown("error", kind, ERRORS.into_iter()));
    }
    let times = [
        ("retry_after_seconds", reply.retry_after_seconds),
        ("pace_seconds", Some(reply.pace_seconds)),
        ("delay_seconds", reply.delay_seconds),
    ];
    times.into_iter().try_for_each(|(key, time)| time.map_or(Ok(()), |time| seconds(key, time)))
}

fn is_provider(key: &str, name: &str) -> Result<(), String> {
    let known = PROVIDERS.into_iter().chain([ANY]);
    if known.clone().any(|known| known == name) { Ok(()) } else { Err(unknown(key, name, known)) }
}

fn bounds(key: &str, bounds: Bounds) -> Result<(), String> {
    match bounds {
        Bounds::Exactly(time) => seconds(key, time),
        Bounds::Between(from, to) if from <= to => seconds(key, from).and(seconds(key, to)),
        Bounds::Between(from, to) => Err(format!("`{key}` is from {from} to {to}; the smaller number comes first")),
    }
}

fn seconds(key: &str, seconds: f64) -> Result<(), String> {
    match (0.0..=LONGEST).contains(&seconds) {
        true => Ok(()),
        false => Err(format!("`{key}` is {seconds}; expected seconds, from 0 to {LONGEST}")),
    }
}

fn unknown<'a>(key: &str, word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.map(|known| format!("`{known}`")).collect();
    format!("`{key}` has `{word}`; expected one of {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(lines: &str) -> String {
        let text = format!("[[scenario]]\nname = \"a\"\n{lines}");
        parse(&text).map_or_else(|problem| problem, |_| String::new())
    }

    #[test]
    fn what_no_run_can_be_made_of_is_refused() {
        let expect = "[scenario.expect]\nasked = [\"primary\"]\n";
        assert_eq!(problem(&format!("delay_seconds = {{ any = 1, second = 0.5 }}\n{expect}took = [0, 1]")), "");
        let refused = [
            ("providers.fith = []\n", "", "`providers` has `fith`; expected one of `primary`, `second`"),
            (
                "providers.second = [{ error = \"conection\" }]\n",
                "",
                "`error` has `conection`; expected one of `connection`",
            ),
            ("providers.second = [{ delay_seconds = -1 }]\n", "", "`delay_seconds` is -1; expected seconds, from 0"),
            ("providers.second = [{ pace_seconds = nan }]\n", "", "`pace_seconds` is NaN"),
            ("providers.second = [{ retry_after_seconds = inf }]\n", "", "`retry_after_seconds` is inf"),
            ("delay_seconds = { second = 1e300 }\n", "", "`delay_seconds` is 1000"),
            ("deadline_seconds = -5\n", "", "`deadline_seconds` is -5"),
            ("chain = [\"retry\"]\n", "", "`chain` does not have `subject`"),
            ("", "error = \"apy\"", "`expect.error` has `apy`"),
            ("", "took = [2, 1]", "`expect.took` is from 2 to 1; the smaller number comes first"),
            ("", "asked_at = [-1]", "`expect.asked_at` is -1"),
            ("", "cancelled = [{ provider = \"none\" }]", "`expect.cancelled` has `none`"),
        ];
        for (head, tail, says) in refused {
            let problem = problem(&format!("{head}{expect}{tail}"));
            assert!(problem.starts_with(&format!("scenario \"a\": {says}")), "{head}{tail}: {problem}");
        }
    }

    #[test]
    fn what_does_not_fit_is_said_in_plain_words_with_its_line() {
        let expect = "[scenario.expect]\nasked = [\"primary\"]\n";
        for (lines, says) in [
            (format!("chain = 5\n{expect}"), "line 3: `scenario[0].chain` is the number 5\n  help: a list"),
            (
                format!("deadline_seconds = \"soon\"\n{expect}"),
                "line 3: `scenario[0].deadline_seconds` is the text \"soon\"\n  help: a number",
            ),
            (
                format!("chian = []\n{expect}"),
                "line 3: `scenario[0].chian` is not a key\n  help: did you mean `chain`?",
            ),
            ("chain = [\n".to_owned(), "line 3 is not TOML: "),
        ] {
            let problem = problem(&lines);
            assert!(problem.starts_with(says), "{lines}: {problem}");
        }
    }
}
