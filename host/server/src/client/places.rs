//! Where the messages of a request stand in the body of its client.

use crate::client::problem::Problem;

/// What the library calls the list of messages.
const MESSAGES: &str = "messages[";

/// Where the messages of a request stand in the body of its client. Errors of the library count messages as it has them.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The client's list.
    pub(crate) list: &'static str,
    /// The field that the first message was, if it was not in the list.
    pub(crate) first: Option<&'static str>,
    /// The number of the item that each message of the list begins with. Absent if each item is a message.
    pub(crate) items: Option<Vec<usize>>,
}

impl Default for Places {
    /// Each message of the client is one.
    fn default() -> Self {
        Self { list: "messages", first: None, items: None }
    }
}

impl Places {
    /// The problem with the client's own place in its message.
    pub(crate) fn translate(&self, problem: Problem) -> Problem {
        let Some((at, rest)) = problem.message.strip_prefix(MESSAGES).and_then(|rest| rest.split_once(']')) else {
            return problem;
        };
        let Ok(at) = at.parse() else { return problem };
        let place = self.of(at);
        Problem { message: format!("{place}{rest}"), param: problem.param.or(Some(place)), ..problem }
    }

    fn of(&self, message: usize) -> String {
        let (list, before) = (self.list, usize::from(self.first.is_some()));
        let place = match (message.checked_sub(before), &self.items) {
            (Some(at), None) => Some(at),
            (Some(at), Some(items)) => items.get(at).copied(),
            (None, _) => return self.first.unwrap_or_default().to_owned(),
        };
        place.map_or_else(|| list.to_owned(), |at| format!("{list}[{at}]"))
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_place_is_the_clients_own() {
        let items = Some(vec![0, 2, 3]);
        for (places, message, expected, param) in [
            (Places::default(), "messages[3] has", "messages[3] has", Some("messages[3]")),
            (
                Places { first: Some("system"), ..Places::default() },
                "messages[1] has messages[2]",
                "messages[0] has messages[2]",
                Some("messages[0]"),
            ),
            (Places { first: Some("system"), ..Places::default() }, "messages[0] is", "system is", Some("system")),
            (
                Places { list: "input", first: Some("instructions"), items: items.clone() },
                "messages[2] has",
                "input[2] has",
                Some("input[2]"),
            ),
            (Places { list: "input", first: None, items }, "messages[2] has", "input[3] has", Some("input[3]")),
            (Places { list: "input", first: None, items: Some(vec![]) }, "messages[0] has", "input has", Some("input")),
            (Places::default(), "tools[0] has", "tools[0] has", None),
            (Places::default(), "messages[x]", "messages[x]", None),
        ] {
            let problem = places.translate(Problem::new(StatusCode::BAD_REQUEST, message));
            assert_eq!((problem.message.as_str(), problem.param.as_deref()), (expected, param));
        }
    }
}
