use super::*;

fn limit(label: Option<&str>, value: Option<&str>, cost: Option<f64>, tokens: Option<u64>) -> Limit {
    Limit { label: label.map(str::to_owned), value: value.map(str::to_owned), window: Window::Day, cost, tokens }
}

fn policy(limits: Vec<Limit>) -> Policy {
    Policy::new(Settings { limits, ..Settings::default() })
}

fn team(value: &'static str) -> impl Fn(&str) -> Option<String> {
    move |label| (label == "team").then(|| value.to_owned())
}

/// The keys and limits of a call.
fn held(policy: &Policy, label: impl Fn(&str) -> Option<String>) -> Vec<(String, i64)> {
    policy.counters(label).unwrap().into_iter().map(|counter| (counter.key, counter.most)).collect()
}

#[test]
fn each_number_of_a_limit_has_a_counter_of_its_own() {
    let policy = policy(vec![limit(None, None, Some(2.5), Some(7)), limit(Some("team"), None, Some(1.0), None)]);
    let all = [("cost/day".to_owned(), 2_500_000), ("tokens/day".to_owned(), 7)];
    assert_eq!(held(&policy, team("a")), [&all[..], &[("cost/day/team=a".to_owned(), 1_000_000)]].concat());
    // Calls without the label have one together, which no value of the label can be.
    assert_eq!(held(&policy, |_| None), [&all[..], &[("cost/day/team".to_owned(), 1_000_000)]].concat());
    assert_eq!(held(&policy, team(""))[2].0, "cost/day/team=");
}

#[test]
fn a_limit_for_a_value_stands_in_the_place_of_that_for_all() {
    let all = limit(Some("team"), None, Some(1.0), None);
    let search = limit(Some("team"), Some("search"), Some(100.0), None);
    let hourly = Limit { window: Window::Hour, ..all.clone() };
    let policy = policy(vec![all, search, hourly]);
    let keys = |value| held(&policy, team(value)).into_iter().map(|(_, most)| most).collect::<Vec<_>>();
    assert_eq!(keys("search"), [100_000_000, 1_000_000]);
    assert_eq!(keys("other"), [1_000_000, 1_000_000]);
}

#[test]
fn a_call_that_does_not_say_whose_it_is_is_refused_if_set_and_a_long_label_always() {
    let limits = vec![limit(Some("team"), None, Some(1.0), None)];
    let settings = Settings { limits, without_label: WithoutLabel::Refuse, ..Settings::default() };
    let policy = Policy::new(settings);
    assert_eq!(policy.counters(|_| None).unwrap_err(), "it lacks the label `team`, which has a limit");
    let long = policy.counters(|_| Some("x".repeat(401))).unwrap_err();
    assert_eq!(long, "its label `team` has 401 bytes, and 400 is the most");
    let longest = policy.counters(|_| Some("x".repeat(400))).unwrap();
    assert!(longest.iter().all(|counter| counter.key.len() < 500));
}

#[test]
fn a_refusal_names_label_window_what_is_left_and_when_it_resets() {
    let policy = policy(vec![limit(Some("team"), None, Some(50.0), Some(1000))]);
    let [cost, tokens] = policy.counters(team("a\n")).unwrap().try_into().unwrap();
    assert_eq!(
        cost.refusal(49_500_000, 1_250_000, Some(Duration::from_secs(18_000))),
        r"the limit of 50.00 a day for team `a\n` has 0.50 left, and this call may use up to 1.25. It resets in 5 h."
    );
    assert_eq!(
        tokens.refusal(1200, 10, Some(Duration::from_millis(1500))),
        r"the limit of 1000 tokens a day for team `a\n` has 0 tokens left, and this call may use up to 10 tokens. It resets in 2 s."
    );
    assert_eq!(
        tokens.refusal(0, 1001, None),
        r"it may use up to 1001 tokens, which is more than all of the limit of 1000 tokens a day for team `a\n`: ask for a shorter answer"
    );
    assert!(cost.is_near(40_000_000) && !cost.is_near(39_999_999));
    assert_eq!(cost.share(40_000_000), r"80% of the limit of 50.00 a day for team `a\n`");
}

#[test]
fn money_has_the_digits_that_it_needs() {
    for (amount, text) in
        [(0, "0.00"), (1, "0.000001"), (1_500_000, "1.50"), (1_234_500, "1.2345"), (12_000_000, "12.00")]
    {
        assert_eq!(money(amount), text);
    }
}
