//! The ids of tool calls on the wire. Each provider takes other ones.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use sha2::{Digest as _, Sha256};

use crate::{chat::wire_format::WireFormat, config::quirks::ToolIdRule};

/// The ids that a conversation has used.
pub(crate) struct ToolIds<'a> {
    rule: ToolIdRule,
    used: HashSet<Cow<'a, str>>,
    /// The next hash to try for an id that has come before.
    times: HashMap<&'a str, u64>,
}

impl<'a> ToolIds<'a> {
    pub(crate) fn new(rule: ToolIdRule) -> Self {
        Self { rule, used: HashSet::new(), times: HashMap::new() }
    }

    /// The id of the next call. It depends only on this id and on the calls before. An id that fits and is new stays.
    pub(crate) fn next(&mut self, id: &'a str) -> Cow<'a, str> {
        if self.rule == ToolIdRule::Any {
            return Cow::Borrowed(id);
        }
        if fits(id, self.rule) && self.used.insert(Cow::Borrowed(id)) {
            return Cow::Borrowed(id);
        }
        let times = self.times.entry(id).or_default();
        loop {
            let hash = hashed(id, *times, self.rule);
            *times += 1;
            if self.used.insert(Cow::Owned(hash.clone())) {
                return Cow::Owned(hash);
            }
        }
    }
}

/// The ids of the tool calls of one answer, for a client that sends them back to providers of its own format.
#[derive(Debug)]
pub struct AnswerIds {
    rule: ToolIdRule,
    used: HashSet<String>,
    /// The next hash to try for an id that does not fit or has come before.
    times: HashMap<String, u64>,
}

impl AnswerIds {
    /// Ids that any provider of this format takes.
    pub fn new(client: WireFormat) -> Self {
        let rule = match client {
            WireFormat::OpenAi => ToolIdRule::Short,
            WireFormat::Anthropic | WireFormat::OpenAiResponses => ToolIdRule::Word,
        };
        Self { rule, used: HashSet::new(), times: HashMap::new() }
    }

    /// The id of the next call in place of this one, which does not fit or has come before. `None` if it stays.
    pub fn next(&mut self, id: &str) -> Option<String> {
        if fits(id, self.rule) && self.used.insert(id.to_owned()) {
            return None;
        }
        let times = self.times.entry(id.to_owned()).or_default();
        loop {
            let hash = hashed(id, *times, self.rule);
            *times += 1;
            if self.used.insert(hash.clone()) {
                return Some(hash);
            }
        }
    }
}

fn fits(id: &str, rule: ToolIdRule) -> bool {
    let has_only = |others: &[u8]| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte));
    match rule {
        ToolIdRule::Any => true,
        ToolIdRule::Short => (1..=40).contains(&id.len()),
        ToolIdRule::Nine => id.len() == 9 && has_only(b""),
        ToolIdRule::Word => (1..=64).contains(&id.len()) && has_only(b"_-"),
    }
}

/// An id made of the hash of this one. `times` tells apart calls with the same id.
fn hashed(id: &str, times: u64, rule: ToolIdRule) -> String {
    let mut hasher = Sha256::new();
    hasher.update(times.to_le_bytes());
    hasher.update(id);
    let bytes = hasher.finalize();
    let mut number = bytes.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let (prefix, length) = match rule {
        ToolIdRule::Nine => ("", 9),
        ToolIdRule::Any | ToolIdRule::Short => ("call_", 20),
        ToolIdRule::Word => ("toolu_", 20),
    };
    let mut hash = prefix.to_owned();
    for _ in 0..length {
        // Less than 62.
        let digit = u8::try_from(number % 62).unwrap_or_default();
        number /= 62;
        hash.push(char::from(match digit {
            0..=9 => b'0' + digit,
            10..=35 => b'a' + digit - 10,
            _ => b'A' + digit - 36,
        }));
    }
    hash
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: [ToolIdRule; 3] = [ToolIdRule::Short, ToolIdRule::Nine, ToolIdRule::Word];

    #[test]
    fn an_id_that_fits_stays() {
        for (rule, id) in [
            (ToolIdRule::Any, "functions.weather:0"),
            (ToolIdRule::Short, "functions.weather:0"),
            (ToolIdRule::Nine, "aB3456789"),
            (ToolIdRule::Word, "toolu_01-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL"),
        ] {
            assert_eq!(ToolIds::new(rule).next(id), id);
        }
    }

    #[test]
    fn the_same_id_gets_the_same_hash_in_every_conversation() {
        assert_eq!(ToolIds::new(ToolIdRule::Nine).next("toolu_01A09q90qw90lq917835lq9"), "pywEu4EmA");
    }

    #[test]
    fn the_ids_of_an_answer_fit_the_format_of_its_client() {
        let odd = ["functions.get_weather:0", "functions.get_weather:0", "a b", "ok", "", &"x".repeat(70)];
        for (client, rule, stays) in [
            (WireFormat::OpenAi, ToolIdRule::Short, 3),
            (WireFormat::Anthropic, ToolIdRule::Word, 1),
            (WireFormat::OpenAiResponses, ToolIdRule::Word, 1),
        ] {
            let mut ids = AnswerIds::new(client);
            let written: Vec<_> = odd.iter().map(|id| ids.next(id).unwrap_or_else(|| (*id).to_owned())).collect();
            assert!(written.iter().all(|id| fits(id, rule)), "{written:?}");
            assert_eq!(written.iter().collect::<HashSet<_>>().len(), odd.len(), "{written:?}");
            assert_eq!(written.iter().zip(odd).filter(|(id, odd)| *id == odd).count(), stays, "{written:?}");
        }
    }

    #[test]
    fn an_id_that_comes_often_takes_no_longer() {
        let mut ids = ToolIds::new(ToolIdRule::Nine);
        let written: HashSet<_> = (0..50_000).map(|_| ids.next("a")).collect();
        assert_eq!(written.len(), 50_000);
    }

    proptest! {
        #[test]
        fn ids_fit_and_are_different(ids in proptest::collection::vec("[a-c:._]{0,50}|[0-9a-zA-Z]{9}|.{0,80}", 1..20)) {
            for rule in RULES {
                let (mut all, mut again) = (ToolIds::new(rule), ToolIds::new(rule));
                let written: Vec<_> = ids.iter().map(|id| all.next(id)).collect();
                prop_assert!(written.iter().all(|id| fits(id, rule)), "{:?}", written);
                prop_assert_eq!(written.iter().collect::<HashSet<_>>().len(), ids.len());
                let half = ids.len() / 2;
                let before: Vec<_> = ids.iter().take(half).map(|id| again.next(id)).collect();
                prop_assert_eq!(&written[..half], &before[..], "what follows changes nothing");
            }
        }
    }
}
