//! Requests that no provider answers. They are refused before anything is sent.

use crate::chat::{error::ErrorKind, failure::Failure, options::Options, request::Request};

/// Refuses an empty conversation, and a temperature that no provider takes.
///
/// # Errors
///
/// [`Usage`](ErrorKind::Usage), which names the field.
pub(crate) fn check(request: &Request) -> Result<(), ErrorKind> {
    let usage = |problem: String| Err(ErrorKind::Usage(Failure::new("", problem)));
    if request.messages.is_empty() && !asks_by_stored_prompt(request) {
        return usage("`messages` is empty\n  help: a conversation has at least one message".to_owned());
    }
    match request.options.temperature {
        Some(temperature) if !Options::TEMPERATURES.contains(&temperature) => {
            usage(format!("`options.temperature` is {temperature}\n  help: {}", Options::TEMPERATURES_IN_WORDS))
        }
        _ => Ok(()),
    }
}

/// Whether the provider has stored what is asked. Then nothing else has to be said.
fn asks_by_stored_prompt(request: &Request) -> bool {
    [&request.extensions, &request.options.extensions]
        .into_iter()
        .any(|all| all.contains_key("openai.responses.prompt"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::message::Message;

    #[test]
    fn what_no_provider_answers() {
        let said = |request: &Request| check(request).err().map(|error| error.to_string());
        let empty = Request::default();
        assert_eq!(said(&empty).unwrap(), "`messages` is empty\n  help: a conversation has at least one message");
        let mut stored = empty;
        stored.extensions.insert("openai.responses.prompt".to_owned(), json!({"id": "p"}));
        assert_eq!(said(&stored), None);
        let with =
            |temperature| Request::new([Message::user("Hi")]).with_options(Options::new().temperature(temperature));
        for right in [0.0, 0.7, 1.0, 2.0] {
            assert_eq!(said(&with(right)), None);
        }
        for wrong in [-0.1, 2.01, f64::NAN, f64::INFINITY] {
            let expected = format!("`options.temperature` is {wrong}\n  help: a number from 0 to 2");
            assert_eq!(said(&with(wrong)).unwrap(), expected);
        }
    }
}
