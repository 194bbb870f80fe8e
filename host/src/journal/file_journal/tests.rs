use std::{fs, time::Duration};

use futures::{FutureExt as _, future::join_all};

use super::*;
use crate::{config::journal::Fsync, journal::verify::verify_journal};

fn entry(record: &str) -> Entry {
    Entry::new("m".into(), Vec::new(), record.to_owned()).unwrap()
}

/// A journal with these settings. It stays open, so each test has a folder of its own.
fn journal(folder: &Path, settings: &JournalConfig) -> Arc<FileJournal> {
    FileJournal::open(folder, settings).unwrap()
}

#[tokio::test]
async fn a_thousand_appenders_have_one_chain_and_few_syncs() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), &JournalConfig::default());
    let append = |number: usize| {
        let journal = journal.clone();
        tokio::spawn(async move { journal.append(entry(&format!("{{\"number\":{number}}}"))).await })
    };
    for appended in join_all((0..1000).map(append)).await {
        appended.unwrap().unwrap();
    }
    let report = verify_journal(&[folder.path().to_owned()], &[]).unwrap();
    assert_eq!((report.valid, report.records, report.files), (true, 1000, 1));
    let text = fs::read_to_string(folder.path().join(folder::file_name(1))).unwrap();
    for number in 0..1000 {
        assert_eq!(text.matches(&format!("{{\"number\":{number}}}")).count(), 1);
    }
}

#[tokio::test]
async fn the_chain_goes_on_in_the_next_file_and_old_files_are_deleted_only_if_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let settings = JournalConfig { max_mb: 1, fsync: Fsync::Never, ..JournalConfig::default() };
    let journal = journal(folder.path(), &settings);
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(300 << 10));
    for _ in 0..10 {
        journal.append(entry(&long)).await.unwrap();
    }
    let report = verify_journal(&[folder.path().to_owned()], &[]).unwrap();
    assert_eq!((report.valid, report.records, report.files), (true, 10, 4));
    for file in folder::files(folder.path()).unwrap() {
        assert!(fs::metadata(file).unwrap().len() <= 1 << 20);
    }
    // The same journal, as a reload of the configuration has it.
    let fewer = JournalConfig { keep_files: Some(2), ..settings };
    let again = FileJournal::open(folder.path(), &fewer).unwrap();
    assert!(Arc::ptr_eq(&journal, &again));
    for _ in 0..6 {
        again.append(entry(&long)).await.unwrap();
    }
    let report = verify_journal(&[folder.path().to_owned()], &[]).unwrap();
    assert_eq!((report.valid, report.files, report.last.unwrap().sequence), (true, 2, 16));
    assert!(report.first.unwrap().sequence > 1);
}

#[tokio::test]
async fn what_a_call_hands_over_is_kept_though_it_waits_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), &JournalConfig::default());
    for number in 0..100 {
        // Polled once, and dropped.
        let _ = journal.append(entry(&format!("{{\"number\":{number}}}"))).now_or_never();
    }
    journal.append(entry("{}")).await.unwrap();
    assert_eq!(verify_journal(&[folder.path().to_owned()], &[]).unwrap().records, 101);
}

#[tokio::test]
async fn more_records_than_may_wait_wait_for_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), &JournalConfig { fsync: Fsync::EverySecond, ..JournalConfig::default() });
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(1000 << 10));
    let appended = join_all((0..50).map(|_| journal.append(entry(&long)))).await;
    assert!(appended.into_iter().all(|appended| appended.is_ok()));
    // The room comes back right after the answers.
    while journal.room.available_permits() < WAITING_KB {
        tokio::task::yield_now().await;
    }
    assert_eq!(verify_journal(&[folder.path().to_owned()], &[]).unwrap().records, 50);
}

#[tokio::test]
async fn a_torn_line_is_told_of_in_the_journal_itself() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(folder::file_name(1)), "{\"seq\":1,\"ti").unwrap();
    let journal = journal(folder.path(), &JournalConfig::default());
    journal.append(entry("{}")).await.unwrap();
    let text = fs::read_to_string(folder.path().join(folder::file_name(1))).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["module"], serde_json::Value::Null);
    assert_eq!(first["record"]["cut_bytes"], 12);
    let torn = folder.path().join(first["record"]["kept_in"].as_str().unwrap());
    assert_eq!(fs::read_to_string(torn).unwrap(), "{\"seq\":1,\"ti\n");
    assert!(verify_journal(&[folder.path().to_owned()], &[]).unwrap().valid);
}

#[tokio::test]
async fn a_journal_that_others_change_refuses_records_without_naming_files() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), &JournalConfig::default());
    journal.append(entry("{}")).await.unwrap();
    let file = folder.path().join(folder::file_name(1));
    let whole = fs::read(&file).unwrap();
    fs::write(&file, "").unwrap();
    let error = journal.append(entry("{}")).await.unwrap_err();
    assert_eq!(error.message, "the journal cannot be written: the log of the host says why");
    // It goes on when what was there is there again.
    fs::write(&file, whole).unwrap();
    tokio::time::timeout(Duration::from_secs(60), journal.append(entry("{}"))).await.unwrap().unwrap();
}

#[cfg(unix)]
#[test]
fn only_its_user_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let journal_folder = folder.path().join("a/journal");
    let _journal = journal(&journal_folder, &JournalConfig::default());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&journal_folder), mode(&journal_folder.join(folder::file_name(1)))), (0o700, 0o600));
}
