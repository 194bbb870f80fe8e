//! When a life ends.

use std::time::Duration;

use crate::state::operation::Life;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Life {
    /// The time from now until it ends, if it does. `now` is the time since 1970.
    pub(crate) fn ends_in(self, now: Duration) -> Option<Duration> {
        let seconds = now.as_secs();
        let next = |window: u64| seconds - seconds % window + window;
        let end = match self {
            Life::Forever => return None,
            Life::Time(time) => return Some(time.max(Duration::from_millis(1))),
            Life::Minute => next(MINUTE),
            Life::Hour => next(HOUR),
            Life::Day => next(DAY),
            Life::Month => month_end(seconds / DAY) * DAY,
        };
        Some(Duration::from_secs(end).saturating_sub(now))
    }
}

/// The first day of the month after that of this day. Days are counted from 1970-01-01.
fn month_end(day: u64) -> u64 {
    let (mut year, mut first) = (1970, 0);
    while first + days_of(year) <= day {
        first += days_of(year);
        year += 1;
    }
    let february = days_of(year) - 337;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        first += days;
        if first > day {
            return first;
        }
    }
    first + 31
}

/// The days of this year of the Gregorian calendar.
fn days_of(year: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if is_leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_where_the_calendar_says() {
        // 2024-02-29T23:59:59.5Z.
        let now = Duration::from_millis(1_709_251_199_500);
        let half = Some(Duration::from_millis(500));
        for life in [Life::Minute, Life::Hour, Life::Day, Life::Month] {
            assert_eq!(life.ends_in(now), half, "{life:?}");
            // From the end of one window the next one is whole.
            assert!(life.ends_in(now + Duration::from_millis(500)) >= Some(Duration::from_secs(60)), "{life:?}");
        }
        assert_eq!(Life::Forever.ends_in(now), None);
        assert_eq!(Life::Time(Duration::ZERO).ends_in(now), Some(Duration::from_millis(1)));
    }

    /// The first days of months, as `date -u -d YEAR-MONTH-01 +%s` tells them.
    #[test]
    fn a_month_ends_on_the_first_day_of_the_next() {
        let first_days =
            [(1_704_067_200, 1_706_745_600), (1_706_745_600, 1_709_251_200), (1_764_547_200, 1_767_225_600)];
        for (first, next) in first_days {
            for seconds in [first, first + 1, next - 1] {
                assert_eq!(
                    Life::Month.ends_in(Duration::from_secs(seconds)),
                    Some(Duration::from_secs(next - seconds))
                );
            }
        }
        assert_eq!(month_end(0), 31);
        // 1900 is no year of this clock; 2000 has a leap day and 2100 has none.
        assert_eq!(month_end(951_782_400 / DAY), 951_868_800 / DAY);
        assert_eq!(month_end(4_107_456_000 / DAY), 4_107_542_400 / DAY);
    }
}
