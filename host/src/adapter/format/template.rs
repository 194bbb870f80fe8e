//! Events of which there are many, and which differ in one text alone, such as the pieces of a long answer: recognized by
//! what stands around that text, without reading all of the JSON again.

/// The most bytes of JSON that are remembered.
const LONGEST: usize = 4096;

/// The JSON around a text that was read.
#[derive(Default)]
pub(crate) struct Template {
    /// Up to the text's opening quote, and with it; empty if there is none.
    before: String,
    /// From its closing quote on.
    after: String,
}

impl Template {
    /// Remembers what stands around this text, which was read from this JSON. A text with escapes stands elsewhere, and is
    /// not remembered; nor is more than a piece has around it.
    pub(crate) fn learn(&mut self, json: &str, text: &str) {
        let begins = (text.as_ptr() as usize).checked_sub(json.as_ptr() as usize);
        let ends = begins.and_then(|begins| begins.checked_add(text.len()));
        if let (Some(before), Some(after)) =
            (begins.and_then(|begins| json.get(..begins)), ends.and_then(|ends| json.get(ends..)))
            && before.len() + after.len() <= LONGEST
            && before.ends_with('"')
            && after.starts_with('"')
        {
            before.clone_into(&mut self.before);
            after.clone_into(&mut self.after);
        }
    }

    /// Forgets it: the same JSON would mean something else.
    pub(crate) fn forget(&mut self) {
        self.before.clear();
    }

    /// The text of JSON that is the same but for it. None if it is not, or if the text has escapes.
    pub(crate) fn text<'a>(&self, json: &'a str) -> Option<&'a str> {
        if self.before.is_empty() {
            return None;
        }
        let text = json.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        // Without these, whatever it says is a JSON string: RFC 8259, section 7.
        let is_plain = !text.bytes().any(|byte| byte == b'"' || byte == b'\\' || byte < b' ');
        is_plain.then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn learned(json: &str) -> Template {
        let at = json.find("TEXT").unwrap();
        let mut template = Template::default();
        template.learn(json, &json[at..at + 4]);
        template
    }

    #[test]
    fn what_differs_elsewhere_is_not_recognized() {
        let template = learned(r#"{"a":"TEXT","b":[null]}"#);
        assert_eq!(template.text(r#"{"a":" one","b":[null]}"#), Some(" one"));
        assert_eq!(template.text(r#"{"a":"","b":[null]}"#), Some(""));
        for other in [
            r#"{"a":"one","b":[1]}"#,
            r#"{"a":"one","c":"","b":[null]}"#,
            r#"{"a":"o\n","b":[null]}"#,
            r#"{"b":"one","b":[null]}"#,
            "{\"a\":\"o\n\",\"b\":[null]}",
            "",
        ] {
            assert_eq!(template.text(other), None, "{other}");
        }
    }

    #[test]
    fn a_text_from_elsewhere_is_not_learned() {
        let mut template = Template::default();
        template.learn(r#"{"a":"TEXT"}"#, &String::from("TEXT"));
        template.learn("TEXT", "TEXT");
        assert_eq!(template.text(r#"{"a":"TEXT"}"#), None);
        let mut template = learned(r#"{"a":"TEXT"}"#);
        template.forget();
        assert_eq!(template.text(r#"{"a":"TEXT"}"#), None);
    }

    proptest! {
        #[test]
        fn whatever_is_recognized_is_what_the_json_says(text: String, before: String, after: String, raw: String) {
            let json = |text: &str| json!({"a": before, "text": text, "z": after}).to_string();
            prop_assume!(!before.contains("TEXT") && !after.contains("TEXT"));
            let template = learned(&json("TEXT"));
            for json in [json(&text), json("TEXT").replace("TEXT", &raw)] {
                if let Some(found) = template.text(&json) {
                    let value: Value = serde_json::from_str(&json).unwrap();
                    prop_assert_eq!(value["text"].as_str(), Some(found));
                }
            }
        }
    }
}
