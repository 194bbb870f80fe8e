use std::ops::Range;

use proptest::prelude::*;

use super::LONGEST;
use crate::{
    Kind, Known, Policy, Settings,
    search::{Finding, Next, Search},
};

/// Finds all personal data in a text.
fn all(text: &str) -> Vec<(Kind, &str)> {
    let found = search(text).0.into_iter();
    found.map(|(range, kind)| (kind, &text[range])).collect()
}

/// Searches a text. Also returns how often a character was looked at.
fn search(text: &str) -> (Vec<(Range<usize>, Kind)>, usize) {
    let (policy, known) = (Policy::new(&Settings::default()), Known::default());
    let mut search = Search::new(&policy, &known, (text, true), (0, false));
    let mut found = Vec::new();
    while let Next::Found(range, what) = search.next() {
        let Finding::Kind(kind) = what else { panic!("{what:?}") };
        found.push((range, kind));
    }
    (found, search.text.looks.get())
}

#[test]
fn personal_data_is_found() {
    for (kind, data) in [
        (Kind::Email, "jane.doe+news@mail.example.co.uk"),
        (Kind::Iban, "DE89 3704 0044 0532 0130 00"),
        (Kind::Iban, "GB82WEST12345698765432"),
        (Kind::Card, "4111 1111 1111 1111"),
        (Kind::Card, "378282246310005"),
        (Kind::Ssn, "078-05-1120"),
        (Kind::Ip, "192.168.0.254"),
        (Kind::Phone, "+49 (30) 1234-5678"),
        (Kind::Phone, "(555) 123-4567"),
        (Kind::Phone, "030 1234567"),
    ] {
        for text in [data.to_owned(), format!("é{data}."), format!("Write to <{data}>, now"), format!("({data}) ☎")]
        {
            let found = all(&text);
            assert!(found.contains(&(kind, data)), "{text}: {found:?}");
        }
    }
}

#[test]
fn similar_texts_are_not_found() {
    for text in [
        "a@b",
        "@example.com",
        "a@.com",
        "user@host",
        "4111 1111 1111 1112",
        "DE88370400440532013000",
        "1.2.3.4.5",
        "256.1.1.1",
        "v192.168.0.1x",
        "2024-01-02",
        "12345",
        "1234567890123",
        "order 100-20-300",
        "x078-05-1120",
        "3.14159",
        "0000000000000000",
    ] {
        assert_eq!(all(text), [], "{text}");
    }
}

#[test]
fn a_following_number_hides_nothing() {
    for (text, expected) in [
        // A card and its expiry date.
        ("4111 1111 1111 1111 12/27", vec![(Kind::Card, "4111 1111 1111 1111")]),
        (
            "4111-1111-1111-1111 5500-0000-0000-0004",
            vec![(Kind::Card, "4111-1111-1111-1111"), (Kind::Card, "5500-0000-0000-0004")],
        ),
        ("4111 1111 1111 1111 555-123-4567", vec![(Kind::Card, "4111 1111 1111 1111"), (Kind::Phone, "555-123-4567")]),
        (
            "3782 822463 10005 4111111111111111 1",
            vec![(Kind::Card, "3782 822463 10005"), (Kind::Card, "4111111111111111")],
        ),
        ("+49 30 12345678 2024-01-02", vec![(Kind::Phone, "+49 30 12345678")]),
        ("+49 30 12345678 192.168.0.1", vec![(Kind::Phone, "+49 30 12345678"), (Kind::Ip, "192.168.0.1")]),
        (
            "+1 555 123 4567 4111 1111 1111 1111",
            vec![(Kind::Phone, "+1 555 123 4567"), (Kind::Card, "4111 1111 1111 1111")],
        ),
        ("+4111 1111 1111 1111", vec![(Kind::Card, "4111 1111 1111 1111")]),
        ("4111 1111 1111 1111-078-05-1120", vec![(Kind::Card, "4111 1111 1111 1111"), (Kind::Ssn, "078-05-1120")]),
        ("a@b.cé4111111111111111", vec![(Kind::Email, "a@b.cé"), (Kind::Card, "4111111111111111")]),
        ("jane@example.com...and", vec![(Kind::Email, "jane@example.com")]),
        ("jane@example.com-based", vec![(Kind::Email, "jane@example.com")]),
        ("jane@example.com@b.org", vec![(Kind::Email, "jane@example.com")]),
        ("(555) 123-4567.jane@ex.com", vec![(Kind::Phone, "(555) 123-4567"), (Kind::Email, "jane@ex.com")]),
    ] {
        assert_eq!(all(text), expected, "{text}");
    }
}

#[test]
fn spaces_hyphens_and_letters_of_unicode_are_known() {
    for (kind, data) in [
        (Kind::Card, "4111\u{a0}1111\u{202f}1111\u{2009}1111"),
        (Kind::Card, "4111\u{2011}1111\u{2011}1111\u{2011}1111"),
        (Kind::Iban, "DE89\u{a0}3704\u{a0}0044\u{a0}0532\u{a0}0130\u{a0}00"),
        (Kind::Ssn, "078\u{2011}05\u{2011}1120"),
        (Kind::Phone, "+49\u{a0}30\u{a0}12345678"),
        (Kind::Email, "j\u{f6}hn@m\u{fc}ller.de"),
        (Kind::Email, "jane@пример.рф"),
        (Kind::Email, "jane@xn--e1afmkfd.xn--p1ai"),
    ] {
        for text in [data.to_owned(), format!("是{data}是"), format!("☎ {data}, é")] {
            assert_eq!(all(&text), [(kind, data)], "{text}");
        }
    }
    // Chinese has no space after the address.
    assert_eq!(all("写信给jane@example.com吧"), [(Kind::Email, "jane@example.com")]);
}

#[test]
fn numbers_in_a_row_are_no_cards() {
    for text in ["2019 2020 2021 2022 2023 2024 2025", "100 200 300 400 500 600 700 800 900"] {
        assert_eq!(all(text), [], "{text}");
    }
}

/// Texts that begin like personal data again and again.
const HOSTILE: [&str; 28] = [
    "1 ",
    "1",
    "a",
    "@",
    "+",
    "a.a.a.a@",
    "a@b.co ",
    "a@b",
    "a@b.",
    "1.",
    "1.1.1.",
    "4111 ",
    "4111 1111 1111 1111 1 ",
    "4",
    "44444444444444444441 ",
    "AA11 ",
    "AA11",
    "AA",
    "A A1 ",
    "(555) ",
    "(555) 123-456 ",
    "+1 ",
    "+1-1-",
    "0 ",
    "0-1 ",
    "a.",
    "é@é.",
    "[A",
];

/// How often each byte may be looked at, on average.
const MOST_LOOKS: usize = 24;

#[test]
fn a_search_is_one_pass() {
    for piece in HOSTILE {
        let looks = |length: usize| search(&piece.repeat(length / piece.len())).1;
        let (once, twice) = (looks(1 << 16), looks(1 << 17));
        assert!(once <= MOST_LOOKS << 16, "{piece}: {} looks a byte", once >> 16);
        assert!(twice <= 2 * once + 2_000, "{piece}: {once} looks, {twice} at twice the text");
    }
}

/// Texts in which much begins and little is complete.
pub(crate) fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z]{1,5}@[a-z]{1,5}\\.(com|org|x)",
        2 => Just("4111 1111 1111 1111".to_owned()),
        2 => Just("5500000000000004".to_owned()),
        1 => Just("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1".to_owned()),
        2 => Just("DE89 3704 0044 0532 0130 00".to_owned()),
        2 => Just("+49 30 12345678".to_owned()),
        2 => Just("030 1234567".to_owned()),
        2 => Just("555-123-4567".to_owned()),
        2 => Just("078-05-1120".to_owned()),
        2 => "[0-9]{1,3}(\\.[0-9]{1,3}){3}",
        4 => "[0-9 .-]{1,12}",
        2 => "[0-9A-Z ]{1,8}",
        2 => Just("[EMAIL_1]".to_owned()),
        6 => "[-a1A0 .@+()_/é\u{a0}是\\[\\]]{1,6}",
        1 => "[a-z.]{60,70}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_search_fail(text in "\\PC{0,60}") {
        search(&text);
    }

    #[test]
    fn no_text_takes_more_than_one_pass(text in texts(), times in 1_usize..40) {
        let text = text.repeat(times);
        let (_, looks) = search(&text);
        prop_assert!(looks <= 40 * text.len() + LONGEST, "{looks} looks at {} bytes", text.len());
    }

    #[test]
    fn findings_are_in_order_and_do_not_overlap(text in texts()) {
        let mut end = 0;
        for (range, kind) in search(&text).0 {
            prop_assert!(range.start >= end && range.start < range.end, "{kind:?}: {range:?}");
            end = range.end;
        }
    }
}
