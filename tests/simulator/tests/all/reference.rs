//! `docs/simulate.md` has each key and each fault of a script, and no others.

use arcllm_simulator::{Fault, Script};

const REFERENCE: &str = include_str!("../../../../docs/simulate.md");

/// The first column of the table with this head.
fn keys(head: &str) -> Vec<&'static str> {
    let rows = REFERENCE.lines().skip_while(|line| *line != head).skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).unwrap()).collect()
}

/// The section below this heading, up to the next one.
fn section(heading: &str) -> &'static str {
    let text = REFERENCE.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    text.split("\n## ").next().unwrap()
}

/// The keys that a script can have where this one has a key that nobody knows.
fn known(script: &str) -> Vec<String> {
    let error = script.parse::<Script>().unwrap_err().to_string();
    let known = error.split("known are ").nth(1).unwrap();
    // The old name of `message`.
    known.split(", ").filter(|key| *key != "error").map(str::to_owned).collect()
}

fn sorted(mut keys: Vec<impl Into<String> + Ord>) -> Vec<String> {
    keys.sort();
    keys.into_iter().map(Into::into).collect()
}

#[test]
fn it_has_every_key() {
    let of = |section: &str, head: &str| {
        let text = self::section(section);
        assert!(text.contains(head), "{section}");
        keys(head)
    };
    assert_eq!(sorted(of("The script", "| key | default | |")), sorted(known("zzzzzzzz = 1")));
    let reply: Vec<&str> = {
        let rows = section("A reply").lines().skip_while(|line| *line != "| key | default | |").skip(2);
        rows.take_while(|line| line.starts_with('|')).map(|row| row.split('`').nth(1).unwrap()).collect()
    };
    assert_eq!(sorted(reply), sorted(known("[[reply]]\nzzzzzzzz = 1")));
    assert_eq!(sorted(of("A reply", "| key of `usage` | |")), sorted(known("[[reply]]\nusage = { zzzzzzzz = 1 }")));
}

/// The words for a key stand in its row.
#[test]
fn it_has_every_word() {
    for (key, script) in [
        ("then", "then = 'zzzzzzzz'"),
        ("line_end", "[[reply]]\nline_end = 'zzzzzzzz'"),
        ("fault_at", "[[reply]]\nfault_at = 'zzzzzzzzzzzz'"),
        ("tool_calls", "[[reply]]\ntool_calls = [{ zzzzzzzzzzzz = 1 }]"),
    ] {
        let row = REFERENCE.lines().find(|line| line.starts_with(&format!("| `{key}` |"))).unwrap();
        for word in known(script) {
            assert!(row.contains(&word), "{key}: {word}");
        }
    }
}

#[test]
fn it_has_every_fault() {
    let rows: Vec<_> = section("Faults").lines().skip_while(|line| *line != "| fault | |").skip(2).collect();
    let expected = Fault::ALL.iter().map(|fault| format!("| `{}` | {} |", fault.name(), fault.description()));
    assert_eq!(rows, expected.collect::<Vec<_>>());
}

#[test]
fn its_scripts_are_scripts() {
    let blocks: Vec<&str> =
        REFERENCE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 2);
    let outage = REFERENCE.split("outage.toml <<'END'\n").nth(1).unwrap().split("END").next().unwrap();
    for script in blocks.into_iter().chain([outage]) {
        assert_ne!(script.parse::<Script>().unwrap(), Script::default(), "{script}");
    }
}

#[test]
fn the_old_name_of_a_message_is_read() {
    let parse = |key: &str| format!("[[reply]]\nstatus = 500\n{key} = 'No.'").parse::<Script>();
    assert_eq!(parse("error").unwrap(), parse("message").unwrap());
    assert!("[[reply]]\nerror = 'a'\nmessage = 'b'".parse::<Script>().is_err());
}
