//! The label of a model. Callers may make up names of models, and each label has series of its own that stay.

use std::{
    borrow::Cow,
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

/// How many models that no configuration names have series of their own in one process.
const MOST_UNNAMED: usize = 100;

/// The longest label, in bytes.
const LONGEST: usize = 256;

/// The label of all models beyond.
const OTHER: &str = "other";

/// The models of a process that have series of their own, by provider, though no configuration names them. The recorder of
/// counters is one for the whole process too.
static UNNAMED: Mutex<Unnamed> = Mutex::new(Unnamed(None));

/// The label of this model. One that the configuration or the catalogue names always has its own.
pub(crate) fn model_label<'a>(provider: &str, model: &'a str, is_named: bool) -> Cow<'a, str> {
    let label = model.get(..model.floor_char_boundary(LONGEST)).unwrap_or_default();
    let has_room = || UNNAMED.lock().unwrap_or_else(PoisonError::into_inner).has_room(provider, label);
    if is_named || has_room() { label.into() } else { OTHER.into() }
}

#[derive(Default)]
struct Unnamed(Option<HashSet<(String, String)>>);

impl Unnamed {
    /// Whether this model has series of its own.
    fn has_room(&mut self, provider: &str, label: &str) -> bool {
        let models = self.0.get_or_insert_default();
        let model = (provider.to_owned(), label.to_owned());
        models.contains(&model) || models.len() < MOST_UNNAMED && models.insert(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_without_end_have_labels_with_an_end() {
        let mut unnamed = Unnamed::default();
        let labels = (0..1000).filter(|number| unnamed.has_room("a", &number.to_string())).count();
        assert_eq!(labels, MOST_UNNAMED);
        assert!(unnamed.has_room("a", "7") && !unnamed.has_room("b", "7"), "those that have series keep them");
    }

    #[test]
    fn a_long_name_is_cut() {
        let long = "ö".repeat(1000);
        assert_eq!(model_label("a", &long, true).len(), LONGEST);
        assert_eq!(model_label("a", &"x".repeat(LONGEST), true).len(), LONGEST);
    }
}
