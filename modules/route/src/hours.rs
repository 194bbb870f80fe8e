//! Times of day and days of the week.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const DAY: i64 = 24 * 60;

/// When a rule holds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Hours {
    /// The days on which the time begins: a list of "mon", "tue", "wed", "thu", "fri", "sat" and "sun".
    pub days: Vec<Day>,
    /// The time from which the rule holds: a text such as "22:00".
    pub from: Option<String>,
    /// The time before which it holds, on the next day if that is earlier than `from`: a text such as "06:00".
    pub to: Option<String>,
    /// The time zone: a text such as "+02:00".
    pub utc_offset: Option<String>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

const WEEK: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

impl Hours {
    /// What is wrong with it, and what would be right.
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        let is_wrong = |text: &Option<String>| text.as_deref().is_some_and(|text| minutes(text).is_none());
        let offset = self.utc_offset.as_deref().is_some_and(|text| offset(text).is_none());
        match () {
            () if is_wrong(&self.from) || is_wrong(&self.to) => Some((
                "has a `from` or `to` that is no time of day",
                "a text from \"00:00\" to \"24:00\", such as \"22:00\"",
            )),
            () if offset => Some(("has a `utc_offset` that is no offset", "a text such as \"+02:00\" or \"-05:30\"")),
            () if self.begins() >= DAY => {
                Some(("has a `from` that is the end of the day", "a text from \"00:00\" to \"23:59\""))
            }
            () if self.begins() == self.ends() => {
                Some(("has the same `from` and `to`, so the rule never matches", "two different times, or neither"))
            }
            () if *self == Hours { utc_offset: self.utc_offset.clone(), ..Hours::default() } => {
                Some(("names neither days nor hours", "`days`, `from` or `to`"))
            }
            () => None,
        }
    }

    /// The minute of the day at which it begins.
    fn begins(&self) -> i64 {
        self.from.as_deref().and_then(minutes).unwrap_or(0)
    }

    /// The minute of the day at which it ends.
    fn ends(&self) -> i64 {
        self.to.as_deref().and_then(minutes).unwrap_or(DAY)
    }

    /// Whether it holds at this time, in seconds since 1970.
    pub fn holds(&self, unix_seconds: u64) -> bool {
        let minute = i64::try_from(unix_seconds / 60).unwrap_or(i64::MAX - DAY);
        let local = minute + self.utc_offset.as_deref().and_then(offset).unwrap_or_default();
        let (day, at) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (from, to) = (self.begins(), self.ends());
        let began = match from < to {
            true if (from..to).contains(&at) => day,
            false if at >= from => day,
            false if at < to => day - 1,
            _ => return false,
        };
        // The first of January 1970 was a Thursday.
        let weekday = usize::try_from((began + 3).rem_euclid(7)).ok().and_then(|at| WEEK.get(at));
        self.days.is_empty() || weekday.is_some_and(|weekday| self.days.contains(weekday))
    }
}

/// Reads a time of day, in minutes.
fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let is_number = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let (hour, minute): (i64, i64) =
        (is_number(hours) && is_number(minutes)).then(|| Some((hours.parse().ok()?, minutes.parse().ok()?)))??;
    (minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
}

/// Reads an offset from UTC, in minutes.
fn offset(text: &str) -> Option<i64> {
    let (sign, time) = match text.strip_prefix('-') {
        Some(time) => (-1, time),
        None => (1, text.strip_prefix('+')?),
    };
    minutes(time).filter(|minutes| *minutes <= 14 * 60).map(|minutes| sign * minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(days: &[Day], from: &str, to: &str, utc_offset: &str) -> Hours {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Hours { days: days.to_vec(), from: text(from), to: text(to), utc_offset: text(utc_offset) }
    }

    /// Hours since the beginning of Thursday, the first of January 1970.
    fn at(hour: u64) -> u64 {
        hour * 3600
    }

    #[test]
    fn hours_hold_over_midnight_and_in_their_zone() {
        let night = hours(&[Day::Thu], "22:00", "06:00", "");
        assert!(night.holds(at(22)) && night.holds(at(29)) && !night.holds(at(30)) && !night.holds(at(3)));
        assert!(!night.holds(at(46)), "on Friday evening");
        let day = hours(&[], "09:00", "17:00", "+02:00");
        assert!(day.holds(at(7)) && !day.holds(at(6)) && day.holds(at(14)) && !day.holds(at(15)));
        let west = hours(&[Day::Wed], "", "", "-05:00");
        assert!(west.holds(at(4)) && !west.holds(at(5)), "it is Wednesday there until five");
        assert!(hours(&[Day::Thu], "", "24:00", "").holds(at(23)));
        let _ = night.holds(u64::MAX);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (from, to, zone) in [
            ("25:00", "", ""),
            ("9:00", "", ""),
            ("", "12:60", ""),
            ("09:00", "09:00", ""),
            ("24:00", "", ""),
            ("24:00", "06:00", ""),
            ("00:00", "00:00", ""),
            ("", "00:00", ""),
            ("00:00", "-1:00", ""),
            ("00:00", "1é:0", ""),
            ("", "12:00", "+15:00"),
            ("", "12:00", "Europe/Berlin"),
            ("09:00", "", "2"),
            ("", "", "+01:00"),
            ("", "", ""),
        ] {
            assert!(hours(&[], from, to, zone).problem().is_some(), "{from} {to} {zone}");
        }
        assert_eq!(hours(&[Day::Mon], "", "", "+05:30").problem(), None);
    }
}
