//! Makes text from outside fit for an error message.

use std::borrow::Cow;

use crate::{
    adapter::{markup, secrets::Secrets},
    chat::plain,
};

/// The most characters of such a text in a message.
const LONGEST: usize = 500;

/// How many bytes of it are searched: enough for that many characters and a key that begins among them.
const READ: usize = 16 * 1024;

/// How many bytes of a page are read. Its text may stand behind long scripts.
const PAGE: usize = 64 * 1024;

/// The text on one line, without secrets and control characters, cut to 500 characters.
pub(crate) fn clean(text: &str, secrets: Option<&Secrets>) -> String {
    let text = beginning(text);
    let text = secrets.map_or_else(|| text.to_owned(), |secrets| secrets.redact(text));
    plain::line(&text, LONGEST).into_owned()
}

/// The part of a text that is searched. The text may be megabytes long.
pub(crate) fn beginning(text: &str) -> &str {
    let text = text.trim();
    text.get(..text.floor_char_boundary(READ)).unwrap_or(text)
}

/// The start of a body, cleaned in the same way.
pub(crate) fn excerpt(body: &[u8], secrets: Option<&Secrets>) -> String {
    let body = body.trim_ascii();
    clean(&String::from_utf8_lossy(body.get(..READ).unwrap_or(body)), secrets)
}

/// What the body of an error says, cleaned in the same way: the title or text of a page, else the start of the body.
pub(crate) fn said(body: &[u8], secrets: Option<&Secrets>) -> String {
    clean(&markup::shown(&page(body)), secrets)
}

/// As much of a body as a page of an error has.
pub(crate) fn page(body: &[u8]) -> Cow<'_, str> {
    let body = body.trim_ascii();
    String::from_utf8_lossy(body.get(..PAGE).unwrap_or(body))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(clean("a\nb\r\tc\0\u{1b}[31m\u{7f}\u{9b}", None), r"a\nb\r\tc\u{0}\u{1b}[31m\u{7f}\u{9b}");
        assert_eq!(clean("\u{202e}gnp.exe\u{2066}\u{200f}\u{feff}\u{2028}.", None).matches("\\u{").count(), 5);
        assert_eq!(clean("  größer 🙂 → \\ \"x\"  ", None), "größer 🙂 → \\ \"x\"");
    }

    #[test]
    fn five_hundred_characters_at_most() {
        let exactly = "ü".repeat(500);
        assert_eq!(clean(&exactly, None), exactly);
        assert_eq!(clean(&"ü".repeat(501), None), "ü".repeat(499) + "…");
        // An escape is cut out whole.
        assert_eq!(clean(&("x".repeat(498) + "\u{1b}y"), None), "x".repeat(498) + "…");
    }

    #[test]
    fn a_body_need_not_be_text() {
        assert_eq!(excerpt(b"\xff\x00ok\n", None), "\u{fffd}\\u{0}ok");
        assert_eq!(excerpt(b"", None), "");
        assert_eq!(excerpt(&b"\xc3\xbc".repeat(20_000), None), "ü".repeat(499) + "…");
    }

    #[test]
    fn a_page_says_its_title() {
        assert_eq!(said(b"<html><title>502 Bad\ngateway</title>", None), "502 Bad gateway");
        let scripts = format!("<html><script>{}</script><p>At last", "x".repeat(40_000));
        assert_eq!(said(scripts.as_bytes(), None), "At last");
        assert_eq!(said(b"busy\nnow", None), "busy\\nnow");
        let key = Secrets::default();
        key.hide("sk-0123456789");
        assert_eq!(said(b"<p>key sk-0123<b>456789</b> &#27;</p>", Some(&key)), "key [redacted] \\u{1b}");
    }

    #[test]
    fn the_key_is_taken_out_also_where_the_cut_falls_into_it() {
        let key = Secrets::default();
        key.hide("sk-0123456789");
        assert_eq!(clean("key sk-0123456789!", Some(&key)), "key [redacted]!");
        assert!(!excerpt(("x".repeat(490) + "sk-0123456789").as_bytes(), Some(&key)).contains("sk-"));
    }

    proptest! {
        #[test]
        fn any_body_is_short_and_harmless(body: Vec<u8>, text: String) {
            for text in [excerpt(&body, None), clean(&text.repeat(50), None)] {
                prop_assert!(text.chars().count() <= 500);
                prop_assert!(!text.chars().any(char::is_control));
            }
        }
    }
}
