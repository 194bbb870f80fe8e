//! The journal of processes: who may append, what a full disk and a killed process leave, and what `arcllm audit verify` says.

use std::{fs, process::Command, time::Duration};

use arcllm::Overrides;
use arcllm_simulator::{Format, Reply, Simulator};
use futures::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::audit::{ends, lines};
use crate::{
    config::stranger::{LOCAL, Scene},
    scene::{around, load, replies, say_hi, soon},
    serve::gateway::Gateway,
    support::{Chain, Folder, Output, built_in_module},
};

const CHAT: &str = "/v1/chat/completions";

/// The first file of a journal.
const FILE: &str = "journal/journal-00000000000000000001.jsonl";

fn question(streamed: bool) -> Value {
    json!({ "model": "sim", "stream": streamed, "messages": [{ "role": "user", "content": "Hi" }] })
}

/// A gateway whose calls are audited.
fn chain(provider: &Simulator) -> Chain {
    Chain::new().provider("sim", Format::OpenAi, &provider.url()).module("audit", "")
}

async fn run(folder: &Folder, arguments: &[&str]) -> Output {
    soon(folder.arcllm(arguments).unwrap().run()).await.unwrap()
}

/// What `audit verify` says of the journal in this folder.
async fn verify(folder: &Folder) -> (i32, Value) {
    let output = run(folder, &["audit", "verify", "journal", "--json"]).await;
    (output.code, output.json().unwrap_or_else(|error| panic!("{error}: {output:?}")))
}

/// A journal of four records, written by two calls.
async fn journal() -> (Folder, Vec<String>) {
    let a = replies([]).await;
    let folder = around(&a).module("audit", "").folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    for _ in 0..2 {
        soon(say_hi(&model)).await.unwrap();
    }
    let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
    (folder, text.split_inclusive('\n').map(str::to_owned).collect())
}

#[tokio::test]
async fn verify_prints_what_there_is() {
    let (folder, lines) = journal().await;
    let line: Value = serde_json::from_str(&lines[3]).unwrap();
    let hash = line["hash"].as_str().unwrap();
    let output = run(&folder, &["audit", "verify"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let times = regex(&output.stdout).replace(hash, "HASH");
    assert_snapshot!(times, @r"
    records  4 in 1 file
    first    1 at TIME
    last     4 at TIME
    hash     HASH
    The chain is right.
    ");
    let (code, json) = verify(&folder).await;
    assert_eq!(
        (code, &json["valid"], &json["records"], &json["last"]["hash"]),
        (0, &json!(true), &json!(4), &json!(hash))
    );
    assert_eq!(json["last"]["time"], line["time"]);
    let expect = |hash: String| ["audit".to_owned(), "verify".into(), "journal".into(), "--expect".into(), hash];
    for (hash, code) in [(hash.to_owned(), 0), ("0".repeat(64), 1), ("abc".to_owned(), 2)] {
        let output = soon(folder.arcllm(expect(hash)).unwrap().run()).await.unwrap();
        assert_eq!(output.code, code, "{output:?}");
    }
}

/// The text with each time replaced.
fn regex(text: &str) -> String {
    let word = |word: &str| if word.ends_with('Z') && word.contains('T') { "TIME".to_owned() } else { word.to_owned() };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn verify_names_the_first_place_that_is_wrong() {
    let (folder, lines) = journal().await;
    let wrong = async |lines: &[String]| {
        folder.write(FILE, lines.concat()).unwrap();
        let output = run(&folder, &["audit", "verify", FILE]).await;
        assert_eq!(output.code, 1);
        let told = output.stdout.lines().find(|line| line.starts_with("problem")).unwrap().to_owned();
        let (code, json) = verify(&folder).await;
        assert_eq!((code, &json["valid"]), (1, &json!(false)));
        format!("{}: {told}", json["problem"]["what"].as_str().unwrap())
    };
    let changed = |at: usize| {
        let mut lines = lines.clone();
        lines[at] = lines[at].replace("\"outcome\":\"ok\"", "\"outcome\":\"no\"");
        lines
    };
    assert_snapshot!(wrong(&changed(1)).await, @"changed: problem  journal/journal-00000000000000000001.jsonl, line 2: this line was changed: its hash does not fit its text");
    let removed = [lines[0].clone(), lines[2].clone(), lines[3].clone()];
    assert_snapshot!(wrong(&removed).await, @"removed: problem  journal/journal-00000000000000000001.jsonl, line 2: record 2 is missing before this line, which is record 3");
    let swapped = [0, 2, 1, 3].map(|at: usize| lines[at].clone());
    assert_snapshot!(wrong(&swapped).await, @"out_of_order: problem  journal/journal-00000000000000000001.jsonl, line 2: record 3 stands here, and record 2 comes later");
    let inserted = [0, 1, 1, 2, 3].map(|at: usize| lines[at].clone());
    assert_snapshot!(wrong(&inserted).await, @"inserted: problem  journal/journal-00000000000000000001.jsonl, line 3: this line was inserted: it is record 2, and record 3 comes next");
    let torn = [lines[0].clone(), lines[1][..40].to_owned()];
    assert_snapshot!(wrong(&torn).await, @"torn: problem  journal/journal-00000000000000000001.jsonl, line 2: the file ends in the middle of this line: its process was cut off, or is writing it now");
}

#[tokio::test]
async fn a_removed_beginning_or_end_shows() {
    let (folder, lines) = journal().await;
    let wrong = async |lines: &[String]| {
        folder.write(FILE, lines.concat()).unwrap();
        let (code, json) = verify(&folder).await;
        assert_eq!((code, &json["problem"]["what"]), (1, &json!("removed")), "{json}");
        json["problem"]["message"].as_str().unwrap().to_owned()
    };
    assert_snapshot!(wrong(&lines[1..]).await, @"record 1 is missing before this line. If they are kept elsewhere, give the hash of the last with --after");
    assert_snapshot!(wrong(&lines[..3]).await, @"the end was cut off: journal.head notes record 4, and record 3 is the last");
    assert_snapshot!(wrong(&[]).await, @"the end was cut off: journal.head notes record 4, and record 0 is the last");
    // The file alone is read with the head beside it.
    folder.write(FILE, lines[..3].concat()).unwrap();
    assert_eq!(run(&folder, &["audit", "verify", FILE]).await.code, 1);
}

/// Who removes records at the end would remove the note of them too.
#[tokio::test]
async fn a_journal_without_the_note_of_its_end_is_not_right_and_the_next_start_says_so_in_it() {
    let (folder, lines) = journal().await;
    let head = folder.path().join("journal/journal.head");
    folder.write(FILE, lines[..2].concat()).unwrap();
    for odd in [None, Some(""), Some("00000000000000000002 abc\n")] {
        fs::remove_file(&head).unwrap();
        odd.map_or(Ok(()), |odd| fs::write(&head, odd)).unwrap();
        let (code, json) = verify(&folder).await;
        assert_eq!((code, &json["problem"]["what"]), (1, &json!("removed")), "{json}");
        assert!(json["problem"]["message"].as_str().unwrap().starts_with("journal.head is missing"), "{json}");
        fs::write(&head, "").unwrap();
    }
    // Copied files are checked one by one.
    fs::remove_file(&head).unwrap();
    assert_eq!(run(&folder, &["audit", "verify", FILE]).await.code, 0);
    let provider = replies([]).await;
    let folder = chain(&provider).folder().unwrap().trusted();
    folder.write(FILE, lines[..2].concat()).unwrap();
    let output = run(&folder, &["invoke", "Hi"]).await;
    assert!(output.code == 0 && output.stderr.contains("journal.head is missing"), "{output:?}");
    let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
    let record: Value = serde_json::from_str(text.lines().nth(2).unwrap()).unwrap();
    assert_eq!(record["record"], json!({ "event": "head_missing", "found_seq": 2 }));
    let (code, json) = verify(&folder).await;
    assert_eq!((code, &json["problem"]["what"], &json["problem"]["line"]), (1, &json!("removed"), &json!(3)), "{json}");
}

/// What is moved away as logs are rotated elsewhere would take the next records with it.
#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_moved_away_while_it_is_in_use_gets_no_more_records() {
    let provider = replies([]).await;
    let gateway = Gateway::start(&chain(&provider)).await;
    assert_eq!(gateway.post(CHAT, &question(false)).await.status, 200);
    let there = gateway.folder.path().join(FILE);
    let before = fs::metadata(&there).unwrap().len();
    fs::rename(&there, there.with_extension("jsonl.1")).unwrap();
    let answer = gateway.post(CHAT, &question(false)).await;
    assert!(answer.status == 503 && !answer.body.contains("journal-"), "{answer:?}");
    assert_eq!((fs::metadata(there.with_extension("jsonl.1")).unwrap().len(), provider.requests().len()), (before, 1));
    fs::rename(there.with_extension("jsonl.1"), &there).unwrap();
    assert_eq!(gateway.post(CHAT, &question(false)).await.status, 200);
    assert_eq!(verify(&gateway.folder).await.0, 0);
}

#[cfg(unix)]
#[tokio::test]
async fn a_journal_under_another_name_has_one_process() {
    let provider = replies([]).await;
    let gateway = Gateway::start(&chain(&provider)).await;
    assert_eq!(gateway.post(CHAT, &question(false)).await.status, 200);
    let there = gateway.folder.path();
    let other =
        |name: &str| chain(&provider).table("journal", &format!("folder = {name:?}")).folder().unwrap().trusted();
    let (linked, hard) = (other("linked"), other("hard"));
    std::os::unix::fs::symlink(there.join("journal"), linked.path().join("linked")).unwrap();
    fs::create_dir(hard.path().join("hard")).unwrap();
    let name = FILE.strip_prefix("journal/").unwrap();
    fs::hard_link(there.join(FILE), hard.path().join("hard").join(name)).unwrap();
    for folder in [&linked, &hard] {
        let output = run(folder, &["invoke", "Hi"]).await;
        assert_eq!(output.code, 2, "{output:?}");
        assert!(output.stderr.contains("another process"), "{output:?}");
    }
    assert_eq!((provider.requests().len(), verify(&gateway.folder).await.0), (1, 0));
}

#[tokio::test]
async fn what_cannot_be_read_is_told_with_exit_2() {
    let folder = Folder::new("").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for (file, why) in [("nothing.jsonl", "No such file"), ("empty", "has no files of a journal")] {
        let output = run(&folder, &["audit", "verify", file]).await;
        assert_eq!((output.code, output.stdout.as_str()), (2, ""));
        assert!(output.stderr.contains(file) && output.stderr.contains(why), "{output:?}");
    }
}

#[tokio::test]
async fn the_command_leaves_no_call_unrecorded() {
    let provider = replies([]).await;
    let folder = chain(&provider).folder().unwrap();
    for (number, arguments) in [vec!["invoke", "Hi"], vec!["invoke", "--stream", "Hi"]].into_iter().enumerate() {
        let output = run(&folder, &arguments).await;
        assert_eq!(output.code, 0, "{output:?}");
        assert_eq!(ends(&folder).len(), number + 1);
    }
    assert_eq!(verify(&folder).await.0, 0);
}

#[tokio::test]
async fn many_calls_of_a_gateway_have_one_chain() {
    let provider = replies([]).await;
    let gateway = Gateway::start(&chain(&provider)).await;
    let calls = (0..100).map(|number| {
        let (gateway, question) = (&gateway, question(number % 2 == 0));
        async move { gateway.post(CHAT, &question).await.status }
    });
    assert!(soon(join_all(calls)).await.into_iter().all(|status| status == 200));
    // While it runs.
    let (code, json) = verify(&gateway.folder).await;
    assert_eq!((code, &json["records"]), (0, &json!(200)));
    let ended: Vec<Value> = ends(&gateway.folder).into_iter().map(|end| end["call"].clone()).collect();
    assert_eq!(ended.iter().collect::<std::collections::HashSet<_>>().len(), 100);
}

#[tokio::test]
async fn a_second_process_is_refused_by_name_of_the_lock() {
    let provider = replies([]).await;
    let gateway = Gateway::start(&chain(&provider)).await;
    assert_eq!(gateway.post(CHAT, &question(false)).await.status, 200);
    let output = run(&gateway.folder, &["invoke", "Hi"]).await;
    assert_eq!(output.code, 2, "{output:?}");
    let owner = format!("another process ({})", gateway.running.id());
    assert!(output.stderr.contains(&owner) && output.stderr.contains("journal.lock"), "{output:?}");
    // A check opens nothing.
    assert_eq!(run(&gateway.folder, &["check"]).await.code, 0);
    let folder = gateway.folder.path().to_owned();
    gateway.signal("KILL");
    let _ = soon(gateway.running.end()).await;
    drop(folder);
}

#[tokio::test]
async fn a_killed_process_leaves_the_beginning_of_its_call_and_the_chain_goes_on() {
    let provider = replies([Reply::text("Hi").delay(Duration::from_secs(100))]).await;
    let gateway = Gateway::start(&chain(&provider)).await;
    let (url, asked) = (gateway.url.clone(), question(false));
    let asking = tokio::spawn(async move {
        let _ = crate::serve::gateway::client().post(format!("{url}{CHAT}")).body(asked.to_string()).send().await;
    });
    soon(provider.wait_for_requests(1)).await;
    gateway.signal("KILL");
    let Gateway { folder, running, .. } = gateway;
    let _ = soon(running.end()).await;
    asking.abort();
    let before = lines(&folder);
    assert_eq!((before.len(), &before[0]["record"]["event"]), (1, &json!("begin")));
    // As if it had been writing.
    let file = folder.path().join(FILE);
    fs::write(&file, fs::read_to_string(&file).unwrap() + "{\"seq\":2,").unwrap();
    let output = run(&folder, &["invoke", "Hi"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains("was not written to its end: its 9 bytes were moved to"), "{output:?}");
    let after = lines(&folder);
    assert_eq!((after.len(), &after[1]["module"], &after[1]["record"]["cut_bytes"]), (4, &Value::Null, &json!(9)));
    assert_eq!(verify(&folder).await.0, 0);
}

/// Sets how large files of this process may become; `None` is as large as there is room.
#[cfg(target_os = "linux")]
fn limit_files(gateway: &Gateway, bytes: Option<usize>) {
    let limit = bytes.map_or_else(|| "--fsize=unlimited".to_owned(), |bytes| format!("--fsize={bytes}:unlimited"));
    let id = gateway.running.id().to_string();
    assert!(Command::new("prlimit").args(["--pid", &id, &limit]).status().unwrap().success());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_refuses_calls_leaves_no_half_line_and_ends() {
    let provider = replies([]).await;
    let folder = chain(&provider).folder().unwrap().trusted();
    let command = folder.arcllm(["serve", "--listen", "127.0.0.1:0"]).unwrap().with_full_files_as_errors();
    let gateway = Gateway::run(folder, command).await;
    assert_eq!(gateway.post(CHAT, &question(false)).await.status, 200);
    let length = usize::try_from(fs::metadata(gateway.folder.path().join(FILE)).unwrap().len()).unwrap();
    for more in [0, 10, 200] {
        limit_files(&gateway, Some(length + more));
        for streamed in [false, true] {
            let answer = gateway.post(CHAT, &question(streamed)).await;
            assert_eq!(answer.status, 503, "{answer:?}");
            assert!(answer.body.contains("lets no call through while it cannot record it"), "{answer:?}");
            assert!(!answer.body.contains("/"), "no file of the operator: {answer:?}");
        }
        assert_eq!(fs::metadata(gateway.folder.path().join(FILE)).unwrap().len(), u64::try_from(length).unwrap());
    }
    assert_eq!(provider.requests().len(), 1);
    limit_files(&gateway, None);
    assert_eq!(gateway.post(CHAT, &question(true)).await.status, 200);
    let (code, json) = verify(&gateway.folder).await;
    assert_eq!((code, &json["records"]), (0, &json!(4)));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told_at_the_start() {
    let provider = replies([]).await;
    let folder = chain(&provider).table("journal", "folder = \"config.toml/journal\"").folder().unwrap().trusted();
    for arguments in [&["invoke", "Hi"][..], &["check"], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = run(&folder, arguments).await;
        assert_eq!(output.code, 2, "{output:?}");
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.contains("`journal.folder` is \"config.toml/journal\", which cannot be used: "), "{said}");
        let line = fs::read_to_string(folder.path().join("config.toml")).unwrap();
        let line = line.lines().position(|line| line.starts_with("folder")).unwrap() + 1;
        assert!(said.contains(&format!("config.toml:{line}:")), "{said}");
    }
    assert_eq!(provider.requests().len(), 0);
}

#[tokio::test]
async fn without_a_configuration_file_there_is_no_folder() {
    let provider = replies([]).await;
    let host = arcllm::Host::builder().config(arcllm::Config::parse(&chain(&provider).to_string(), None).unwrap());
    let error = soon(host.build().unwrap().load_model("sim", Overrides::new())).await.unwrap_err();
    assert_eq!(error.key.as_deref(), Some("journal.folder"));
    assert!(error.to_string().contains("a module appends to the journal"), "{error}");
}

#[tokio::test]
async fn a_stranger_writes_only_into_the_folder_of_the_configuration() {
    let audit = format!("{LOCAL}[modules.audit]\nenabled = true\n");
    Scene::of(&audit).await.answered(&[]).await;
    for folder in ["../elsewhere", "/tmp/arcllm-elsewhere"] {
        let refused = Scene::of(&format!("{audit}[journal]\nfolder = {folder:?}")).await.refused(&[]).await;
        assert!(refused.contains("`journal.folder` would write what modules record into"), "{refused}");
        assert!(!std::path::Path::new("/tmp/arcllm-elsewhere").exists());
    }
}

#[tokio::test]
async fn a_module_of_somebody_else_needs_the_grant() {
    let a = replies([]).await;
    let wasm = fs::read(built_in_module("audit")).unwrap();
    let folder = |allow: &str| {
        let chain = around(&a).host("order = [\"mine\"]").module("mine", "").table("modules.mine.sandbox", allow);
        let folder = chain.folder().unwrap().trusted();
        folder.write("modules/mine.wasm", &wasm).unwrap();
        folder
    };
    let output = run(&folder(""), &["invoke", "Hi"]).await;
    assert_eq!(output.code, 2, "{output:?}");
    assert!(
        output.stderr.contains(
            "does not grant `journal`, which modules/mine.wasm imports (it would append records to the journal)"
        ),
        "{output:?}"
    );
    let granted = folder("allow = [\"journal\"]");
    assert_eq!(run(&granted, &["invoke", "Hi"]).await.code, 0);
    assert_eq!(lines(&granted)[0]["module"], json!("mine"));
    let output = run(&granted, &["module", "inspect", "modules/mine.wasm"]).await;
    assert!(output.stdout.contains("append records to the journal (with the grant `journal`)"), "{output:?}");
}
