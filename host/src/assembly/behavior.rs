//! The words for what a module says that it may do.

use crate::config::suggest::suggest;

/// It asks other models.
pub(crate) const ASKS_OTHERS: &str = "asks-others";
/// It answers without asking, or refuses a call.
pub(crate) const ANSWERS_ITSELF: &str = "answers-itself";
/// It asks more than once for one call.
pub(crate) const ASKS_AGAIN: &str = "asks-again";
/// It changes requests.
pub(crate) const CHANGES_REQUESTS: &str = "changes-requests";
/// It changes answers.
pub(crate) const CHANGES_ANSWERS: &str = "changes-answers";
/// A streamed answer waits in it.
pub(crate) const HOLDS_ANSWERS_BACK: &str = "holds-answers-back";

const ALL: [&str; 6] = [ASKS_OTHERS, ANSWERS_ITSELF, ASKS_AGAIN, CHANGES_REQUESTS, CHANGES_ANSWERS, HOLDS_ANSWERS_BACK];

/// A warning about each word that this host does not know.
pub(crate) fn unknown(behavior: &[String]) -> impl Iterator<Item = String> {
    let unknown = behavior.iter().filter(|word| !ALL.contains(&word.as_str()));
    unknown.map(|word| format!("says that it may `{word}`, which this host does not know: {}", suggest(word, ALL)))
}
