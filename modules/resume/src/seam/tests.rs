use proptest::prelude::*;

use super::*;

/// Text of the usual kinds: sentences, a list, code, a table, JSON, other scripts.
const TEXT: &str = "The quick brown fox jumps over the lazy dog, and Zoë — 日本語も — writes it down. \n\n1. First, an item\n2. Second, \
                    another item\n\n```rust\nfn main() {\n    println!(\"hi\");\n    println!(\"there\");\n}\n```\n\n| a | b |\n|---|---|\n\
                    | 1 | 2 |\n| 1 | 3 |\n| 1 | 4 |\n\n{\"items\": [1, 11, 111], \"name\": \"aaa\"} ------------ That is all there is to say.";

/// The text before, with what the seam hands out of the text after it. `end` ends the seam.
fn across(before: &str, after: &str, piece: usize, asked: Asked, end: impl Fn(&mut Seam) -> String) -> String {
    let (mut seam, mut rest, mut joined) = (Seam::new(before.to_owned(), asked), after, before.to_owned());
    while !rest.is_empty() {
        let (piece, then) = rest.split_at(rest.ceil_char_boundary(piece));
        joined += &seam.add(piece);
        rest = then;
    }
    joined + &end(&mut seam)
}

fn joined(before: &str, after: &str, piece: usize, asked: Asked) -> String {
    across(before, after, piece, asked, Seam::end)
}

fn cuts() -> impl Iterator<Item = usize> {
    (1..TEXT.len()).filter(|at| TEXT.is_char_boundary(*at))
}

#[test]
fn a_model_that_goes_on_exactly_is_left_alone_wherever_the_text_was_cut() {
    for at in cuts() {
        let (before, after) = TEXT.split_at(at);
        for piece in [1, 7, 1000] {
            assert_eq!(joined(before, after, piece, Asked::WithInstruction), TEXT, "cut at {at}");
            // It did not see the white space at the end.
            let seen = before.trim_end().len();
            assert_eq!(joined(before, TEXT.get(seen..).unwrap(), piece, Asked::WithPrefix), TEXT, "cut at {at}");
        }
    }
}

#[test]
fn what_is_repeated_is_left_out_wherever_the_text_was_cut() {
    // Before the code: what stands there twice may stand there again.
    for at in cuts().filter(|at| *at > 30 && *at < 180) {
        let (before, _) = TEXT.split_at(at);
        for back in [12, 20, 30] {
            let from = TEXT.floor_char_boundary(at - back);
            let again = TEXT.get(from..).unwrap();
            assert_eq!(joined(before, again, 5, Asked::WithInstruction), TEXT, "cut at {at}, {back} again");
            let introduced = format!("Sure, continuing: {}", TEXT.get(TEXT.floor_char_boundary(at - 30)..).unwrap());
            assert_eq!(joined(before, &introduced, 5, Asked::WithInstruction), TEXT, "cut at {at}, introduced");
        }
    }
}

#[test]
fn a_model_that_begins_from_the_start_is_followed_to_the_cut() {
    for at in cuts() {
        let (before, _) = TEXT.split_at(at);
        assert_eq!(joined(before, TEXT, 9, Asked::WithInstruction), TEXT, "cut at {at}");
    }
    for at in cuts().filter(|at| *at > 2 * REPEATED_LATER) {
        let (before, again) = (TEXT.get(..at).unwrap(), format!("Sure, once more from the start: {TEXT}"));
        assert_eq!(joined(before, &again, 9, Asked::WithInstruction), TEXT, "cut at {at}");
    }
    let long: String = (0..4000).map(|number| format!("Line {number} of many.\n")).collect();
    let cut = long.floor_char_boundary(long.len() - 5);
    assert_eq!(joined(long.get(..cut).unwrap(), &long, 50, Asked::WithInstruction), long);
}

/// The text of a model that says this and breaks off, behind what was handed out before.
fn broken(before: &str, after: &str, piece: usize, asked: Asked) -> String {
    across(before, after, piece, asked, Seam::broken)
}

#[test]
fn a_model_that_begins_again_and_breaks_off_doubles_nothing() {
    for (first, second) in cuts().step_by(7).flat_map(|first| cuts().step_by(5).map(move |second| (first, second))) {
        let before = TEXT.get(..first).unwrap();
        for (own, asked) in
            [("", Asked::WithInstruction), ("", Asked::WithPrefix), ("Sure, here it is: ", Asked::WithInstruction)]
        {
            // Of words of its own with next to nothing behind them nobody can tell that they are its own.
            if !own.is_empty() && first.min(second) < REPEATED_LATER {
                continue;
            }
            // After a prefix it goes on, and repeats nothing as a rule.
            let (from, second) =
                if asked == Asked::WithPrefix { (first, (first + second).min(TEXT.len())) } else { (0, second) };
            let Some(said) = TEXT.get(from..second) else { continue };
            let two = broken(before, &format!("{own}{said}"), 5, asked);
            assert!(TEXT.starts_with(&two), "cut at {first} and {second}: {two}");
            assert_eq!(joined(&two, TEXT, 5, Asked::WithInstruction), TEXT, "cut at {first} and {second}");
        }
    }
}

#[test]
fn a_model_that_begins_again_and_ends_early_adds_nothing() {
    for (first, second) in cuts().step_by(7).flat_map(|first| cuts().step_by(5).map(move |second| (first, second))) {
        if second >= REPEATED_LATER && second < first {
            let (before, again) = (TEXT.get(..first).unwrap(), TEXT.get(..second).unwrap());
            assert_eq!(joined(before, again, 5, Asked::WithInstruction), before, "cut at {first} and {second}");
        }
    }
}

#[test]
fn the_last_word_may_come_again_and_a_space_is_not_doubled() {
    let join = |before: &str, after: &str| joined(before, after, 3, Asked::WithInstruction);
    assert_eq!(join("The quick brown", "brown fox"), "The quick brown fox");
    assert_eq!(join("The quick bro", "brown fox"), "The quick brown fox");
    assert_eq!(join("The quick ", " brown fox"), "The quick brown fox");
    assert_eq!(join("He had had", " had enough"), "He had had had enough");
    assert_eq!(join("a\n", "\n- b"), "a\n\n- b");
    assert_eq!(join("-----", "-----\n"), "----------\n");
    assert_eq!(join("ab", ""), "ab");
    let after_prefix = |before: &str, after: &str| joined(before, after, 3, Asked::WithPrefix);
    assert_eq!(after_prefix("One\n\n", "\n\nTwo"), "One\n\nTwo");
    assert_eq!(after_prefix("One\n", "\n\nTwo"), "One\n\nTwo");
    assert_eq!(after_prefix("One ", "Two"), "One Two");
    assert_eq!(after_prefix("so", "so-so"), "soso-so");
}

proptest! {
    #[test]
    fn nothing_is_lost_but_what_stands_before(before in "[ab \n]{0,60}", after in "[ab \n]{0,600}", piece in 1..40_usize) {
        for asked in [Asked::WithPrefix, Asked::WithInstruction] {
            let joined = joined(&before, &after, piece, asked);
            let rest = joined.strip_prefix(&*before).unwrap();
            prop_assert!(after.ends_with(rest), "{joined:?}");
        }
    }

    #[test]
    fn any_pieces_of_any_text_are_joined(before: String, after: String, piece in 1..9_usize) {
        let joined = joined(&before, &after, piece, Asked::WithInstruction);
        prop_assert!(joined.starts_with(&before) && after.ends_with(joined.strip_prefix(&*before).unwrap()));
    }
}
