//! The table of the README says what the policy does.

#[cfg(test)]
mod table;

use arcllm_module::Error;
use arcllm_retry::{Ending, Policy, Settings};

use table::{Table, api, reasons, without_status};

#[test]
fn the_table_says_what_is_tried_again() {
    let mut table = Table::read(include_str!("../../README.md"));
    let policy = Policy::new(&Settings::default());
    let is_tried_again = |error: &Error| {
        let ending = Ending::of_error(error);
        if policy.again(&ending, &[ending], 0).is_some() { "yes" } else { "no" }
    };
    for (status, reason) in (100..600).flat_map(|status| reasons().into_iter().map(move |reason| (status, reason))) {
        for (header, should_retry) in [("none", None), ("`true`", Some(true)), ("`false`", Some(false))] {
            let words = [&*status.to_string(), &*format!("`{}`", reason.as_str()), header];
            let error = api(status, reason.clone(), should_retry);
            let said = table.says(&["`api`", words[0], words[1], words[2]]);
            assert_eq!(said, [is_tried_again(&error)], "{words:?}");
        }
    }
    for (kind, error) in without_status() {
        assert_eq!(table.says(&[kind, "", "", ""]), [is_tried_again(&error)], "{kind}");
    }
    table.has_no_row_in_vain();
}
