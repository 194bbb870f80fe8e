//! Where the messages and the options of a request stand in the body of its client.

use http::StatusCode;

use crate::client::problem::Problem;

/// What the library calls the list of messages.
const MESSAGES: &str = "messages[";

/// What begins the library's names of options.
const OPTIONS: &str = "options.";

/// Where the parts of a request stand in the body of its client. Errors of the library count messages as it has them.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The client's list.
    pub(crate) list: &'static str,
    /// The field that the first message was, if it was not in the list.
    pub(crate) first: Option<&'static str>,
    /// The number of the item that each message of the list begins with. Absent if each item is a message.
    pub(crate) items: Option<Vec<usize>>,
    /// The client's fields for the library's options, longer names first. Others have the same name.
    pub(crate) options: &'static [(&'static str, &'static str)],
}

impl Default for Places {
    /// Each message of the client is one.
    fn default() -> Self {
        Self { list: "messages", first: None, items: None, options: &[] }
    }
}

impl Places {
    /// The problem with the client's own place in its message.
    pub(crate) fn translate(&self, problem: Problem) -> Problem {
        let problem = self.translate_options(problem);
        let Some((at, rest)) = problem.message.strip_prefix(MESSAGES).and_then(|rest| rest.split_once(']')) else {
            return problem;
        };
        let Ok(at) = at.parse() else { return problem };
        let place = self.of(at);
        Problem { message: format!("{place}{rest}"), param: problem.param.or(Some(place)), ..problem }
    }

    /// The same with the client's names of options. The first one in its first line is the place.
    fn translate_options(&self, problem: Problem) -> Problem {
        // A provider's own words stay.
        let is_ours = problem.status == StatusCode::BAD_REQUEST && problem.reason.is_none();
        if !is_ours || !problem.message.contains(OPTIONS) {
            return problem;
        }
        let (mut message, mut rest, mut place) = (String::new(), problem.message.as_str(), None);
        while let Some((before, after)) = rest.split_once(OPTIONS) {
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.';
            let (name, after) = after.split_at(after.find(|letter| !is_name(letter)).unwrap_or(after.len()));
            let known =
                self.options.iter().find_map(|(ours, theirs)| Some(format!("{theirs}{}", name.strip_prefix(ours)?)));
            let name = known.unwrap_or_else(|| name.to_owned());
            message.extend([before, &name]);
            if !message.contains('\n') {
                place.get_or_insert(name.trim_end_matches('.').to_owned());
            }
            rest = after;
        }
        message.push_str(rest);
        Problem { message, param: problem.param.or(place), ..problem }
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
                Places { list: "input", first: Some("instructions"), items: items.clone(), ..Places::default() },
                "messages[2] has",
                "input[2] has",
                Some("input[2]"),
            ),
            (Places { list: "input", items, ..Places::default() }, "messages[2] has", "input[3] has", Some("input[3]")),
            (
                Places { list: "input", items: Some(vec![]), ..Places::default() },
                "messages[0] has",
                "input has",
                Some("input"),
            ),
            (Places::default(), "tools[0] has", "tools[0] has", None),
            (Places::default(), "messages[x]", "messages[x]", None),
            (
                Places {
                    options: &[("output.json_schema.", "text.format."), ("output", "text.format")],
                    ..Places::default()
                },
                "options.output.json_schema.name is \"a b\"",
                "text.format.name is \"a b\"",
                Some("text.format.name"),
            ),
            (
                Places::default(),
                "`options.temperature` is 3\n  help: options.x",
                "`temperature` is 3\n  help: x",
                Some("temperature"),
            ),
            (Places::default(), "no room\n  help: set options.max_tokens", "no room\n  help: set max_tokens", None),
        ] {
            let problem = places.translate(Problem::new(StatusCode::BAD_REQUEST, message));
            assert_eq!((problem.message.as_str(), problem.param.as_deref()), (expected, param));
        }
    }
}
