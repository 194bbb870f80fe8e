//! The table of requirements in `tests/README.md` names tests that there are.

use std::path::PathBuf;

/// Where the tests of the first part of a name stand.
fn file(place: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    match place.split_once('/') {
        Some((module, concept)) if root.join(format!("../modules/{module}")).is_dir() => {
            let beside = root.join(format!("../modules/{module}/src/{concept}/tests.rs"));
            if beside.exists() { beside } else { root.join(format!("../modules/{module}/src/{concept}.rs")) }
        }
        _ => root.join(format!("tests/{place}.rs")),
    }
}

#[test]
fn every_test_of_the_table_exists() {
    let table = include_str!("../README.md");
    let mut names = 0;
    for (place, test) in
        table.split('`').filter_map(|part| part.split_once("::")).filter(|(place, _)| !place.contains(' '))
    {
        if place == "file" {
            // The line that says how the names are made.
            continue;
        }
        let path = file(place);
        let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(test.is_empty() || source.contains(&format!("fn {test}(")), "{place}::{test} is not there");
        names += 1;
    }
    assert!(names > 30, "only {names} tests are named");
}
