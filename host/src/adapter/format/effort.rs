//! How much a model reasons: the words of providers, and tokens.

use serde_json::Value;

use crate::{
    adapter::format::outline::Unwritable,
    chat::options::{Options, Reasoning},
    config::quirks::Quirks,
};

/// The words from little to much. `none` is not at all.
const SCALE: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// The place of `high`: words above it are known to few models.
const HIGH: usize = 4;

/// How much a request asks the model to reason.
pub(crate) enum AskedEffort<'a> {
    Off,
    /// As much as the model decides.
    Auto,
    Word(&'a str),
    Budget(u32),
    /// In the JSON of a format.
    Json(&'a Value),
}

/// How much these options ask the model to reason. `None` if they do not say, or if the provider refuses reasoning.
///
/// # Errors
///
/// A word that is not one of [`SCALE`] or of the provider.
pub(crate) fn asked<'a>(options: &'a Options, quirks: &Quirks) -> Result<Option<AskedEffort<'a>>, Unwritable> {
    let asked = match &options.reasoning {
        None => return Ok(None),
        Some(Reasoning::Off | Reasoning::Budget(0)) => AskedEffort::Off,
        Some(Reasoning::Auto) => AskedEffort::Auto,
        Some(Reasoning::Effort(word)) => of_word(word, quirks)?,
        Some(Reasoning::Budget(tokens)) => AskedEffort::Budget(*tokens),
        Some(Reasoning::Other(value)) => AskedEffort::Json(value),
    };
    Ok(Some(asked).filter(|_| !quirks.refuses("reasoning")))
}

/// What this word asks for.
///
/// # Errors
///
/// A word that is not one of [`SCALE`] or of the provider.
pub(crate) fn of_word<'a>(word: &'a str, quirks: &Quirks) -> Result<AskedEffort<'a>, Unwritable> {
    let is_own = || quirks.efforts.as_ref().is_some_and(|words| words.iter().any(|own| own == word));
    match word {
        "off" | "none" => Ok(AskedEffort::Off),
        "auto" => Ok(AskedEffort::Auto),
        word if SCALE.contains(&word) || is_own() => Ok(AskedEffort::Word(word)),
        _ => Err(Unwritable::refused(format!(
            "options.reasoning is {word:?}, which does not say how much the model reasons\n  help: \"off\", \"auto\", \
             \"minimal\", \"low\", \"medium\", \"high\", \"xhigh\" or \"max\""
        ))),
    }
}

/// The word of these for the least reasoning, from `least` on. `least` if they have none on the scale.
pub(crate) fn least_of<'a>(least: &'a str, known: Option<&'a [String]>) -> &'a str {
    let place = |word: &str| SCALE.iter().position(|found| *found == word);
    let known = || known.into_iter().flatten().filter_map(|word| Some((place(word)?, word.as_str())));
    let from_least = known().filter(|(found, _)| Some(*found) >= place(least)).min();
    from_least.or_else(|| known().max()).map_or(least, |(_, word)| word)
}

/// The word of these that is nearest. A word that is among them stays, and so does one that is not on the scale.
pub(crate) fn nearest<'a>(word: &'a str, known: Option<&'a [String]>) -> &'a str {
    let Some(known) = known else { return word };
    let place = |word: &str| SCALE.iter().position(|found| *found == word);
    let Some(wanted) = place(word).filter(|_| !known.iter().any(|known| known == word)) else { return word };
    let reasons = known.iter().filter_map(|word| Some((place(word)?, word.as_str())));
    let usual: Vec<(usize, &str)> = reasons.filter(|(place, _)| *place > 0).collect();
    let few = usual.iter().filter(|(place, _)| *place <= HIGH);
    let distance = |(place, _): &&(usize, &str)| place.abs_diff(wanted);
    few.min_by_key(distance).or(usual.iter().min_by_key(distance)).map_or(word, |(_, word)| word)
}

/// The word for a budget of tokens.
pub(crate) fn of_budget(tokens: u32) -> &'static str {
    match tokens {
        0 => "none",
        1..=2048 => "low",
        2049..=8192 => "medium",
        _ => "high",
    }
}

/// The budget of tokens for a word. One that is not on the scale is as much as `medium`.
pub(crate) fn budget(word: &str) -> u32 {
    match word {
        "minimal" => 1024,
        "low" => 2048,
        "high" => 16_384,
        "xhigh" | "max" => 32_000,
        _ => 8192,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_word() {
        for (least, known, expected) in [
            ("none", None, "none"),
            ("none", Some("low high"), "low"),
            ("low", Some("high none minimal low"), "low"),
            ("minimal", Some("none high"), "high"),
            ("high", Some("low medium"), "medium"),
            ("none", Some("custom"), "none"),
        ] {
            let known: Option<Vec<String>> = known.map(|known| known.split(' ').map(str::to_owned).collect());
            assert_eq!(least_of(least, known.as_deref()), expected, "{least} of {known:?}");
        }
    }

    #[test]
    fn the_nearest_word() {
        for (word, known, expected) in [
            ("max", None, "max"),
            ("low", Some("low high"), "low"),
            ("minimal", Some("none low medium high"), "low"),
            ("max", Some("none minimal low medium high xhigh"), "high"),
            ("xhigh", Some("none minimal low medium high xhigh"), "xhigh"),
            ("xhigh", Some("low high max"), "high"),
            ("low", Some("none high"), "high"),
            ("deep", Some("low"), "deep"),
            ("low", Some("custom"), "low"),
            ("low", Some("max"), "max"),
        ] {
            let known: Option<Vec<String>> = known.map(|known| known.split(' ').map(str::to_owned).collect());
            assert_eq!(nearest(word, known.as_deref()), expected, "{word} of {known:?}");
        }
    }
}
