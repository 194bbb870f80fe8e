//! How much a model reasons: the words of providers, and tokens.

/// The words from little to much. `none` is not at all.
const SCALE: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// The place of `high`: words above it are known to few models.
const HIGH: usize = 4;

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
