//! The table of the README says what the policy does.

#[cfg(test)]
#[path = "../../retry/tests/readme/table.rs"]
mod table;

use arcllm_fallback::{Answer, Next, Policy, ReasonWord, Settings};
use arcllm_module::{HttpStatus, types::StopReason};

use table::{Table, api, reasons, without_status};

/// What the table says of this.
fn words(next: Next) -> &'static str {
    match next {
        Next::Return => "no",
        Next::Another => "yes",
        Next::Larger => "yes, unless its known window is not larger",
    }
}

/// The settings with this one set, so that it applies to the status and the reason.
#[cfg(test)]
fn with(setting: &str, status: u16, reason: ReasonWord) -> Policy {
    let mut settings = Settings::default();
    match setting {
        "`except_status_codes`" => settings.except_status_codes = vec![HttpStatus::new(status)],
        "`except_reasons`" => settings.except_reasons = vec![reason],
        "`on_empty`" => settings.on_empty = true,
        "`on_refusal`" => settings.on_refusal = true,
        "`on_content_filter`" => settings.on_content_filter = true,
        "`on_truncated`" => settings.on_truncated = true,
        other => panic!("{other} is no setting"),
    }
    Policy::new(settings)
}

#[test]
fn the_table_says_after_what_another_is_asked() {
    let mut table = Table::read(include_str!("../README.md"));
    let default = Policy::new(Settings::default());
    for (status, reason) in (100..600).flat_map(|status| reasons().into_iter().map(move |reason| (status, reason))) {
        let error = api(status, reason.clone(), Some(false));
        let said = table.says(&["`api`", &status.to_string(), &format!("`{}`", reason.as_str())]);
        assert_eq!(said[0], words(default.after_error(&error)), "{status} {reason:?}");
        assert_eq!(said[1], "`except_status_codes`, `except_reasons`");
        for setting in said[1].split(", ") {
            let changed = with(setting, status, ReasonWord::from(&reason));
            assert_eq!(changed.after_error(&error), Next::Return, "{setting} {status} {reason:?}");
        }
    }
    for (kind, error) in without_status() {
        // Not told apart: what cannot be read is a failure, whatever it is.
        let kind = kind.trim_end_matches(", no answer");
        assert_eq!(table.says(&[kind, "", ""]), [words(default.after_error(&error)), ""], "{kind}");
    }
    let full = StopReason::Other("model_context_window_exceeded".to_owned());
    for (kind, stop, said) in [
        ("an empty answer", StopReason::EndTurn, (0, 0)),
        ("an answer that declines", StopReason::Refusal, (5, 0)),
        ("an answer that a filter stopped", StopReason::ContentFilter, (5, 0)),
        ("an answer that is cut", StopReason::MaxTokens, (5, 0)),
        ("an answer that filled the window", full, (5, 0)),
        ("any other answer", StopReason::EndTurn, (5, 0)),
        ("any other answer", StopReason::ToolUse, (0, 1)),
        ("any other answer", StopReason::PauseTurn, (0, 0)),
    ] {
        let answer = Answer { stop: Some(stop), said: Some(said) };
        assert_eq!(default.after_answer(&answer), Next::Return, "{kind}");
        let row = table.says(&[kind, "", ""]);
        if row[1].is_empty() {
            assert_eq!(row[0], "no", "{kind}");
            continue;
        }
        assert_eq!(row[0], "no", "{kind}");
        assert_ne!(with(&row[1], 0, ReasonWord::Other).after_answer(&answer), Next::Return, "{kind}");
    }
    table.has_no_row_in_vain();
}
