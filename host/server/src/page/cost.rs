//! What calls cost.

use arcllm::Attempt;

/// What the attempts of a call cost, in the currency of the prices, as far as it is known. `None` if nothing is.
pub(crate) fn of_call(trail: &[Attempt]) -> Option<f64> {
    trail.iter().filter_map(|attempt| attempt.cost).reduce(|sum, cost| sum + cost)
}

#[cfg(test)]
mod tests {
    use arcllm::Outcome;

    use super::*;

    #[test]
    fn each_attempt_that_has_a_cost_counts() {
        let attempt = |cost: Option<f64>| {
            let mut attempt = Attempt::new("p", "m", Outcome::Ok);
            attempt.cost = cost;
            attempt
        };
        assert_eq!(of_call(&[attempt(Some(1.0)), attempt(None), attempt(Some(2.0))]), Some(3.0));
        assert_eq!(of_call(&[attempt(None)]), None);
        assert_eq!(of_call(&[]), None);
    }
}
