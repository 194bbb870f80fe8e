use std::{fs, time::Duration};

use futures::{FutureExt as _, future::join_all};

use super::*;
use crate::{
    config::journal::Fsync,
    journal::chain::JournalFault,
    journal::line::{self, Link},
    journal::verify::{JournalCheck, JournalReport, verify_journal},
};

fn verify(folder: &tempfile::TempDir) -> JournalReport {
    verify_journal(&JournalCheck { paths: vec![folder.path().to_owned()], ..JournalCheck::default() }).unwrap()
}

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
    let report = verify(&folder);
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
    let report = verify(&folder);
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
    let report = verify(&folder);
    assert_eq!((report.valid, report.files, report.end_is_noted), (true, 2, true));
    // With a record of each deletion.
    assert!(report.last.unwrap().sequence > 16);
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
    assert_eq!(verify(&folder).records, 101);
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
    assert_eq!(verify(&folder).records, 50);
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
    assert!(verify(&folder).valid);
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

/// A journal of ten records in four files, whose process has ended.
async fn ended() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let settings = JournalConfig { max_mb: 1, fsync: Fsync::Never, ..JournalConfig::default() };
    let lock = folder::lock(folder.path()).ok().unwrap();
    let writer = Writer::open(folder.path(), settings, lock).unwrap();
    let (jobs, waiting) = channel();
    let thread = thread::spawn(move || writer.run(&waiting));
    let journal = FileJournal { jobs, room: Arc::new(Semaphore::new(WAITING_KB)) };
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(300 << 10));
    for _ in 0..10 {
        journal.append(entry(&long)).await.unwrap();
    }
    drop(journal);
    thread.join().unwrap();
    folder
}

#[tokio::test]
async fn whatever_is_removed_from_a_journal_shows() {
    let whole = ended().await;
    assert!(verify(&whole).valid);
    let files = folder::files(whole.path()).unwrap();
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let lines: usize = texts.iter().map(|text| text.lines().count()).sum();
    // Any run of lines, which may be whole files.
    for from in 0..lines {
        for to in from + 1..=lines {
            let folder = tempfile::tempdir().unwrap();
            fs::copy(whole.path().join("journal.head"), folder.path().join("journal.head")).unwrap();
            let mut number = 0;
            for (file, text) in files.iter().zip(&texts) {
                let mut kept = String::new();
                for line in text.split_inclusive('\n') {
                    if !(from..to).contains(&number) {
                        kept += line;
                    }
                    number += 1;
                }
                if !kept.is_empty() || text.is_empty() {
                    fs::write(folder.path().join(file.file_name().unwrap()), kept).unwrap();
                }
            }
            if (from, to) == (0, lines) {
                fs::write(folder.path().join(folder::file_name(1)), "").unwrap();
            }
            let problem = verify(&folder).problem.unwrap_or_else(|| panic!("lines {from} to {to}"));
            assert_eq!(problem.what, JournalFault::Removed, "lines {from} to {to}: {problem:?}");
        }
    }
}

#[tokio::test]
async fn a_part_is_checked_alone_or_after_the_hash_before_it() {
    let folder = ended().await;
    let files = folder::files(folder.path()).unwrap();
    let check = |paths: &[PathBuf], after| {
        verify_journal(&JournalCheck { paths: paths.to_vec(), after, ..JournalCheck::default() }).unwrap()
    };
    for file in &files {
        assert!(check(std::slice::from_ref(file), None).valid, "{file:?}");
    }
    let before = check(&files[..2], None).last.unwrap().hash;
    assert_eq!(check(&files[2..], None).problem.unwrap().what, JournalFault::Removed);
    assert!(check(&files[2..], Some(before)).valid);
    assert!(!check(&files[1..], Some(before)).valid);
    // However it is named, a file is one file.
    let other_way = folder.path().join(".").join(files[0].file_name().unwrap());
    assert!(check(&[files[0].clone(), other_way, folder.path().to_owned()], None).valid);
}

#[tokio::test]
async fn an_end_that_was_cut_off_is_told_of_at_the_next_start_and_shows_for_good() {
    let folder = ended().await;
    fs::remove_file(folder::files(folder.path()).unwrap().pop().unwrap()).unwrap();
    let journal = journal(folder.path(), &JournalConfig::default());
    journal.append(entry("{}")).await.unwrap();
    let problem = verify(&folder).problem.unwrap();
    assert_eq!(problem.what, JournalFault::Removed);
    assert!(problem.message.contains("was here before") || problem.message.contains("were here before"), "{problem:?}");
}

#[tokio::test]
async fn an_end_that_was_written_anew_shows_by_its_head() {
    let folder = ended().await;
    let file = folder::files(folder.path()).unwrap().pop().unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let (rest, last) = text.trim_end().rsplit_once('\n').map_or(("", text.trim_end()), |(rest, last)| (rest, last));
    let last = line::read(last.as_bytes()).unwrap();
    let mut forged = if rest.is_empty() { String::new() } else { format!("{rest}\n") };
    let before = Link { sequence: last.link.sequence - 1, hash: last.prev };
    line::write(&mut forged, &entry("{\"forged\":true}"), std::time::SystemTime::now(), before);
    fs::write(&file, forged).unwrap();
    assert_eq!(verify(&folder).problem.unwrap().what, JournalFault::Changed);
}
