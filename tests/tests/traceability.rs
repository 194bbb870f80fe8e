//! The tables of requirements (`tests/README.md`) and of threats (`docs/threat-model.md`) name tests that there are.

use std::path::PathBuf;

use crate::support::root;

/// Where the tests of the first part of a name stand.
fn file(place: &str) -> PathBuf {
    let root = root().join("tests");
    let first = |places: &[String]| {
        let mut paths = places.iter().map(|place| root.join(place));
        paths.find(|path| path.exists()).unwrap_or_else(|| panic!("`{place}` is none of {places:?}"))
    };
    match place.split_once('/') {
        Some((module, concept)) if root.join(format!("../modules/{module}")).is_dir() => {
            first(&["/tests.rs", ".rs"].map(|file| format!("../modules/{module}/src/{concept}{file}")))
        }
        Some(("host", part)) => first(&["/tests.rs", "/mod.rs", ".rs"].map(|file| format!("../host/src/{part}{file}"))),
        // A program of its own, as `memory` is, stands beside the tests.
        _ => first(&[format!("tests/{place}.rs"), format!("{place}/main.rs")]),
    }
}

/// How many tests a table names, all of which exist.
fn named(table: &str) -> usize {
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
    names
}

#[test]
fn every_test_of_the_table_exists() {
    let names = named(include_str!("../README.md"));
    assert!(names > 30, "only {names} tests are named");
}

#[test]
fn every_threat_that_is_met_names_tests_that_there_are() {
    let model = include_str!("../../docs/threat-model.md");
    let names = named(model);
    assert!(names > 30, "only {names} tests are named");
    let threats = model.split("\n## Threats\n").nth(1).unwrap().split("\n## ").next().unwrap();
    for row in threats.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| threat |")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [_, met, place, shown] = &*cells else { panic!("not four cells: {row}") };
        assert!(!met.trim().is_empty() && shown.contains("::"), "nothing shows: {row}");
        for path in place.split('`').filter(|part| part.contains('/')) {
            let path = root().join(path);
            assert!(path.exists(), "{} is not there: {row}", path.display());
        }
    }
}
