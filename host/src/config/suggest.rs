//! Suggests names.

/// A help text: the name among `known` that was probably meant, else all of them.
pub(crate) fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), *known)).min();
    match nearest {
        Some((distance, known)) if distance <= 2.max(name.len() / 3) => format!("did you mean `{known}`?"),
        Some(_) => format!("known are {}", known.join(", ")),
        None => "there is none to choose from".to_owned(),
    }
}
