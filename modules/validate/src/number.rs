//! Numbers of JSON by their exact values: also those that a float rounds.

use std::cmp::Ordering;

use serde_json::Number;

/// Above this, a float is no exact `i128`.
const MOST: f64 = 1e30;

/// Compares two numbers: `1` is `1.0`, and 2^53 + 1 is more than 2^53.
pub(crate) fn compare(one: &Number, other: &Number) -> Ordering {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        // One has a fraction, or is so large that a float has its value.
        _ => one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal),
    }
}

/// The number, if it is whole.
fn whole(number: &Number) -> Option<i128> {
    match (number.as_i64(), number.as_u64()) {
        (Some(number), _) => Some(number.into()),
        (_, Some(number)) => Some(number.into()),
        _ => number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < MOST).map(|number| number as i128),
    }
}

/// Whether a number is a multiple of a step, as both are written: 0.3 is one of 0.1.
pub(crate) fn is_multiple(number: &Number, step: &Number) -> bool {
    let (Some((number, exponent)), Some((step, step_exponent))) = (decimal(number), decimal(step)) else { return true };
    if number == 0 || step == 0 {
        return true;
    }
    // A number whose last digit is not zero is no multiple of ten.
    let Ok(zeros) = u32::try_from(exponent - step_exponent) else { return false };
    let (mut rest, mut power, mut zeros) = (number % step, 10 % step, zeros);
    while zeros > 0 {
        if zeros % 2 == 1 {
            rest = rest * power % step;
        }
        power = power * power % step;
        zeros /= 2;
    }
    rest == 0
}

/// The digits of a number without zeros at the end, and the power of ten that they are multiplied by. At most 20 digits, so that
/// a product of two fits. Without the sign.
fn decimal(number: &Number) -> Option<(u128, i64)> {
    let text = number.to_string();
    let text = text.trim_start_matches('-');
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
    let mut exponent = exponent.parse::<i64>().ok()? - i64::try_from(after.len()).ok()?;
    let digits = [before, after].concat();
    let kept = digits.trim_end_matches('0');
    exponent += i64::try_from(digits.len() - kept.len()).ok()?;
    let number = if kept.is_empty() { 0 } else { kept.parse::<u64>().ok()?.into() };
    Some((number, exponent))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_beyond_what_a_float_tells_apart() {
        for (less, more) in [
            ("9007199254740992", "9007199254740993"),
            ("9007199254740992.0", "9007199254740993"),
            ("18446744073709551614", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775807"),
            ("9223372036854775807", "9223372036854775808.0"),
            ("18446744073709551615", "1e300"),
            ("-1e300", "-9223372036854775808"),
            ("1.4999", "1.5"),
            ("-0.5", "0"),
        ] {
            let (less, more) = (number(less), number(more));
            assert_eq!(
                (compare(&less, &more), compare(&more, &less)),
                (Ordering::Less, Ordering::Greater),
                "{less} {more}"
            );
        }
        for (one, same) in [("1", "1.0"), ("-0.0", "0"), ("1e3", "1000"), ("9007199254740992", "9007199254740992.0")] {
            assert_eq!(compare(&number(one), &number(same)), Ordering::Equal);
        }
    }

    #[test]
    fn multiples_are_exact() {
        for (multiple, step) in [
            ("0.3", "0.1"),
            ("4.35", "0.01"),
            ("-9223372036854775808", "2"),
            ("1e308", "5e-324"),
            ("1e300", "1e299"),
            ("0", "7"),
            ("0.0075", "0.0001"),
            ("1e308", "0.5"),
            ("18446744073709551615", "5"),
            ("3", "1.5"),
        ] {
            assert!(is_multiple(&number(multiple), &number(step)), "{multiple} {step}");
        }
        for (other, step) in [
            ("0.35", "0.1"),
            ("9007199254740993", "2"),
            ("-9223372036854775808", "3"),
            ("9007199254740992", "3"),
            ("1e308", "0.123456789"),
            ("0.00751", "0.0001"),
            ("1", "10"),
            ("18446744073709551615", "2"),
            ("5e-324", "1"),
        ] {
            assert!(!is_multiple(&number(other), &number(step)), "{other} {step}");
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_are_as_integers_have_it(one: i64, other: u64, step in 1..u64::MAX) {
            let (a, b) = (Number::from(one), Number::from(other));
            prop_assert_eq!(compare(&a, &b), i128::from(one).cmp(&i128::from(other)));
            prop_assert_eq!(is_multiple(&b, &step.into()), other % step == 0);
            prop_assert_eq!(is_multiple(&Number::from((other % 1_000_000) * (step % 1_000_000)), &(step % 1_000_000).max(1).into()), true);
        }

        #[test]
        fn any_number_has_a_place(one: f64, other: f64) {
            if let (Some(a), Some(b)) = (Number::from_f64(one), Number::from_f64(other)) {
                prop_assert_eq!(Some(compare(&a, &b)), one.partial_cmp(&other));
                let _ = is_multiple(&a, &b);
                prop_assert!(is_multiple(&a, &a));
            }
        }
    }
}
