//! The tables of requirements (`tests/README.md`) and of threats (`docs/threat-model.md`) name tests that exist.

use std::path::PathBuf;

use crate::support::root;

/// The file that the first part of a name means.
fn file(place: &str) -> PathBuf {
    let root = root().join("tests");
    let first = |places: &[String]| {
        let mut paths = places.iter().map(|place| root.join(place));
        paths.find(|path| path.exists()).unwrap_or_else(|| panic!("`{place}`: none of {places:?} exists"))
    };
    match place.split_once('/') {
        Some((module, concept)) if root.join(format!("../modules/{module}")).is_dir() => {
            first(&["/tests.rs", ".rs"].map(|file| format!("../modules/{module}/src/{concept}{file}")))
        }
        Some(("host", part)) => first(&["/tests.rs", "/mod.rs", ".rs"].map(|file| format!("../host/src/{part}{file}"))),
        // `memory` and `limits` are programs of their own.
        _ => first(&[format!("tests/{place}.rs"), format!("{place}/main.rs")]),
    }
}

/// Checks that each test that a table names exists, and counts them.
fn named(table: &str) -> usize {
    let mut names = 0;
    for (place, test) in
        table.split('`').filter_map(|part| part.split_once("::")).filter(|(place, _)| !place.contains(' '))
    {
        if place == "file" {
            // The line that explains the names.
            continue;
        }
        let path = file(place);
        let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            test.is_empty() || source.contains(&format!("fn {test}(")),
            "`{place}::{test}`: {} has no such test",
            path.display()
        );
        names += 1;
    }
    names
}

#[test]
fn every_test_in_the_table_exists() {
    let table = include_str!("../README.md");
    let names = named(table);
    assert!(names > 30, "only {names} tests are named");

    // The checks of the kit, too.
    let folder = |name: &str| std::fs::read_dir(root().join("tests").join(name)).unwrap();
    let files = folder("src/kit").chain(folder("scenarios")).map(|file| file.unwrap().path());
    let kit: String = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let checks: Vec<_> = table.split("kit \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(checks.len() > 3, "only {checks:?}");
    for check in checks {
        assert!(kit.contains(&format!("\"{check}\"")), "the kit has no check \"{check}\"");
    }
}

#[test]
fn every_threat_names_tests_that_exist() {
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
