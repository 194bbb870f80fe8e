use proptest::prelude::*;

use super::*;
use crate::{Pieces, Settings, find, find::tests::texts, placeholders::MOST};

fn policy() -> Policy {
    let patterns = [("ticket-no".to_owned(), "T-[0-9]+".to_owned())].into();
    Policy::new(&Settings { patterns, ..Settings::default() })
}

fn redacted_by(policy: &Policy, text: &str) -> (String, Placeholders) {
    let mut placeholders = Placeholders::default();
    placeholders.avoid(text);
    let mut rewriter = Rewriter { policy, placeholders: &mut placeholders, known: &Known::default() };
    let redacted = rewriter.text(text).unwrap_or_else(|| text.to_owned());
    (redacted, placeholders)
}

fn redacted(text: &str) -> (String, Placeholders) {
    redacted_by(&policy(), text)
}

fn restored(text: &str, placeholders: &mut Placeholders) -> Option<String> {
    let known = placeholders.known();
    Rewriter { policy: &Policy::nothing(), placeholders, known: &known }.text(text)
}

#[test]
fn the_same_value_has_the_same_placeholder() {
    let (text, mut placeholders) = redacted("a@b.com, c@d.org, a@b.com: T-17, 10.0.0.1");
    assert_eq!(text, "[EMAIL_1], [EMAIL_2], [EMAIL_1]: [TICKET_NO_1], [IP_1]");
    let back = restored("To [EMAIL_2] and [EMAIL_9]", &mut placeholders);
    assert_eq!(back.as_deref(), Some("To c@d.org and [EMAIL_9]"));
}

#[test]
fn a_text_of_the_caller_that_looks_like_a_placeholder_is_no_placeholder() {
    let (text, _) = redacted("[EMAIL_1] is not a@b.com");
    assert_eq!(text, "[EMAIL_1] is not [EMAIL_2]");
}

#[test]
fn json_stays_json() {
    let (policy, mut placeholders) = (policy(), Placeholders::default());
    let mut rewriter = Rewriter { policy: &policy, placeholders: &mut placeholders, known: &Known::default() };
    let changed = rewriter.arguments(r#"{"to": ["a@b.com", 4111111111111111], "a@b.com": "\"x\" 10.0.0.1"}"#);
    assert_eq!(changed.as_deref(), Some(r#"{"to":["[EMAIL_1]",4111111111111111],"a@b.com":"\"x\" [IP_1]"}"#));
    assert_eq!(rewriter.arguments("not json a@b.com").as_deref(), Some("not json [EMAIL_1]"));
    assert_eq!(rewriter.arguments(r#"{"to": "nobody"}"#), None);
}

#[test]
fn too_many_values_share_a_placeholder() {
    let text: String = (0..MOST + 2).map(|number| format!("{number}@b.com ")).collect();
    let (text, mut placeholders) = redacted(&text);
    assert!(text.ends_with(&format!("[EMAIL_{MOST}] [EMAIL] [EMAIL] ")), "{}", &text[text.len() - 60..]);
    assert_eq!(redacted("0@b.com").0, "[EMAIL_1]");
    assert_eq!(restored("[EMAIL] [EMAIL_1]", &mut placeholders).as_deref(), Some("[EMAIL] 0@b.com"));
}

#[test]
fn a_pattern_that_begins_first_wins_and_a_finding_may_follow_it() {
    let patterns = [("word".to_owned(), "foo".to_owned()), ("longer".to_owned(), "ab@c.org!".to_owned())].into();
    let policy = Policy::new(&Settings { patterns, ..Settings::default() });
    for (text, expected) in [
        ("foojane@x.com", "[EMAIL_1]"),
        ("xfoojane@x.com", "[EMAIL_1]"),
        ("1 foojane.", "1 [WORD_1]jane."),
        (".foo+49 30 12345678", ".[WORD_1][PHONE_1]"),
        ("foo+49 30 12345678+49 30 12345678+49 30 12345678. a@b.com", "[WORD_1][PHONE_1][PHONE_1][PHONE_1]. [EMAIL_1]"),
        ("4111111111111111foo 1.2.3.4foo1.2.3.4", "4111111111111111[WORD_1] 1.2.3.4[WORD_1][IP_1]"),
        ("foo1.2.3.4 foo1.2.3.4 a@b.com", "[WORD_1][IP_1] [WORD_1][IP_1] [EMAIL_1]"),
        ("ab@c.org!", "[LONGER_1]"),
        ("ab@c.org?", "[EMAIL_1]?"),
    ] {
        assert_eq!(redacted_by(&policy, text).0, expected, "{text}");
    }
}

/// Cuts a text into pieces.
pub(crate) fn cut<'a>(text: &'a str, ends: &[prop::sample::Index]) -> Vec<&'a str> {
    let mut ends: Vec<usize> = ends.iter().map(|end| text.floor_char_boundary(end.index(text.len() + 1))).collect();
    ends.sort_unstable();
    ends.push(text.len());
    let mut start = 0;
    ends.into_iter().map(|end| &text[std::mem::replace(&mut start, end)..end]).collect()
}

/// Rewrites an answer that comes in pieces. Also returns the most bytes that were held back.
fn in_pieces(policy: &Policy, known: &Known, pieces: Vec<&str>) -> (String, usize) {
    let mut placeholders = Placeholders::default();
    let mut rewriter = Rewriter { policy, placeholders: &mut placeholders, known };
    let (mut text, mut rewritten, mut held) = (Pieces::default(), String::new(), 0);
    for piece in pieces {
        rewritten.push_str(&text.add(piece, &mut rewriter));
        held = held.max(text.held());
    }
    rewritten.push_str(&text.end(&mut rewriter));
    (rewritten, held)
}

/// Rewrites an answer that comes whole.
fn at_once(policy: &Policy, known: &Known, text: &str) -> String {
    let mut placeholders = Placeholders::default();
    let rewritten = Rewriter { policy, placeholders: &mut placeholders, known }.text(text);
    rewritten.unwrap_or_else(|| text.to_owned())
}

fn policies() -> impl Strategy<Value = (Policy, usize)> {
    let policy = |patterns: &[(&str, &str)]| {
        let patterns = patterns.iter().map(|(name, pattern)| ((*name).to_owned(), (*pattern).to_owned())).collect();
        Policy::new(&Settings { patterns, ..Settings::default() })
    };
    let bounded = [("a", "a1{1,3}"), ("b", r"\b[0-9]{2}\b|^[a-c]|(?m:-$)"), ("c", "[A-Z] ?[0-9@]")];
    prop_oneof![
        Just((policy(&[]), find::LONGEST)),
        Just((policy(&bounded), 512)),
        Just((policy(&[("all", "1[^a]*a"), ("word", "[a-z]+")]), usize::MAX)),
    ]
}

proptest! {
    #[test]
    fn a_text_in_pieces_becomes_the_same_as_the_whole_text(
        (policy, most) in policies(), text in texts(), odd in "\\PC{0,8}", asked in texts(), restore: bool,
        ends in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        // A part of the request that the answer repeats.
        let (asked, placeholders) = redacted_by(&policy, &asked);
        let known = if restore { placeholders.known() } else { Known::default() };
        let text = format!("{text}{odd}{asked}");
        let (rewritten, held) = in_pieces(&policy, &known, cut(&text, &ends));
        prop_assert_eq!(rewritten, at_once(&policy, &known, &text));
        prop_assert!(held <= most, "{} bytes were held back", held);
    }

    #[test]
    fn character_by_character_too((policy, most) in policies(), text in texts()) {
        let characters = text.split("").collect();
        let (rewritten, held) = in_pieces(&policy, &Known::default(), characters);
        prop_assert_eq!(rewritten, at_once(&policy, &Known::default(), &text));
        prop_assert!(held <= most, "{} bytes were held back", held);
    }

    #[test]
    fn a_redacted_text_has_nothing_more_to_redact(text in texts()) {
        let policy = Policy::new(&Settings::default());
        let redacted = at_once(&policy, &Known::default(), &text);
        prop_assert_eq!(at_once(&policy, &Known::default(), &redacted), redacted, "{}", text);
    }
}

fn personal() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}@[a-z]{1,8}\\.(com|org)",
        Just("4111 1111 1111 1111".to_owned()),
        Just("DE89370400440532013000".to_owned()),
        Just("+49 30 12345678".to_owned()),
        Just("078-05-1120".to_owned()),
    ]
}

proptest! {
    #[test]
    fn nothing_personal_is_left_and_all_comes_back(
        parts in prop::collection::vec((personal(), "[ é☎.,;:!?\\[\\]A-Z_0-9]{0,12}"), 0..6), text in "\\PC{0,40}",
    ) {
        let mut whole = text;
        for (data, between) in &parts {
            whole.push_str(" <");
            whole.push_str(data);
            whole.push_str("> ");
            whole.push_str(between);
        }
        let (redacted, mut placeholders) = redacted(&whole);
        for (data, _) in &parts {
            prop_assert!(!redacted.contains(data.as_str()), "{data} in {redacted}");
        }
        let back = restored(&redacted, &mut placeholders).unwrap_or_else(|| redacted.clone());
        prop_assert_eq!(back, whole);
        // A redacted text has nothing more to redact.
        prop_assert_eq!(redacted_by(&policy(), &redacted).0, redacted);
    }
}

proptest! {
    #[test]
    fn a_text_that_is_skipped_has_nothing_to_find(text in texts(), other in "[^0-9@]*") {
        let policy = Policy::new(&Settings::default());
        let (mut placeholders, known) = (Placeholders::default(), Known::default());
        let mut rewriter = Rewriter { policy: &policy, placeholders: &mut placeholders, known: &known };
        for text in [text, other] {
            let mut found = false;
            rewriter.replace((&text, true), (0, false), |_, _| found = true);
            prop_assert!(!found || !rewriter.has_nothing(&text), "{text:?}");
        }
    }
}
