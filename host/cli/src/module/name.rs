//! The name of a module.

/// Checks a module's name.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
    let goes_on = text.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '-');
    match begins && goes_on && !text.ends_with('-') {
        true => Ok(text.to_owned()),
        false => Err("expected lower-case letters, digits and dashes, a letter first, such as `my-module`".to_owned()),
    }
}
