//! The names of faults: in scripts, in errors and in the documentation.

use std::collections::HashSet;

use arcllm_simulator::{Fault, Reply, Script};
use serde_json::json;

#[test]
fn every_fault_has_a_name_of_its_own() {
    let calls = "tool_calls = [{ id = 'a', name = 'f' }, { id = 'b', name = 'g' }]";
    let reply = || Reply::default().tool_call("a", "f", json!({})).tool_call("b", "g", json!({}));
    for fault in Fault::ALL {
        let script: Script = format!("[[reply]]\n{calls}\nfault = '{}'", fault.name()).parse().unwrap();
        assert_eq!(script, Script::new([reply().with_fault(*fault)]));
        assert!(Reply::fault(*fault).to_string().ends_with(fault.name()));
    }
    let names: HashSet<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    assert_eq!(names.len(), Fault::ALL.len());
}

#[test]
fn an_unknown_name_shows_the_nearest() {
    for (name, nearest) in [
        ("rset", "did you mean `reset`?"),
        ("no-don", "did you mean `no-done`?"),
        ("interleaved-toolcalls", "did you mean `interleaved-tool-calls`?"),
        ("tool_calls_without_index", "did you mean `tool-calls-without-index`?"),
        ("mull-body", "did you mean"),
    ] {
        let error = name.parse::<Fault>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("unknown fault `{name}`: {nearest}")), "{error}");
        let error = format!("[[reply]]\nfault = '{name}'").parse::<Script>().unwrap_err().to_string();
        assert!(error.starts_with("script:2: `reply[0].fault`: ") && error.contains(nearest), "{error}");
    }
}

#[test]
fn a_fault_that_would_not_show_is_refused() {
    for (reply, says) in [
        ("fault = 'tool-name-in-pieces'", "the fault `tool-name-in-pieces` needs `tool_calls`: add 1 or more, not 0"),
        (
            "fault = 'interleaved-tool-calls'\ntool_calls = [{ name = 'f' }]",
            "the fault `interleaved-tool-calls` needs `tool_calls`: add 2 or more, not 1",
        ),
        (
            "fault = 'html-body'\nbody = 'x'",
            "the fault `html-body` changes an answer, and the script gives the body: keep one",
        ),
        ("fault = 'no-done'\nevents = []", "keep one"),
        ("fault = 'no-done'\nfault_at = { byte = 1 }", "`no-done` has no place there"),
    ] {
        let error = format!("[[reply]]\n{reply}").parse::<Script>().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
