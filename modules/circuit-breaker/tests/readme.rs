//! The table of the README says what the policy does.

#[cfg(test)]
#[path = "../../retry/tests/readme/table.rs"]
mod table;

use arcllm_circuit_breaker::{Policy, Settings, Sign};

use table::{Table, api, reasons, without_status};

fn words(sign: Sign) -> &'static str {
    match sign {
        Sign::Alive => "that it is up",
        Sign::Failed => "a failure",
        Sign::None => "nothing",
    }
}

#[test]
fn the_table_says_what_each_end_shows() {
    let mut table = Table::read(include_str!("../README.md"));
    let policy = Policy::new(Settings::default());
    for (status, reason) in (100..600).flat_map(|status| reasons().into_iter().map(move |reason| (status, reason))) {
        let said = table.says(&["`api`", &status.to_string(), &format!("`{}`", reason.as_str())]);
        let sign = policy.sign(&api(status, reason.clone(), Some(true)));
        assert_eq!(said, [words(sign)], "{status} {reason:?}");
    }
    for (kind, error) in without_status() {
        let kind = kind.trim_end_matches(", no answer");
        assert_eq!(table.says(&[kind, "", ""]), [words(policy.sign(&error))], "{kind}");
    }
    table.has_no_row_in_vain();
}
