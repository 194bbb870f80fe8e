//! Suggests names.

/// A help text: the name among `known` that was probably meant, else all of them.
pub(crate) fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if known.is_empty() => "there is none to choose from".to_owned(),
        None => format!("known are {}", known.join(", ")),
    }
}

/// The name among `known` that was probably meant, if there is one.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let nearest = known.into_iter().map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
    nearest.filter(|(distance, _)| *distance <= 2.max(name.len() / 3)).map(|(_, known)| known)
}
