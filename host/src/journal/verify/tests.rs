use std::{fs, time::UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::journal::{journal::Entry, line::Link};

/// A journal of so many lines.
fn journal(count: usize) -> Vec<String> {
    let mut link = Link::START;
    let line = |number| {
        let mut line = String::new();
        let entry = Entry::new("audit".into(), Vec::new(), format!("{{\"number\":{number}}}")).unwrap();
        link = line::write(&mut line, &entry, UNIX_EPOCH, link);
        line
    };
    (0..count).map(line).collect()
}

/// The line after `link` with this record, with a hash that fits.
fn forged(after: Link, record: &str) -> String {
    let mut line = String::new();
    line::write(&mut line, &Entry::new("audit".into(), Vec::new(), record.to_owned()).unwrap(), UNIX_EPOCH, after);
    line
}

fn link(line: &str) -> Link {
    line::read(line.trim_end().as_bytes()).unwrap().link
}

fn check(lines: &[String], expected: &[Hash]) -> JournalReport {
    let folder = tempfile::tempdir().unwrap();
    // In two files, as after a rotation.
    let (one, other) = lines.split_at(lines.len() / 2);
    for (number, lines) in [(1, one), (2, other)] {
        fs::write(folder.path().join(folder::file_name(number)), lines.concat()).unwrap();
    }
    // Without the note that a host writes beside them.
    let paths = [1, 2].map(|number| folder.path().join(folder::file_name(number))).to_vec();
    verify_journal(&JournalCheck { paths, expected: expected.to_vec(), after: None }).unwrap()
}

/// What is wrong, and at which line of all files together.
fn wrong(lines: &[String]) -> Option<(JournalFault, usize)> {
    let report = check(lines, &[]);
    let problem = report.problem?;
    assert!(!report.valid);
    let file = problem.file.unwrap();
    let before = if file.ends_with(folder::file_name(1)) { 0 } else { lines.len() / 2 };
    Some((problem.what, before + usize::try_from(problem.line.unwrap()).unwrap()))
}

#[test]
fn a_journal_as_it_was_written_is_right() {
    let lines = journal(9);
    let last = link(&lines[8]).hash;
    let report = check(&lines, &[link(&lines[3]).hash, last]);
    assert!(report.valid && report.problem.is_none());
    assert_eq!((report.records, report.files), (9, 2));
    let (first, end) = (report.first.unwrap(), report.last.unwrap());
    assert_eq!((first.sequence, first.time.as_str(), end.sequence, end.hash), (1, "1970-01-01T00:00:00.000Z", 9, last));
}

#[test]
fn lines_before_the_first_may_only_be_missing_if_the_journal_says_that_they_were_deleted() {
    let mut lines = journal(9);
    assert_eq!(wrong(&lines[4..]), Some((JournalFault::Removed, 1)));
    let mut own = String::new();
    let deleted =
        Entry { module: "".into(), inside: Vec::new(), record: "{\"event\":\"deleted\",\"before\":5}".to_owned() };
    line::write(&mut own, &deleted, UNIX_EPOCH, link(&lines[8]));
    lines.push(own.clone());
    assert_eq!((check(&lines[4..], &[]).valid, check(&lines[3..], &[]).valid), (true, true));
    assert_eq!(wrong(&lines[5..]), Some((JournalFault::Removed, 1)));
    // A module cannot say so.
    lines[9] = forged(link(&lines[8]), "{\"event\":\"deleted\",\"before\":5}");
    assert_eq!(wrong(&lines[4..]), Some((JournalFault::Removed, 1)));
}

#[test]
fn a_cut_end_shows_by_a_hash_that_was_noted() {
    let lines = journal(9);
    let noted = link(&lines[8]).hash;
    assert!(check(&lines[..7], &[]).valid);
    let report = check(&lines[..7], &[noted]);
    let problem = report.problem.unwrap();
    assert_eq!((report.valid, problem.what, problem.file), (false, JournalFault::Unknown, None));
    assert!(problem.message.contains(&noted.to_string()));
}

#[test]
fn somebody_who_computes_hashes_anew_is_found_at_the_next_line() {
    let lines = journal(9);
    let mut changed = lines.clone();
    changed[4] = forged(link(&lines[3]), "{\"number\":\"forged\"}");
    assert_eq!(wrong(&changed), Some((JournalFault::Changed, 5)));
    let mut inserted = lines.clone();
    inserted.insert(4, forged(link(&lines[3]), "{}"));
    assert_eq!(wrong(&inserted), Some((JournalFault::Inserted, 5)));
    // After a change of everything that follows, only a noted hash helps.
    let mut rest = lines[..4].to_vec();
    for _ in 4..9 {
        rest.push(forged(link(rest.last().unwrap()), "{}"));
    }
    assert_eq!(wrong(&rest), None);
    assert!(!check(&rest, &[link(&lines[8]).hash]).valid);
}

#[test]
fn a_first_line_has_to_be_the_first() {
    let lines = journal(4);
    let forged = forged(Link { sequence: 0, hash: link(&lines[3]).hash }, "{}");
    assert_eq!(wrong(&[forged]), Some((JournalFault::Changed, 1)));
    assert_eq!(wrong(&["{}\n".to_owned(), lines[0].clone()]), Some((JournalFault::Changed, 1)));
}

#[test]
fn a_line_may_be_longer_than_memory_should_be() {
    let mut lines = journal(4);
    lines.insert(1, format!("{}\n", "x".repeat(5 << 20)));
    assert_eq!(wrong(&lines), Some((JournalFault::Inserted, 2)));
    lines[1] = "y".repeat(5 << 20);
    let torn = [lines[0].clone(), lines[1].clone()];
    assert_eq!(wrong(&torn), Some((JournalFault::Torn, 2)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn one_byte_more_or_less_or_other_is_found_at_its_line(count in 2..12_usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3) {
        let lines = journal(count);
        let at = at.index(count);
        let mut bytes = lines[at].clone().into_bytes();
        let position = usize::from(byte) % (bytes.len() - 1);
        match how {
            0 => bytes[position] ^= 1 + byte % 127,
            1 => drop(bytes.remove(position)),
            _ => bytes.insert(position, b'0' + byte % 10),
        }
        // A line end would make two lines of it.
        prop_assume!(!bytes[..bytes.len() - 1].contains(&b'\n') && String::from_utf8(bytes.clone()).is_ok());
        let mut changed = lines.clone();
        changed[at] = String::from_utf8(bytes).unwrap();
        prop_assume!(changed[at] != lines[at]);
        prop_assert_eq!(wrong(&changed), Some((JournalFault::Changed, at + 1)));
    }

    #[test]
    fn what_is_removed_swapped_inserted_or_cut_is_found_at_its_line(count in 4..12_usize, at in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
        let lines = journal(count);
        // Not the first: a journal may begin later. Not the last: only a noted hash shows that.
        let at = 1 + at.index(count - 2);
        let mut removed = lines.clone();
        removed.remove(at);
        prop_assert_eq!(wrong(&removed), Some((JournalFault::Removed, at + 1)));

        let other = 1 + other.index(count - 1);
        if other != at {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            prop_assert_eq!(wrong(&swapped), Some((JournalFault::OutOfOrder, at.min(other) + 1)));
        }

        let mut repeated = lines.clone();
        repeated.insert(at + 1, lines[other.min(at)].clone());
        prop_assert_eq!(wrong(&repeated), Some((JournalFault::Inserted, at + 2)));

        let mut inserted = lines.clone();
        inserted.insert(at, "{\"seq\":1}\n".to_owned());
        prop_assert_eq!(wrong(&inserted), Some((JournalFault::Inserted, at + 1)));

        let mut torn = lines[..=at].to_vec();
        torn[at].pop();
        prop_assert_eq!(wrong(&torn), Some((JournalFault::Torn, at + 1)));
    }
}

#[cfg(unix)]
#[test]
fn only_ordinary_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe, PathBuf::from("/dev/zero")] {
        let error = verify_journal(&JournalCheck { paths: vec![path], ..JournalCheck::default() }).unwrap_err();
        assert!(error.to_string().contains("it is no ordinary file"), "{error}");
    }
}
