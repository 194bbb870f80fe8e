use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::layers::{check, host, order::Order, other};

const ORDER: &str = "# Rooms\n\nImports run one way: `chat` <- `call`. `cargo xtask layers` checks it.\n";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What is found in a crate of these files.
fn problems(architecture: Option<&str>, files: &[(&str, &str)]) -> Vec<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = env::temp_dir().join(format!("arcllm-layers-{}-{number}", process::id()));
    for (name, text) in files {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let found = check(&folder, architecture);
    fs::remove_dir_all(&folder).unwrap();
    found.unwrap()
}

#[test]
fn the_host_has_no_circle_and_keeps_its_order() {
    let problems = host(&workspace()).unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn assert_no_circle(folder: &str) {
    let problems = other(&workspace(), folder).unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_command_has_no_circle() {
    assert_no_circle("host/cli/src");
}

#[test]
fn the_sdk_has_no_circle() {
    assert_no_circle("modules/sdk/src");
}

#[test]
fn the_kit_has_no_circle() {
    assert_no_circle("tests/src");
}

#[test]
fn a_circle_is_printed_with_its_imports() {
    let found = problems(
        None,
        &[
            ("lib.rs", "mod a; mod b; mod c; use a::A;"),
            ("a.rs", "use crate::{b::{B, Other as _}, c}; pub struct A(c::C);"),
            ("b.rs", "pub struct B; pub trait Other {} fn f() { super::c::C; }"),
            ("c.rs", "pub struct C; mod inner { impl T for super::super::a::A {} }"),
        ],
    );
    assert_eq!(
        found,
        ["a circle of imports (one of those that tie 3 files):\n  \
          a.rs imports c.rs (`c::C`)\n  \
          c.rs imports a.rs (`super::super::a::A`)"]
    );
}

#[test]
fn a_parent_and_a_child_that_import_each_other_are_a_circle() {
    let found = problems(
        None,
        &[
            ("main.rs", "mod room; use room::enter;"),
            ("room/mod.rs", "mod door; pub struct Key; pub fn enter() { door::open(Key) }"),
            ("room/door.rs", "use super::*; pub fn open(_: Key) {}"),
        ],
    );
    assert_eq!(
        found,
        ["a circle of imports:\n  \
          room/door.rs imports room/mod.rs (`super::*`)\n  \
          room/mod.rs imports room/door.rs (`door::open`)"]
    );
}

#[test]
fn a_path_through_a_re_export_leads_to_the_definition() {
    let files = [
        ("lib.rs", "mod room; mod user; pub use room::Door as Gate; pub fn start() { user::run() }"),
        ("room/mod.rs", "mod door; mod key; pub(crate) use self::{door::*, key::Key};"),
        ("room/door.rs", "pub struct Door(super::Key);"),
        ("room/key.rs", "pub struct Key;"),
        ("user.rs", "use crate::{Gate, room::{self, Door}}; pub fn run() { room::Key; }"),
    ];
    assert_eq!(problems(None, &files), [""; 0]);
    let tied =
        problems(None, &[&files[..3], &[("room/key.rs", "use crate::Gate; pub struct Key;"), files[4]]].concat());
    assert_eq!(
        tied,
        ["a circle of imports:\n  \
          room/door.rs imports room/key.rs (`super::Key`)\n  \
          room/key.rs imports room/door.rs (`crate::Gate`)"]
    );
}

#[test]
fn a_re_export_by_a_file_without_modules_is_an_import() {
    let found = problems(
        None,
        &[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub use crate::b::B; pub struct A;"),
            ("b.rs", "pub use super::a::A; pub struct B;"),
        ],
    );
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn paths_in_macros_are_imports() {
    let found = problems(
        None,
        &[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "macro_rules! make { () => { $crate::b::B } } pub struct A;"),
            ("b.rs", "use crate::a; pub struct B; fn f() { println!(\"{}\", g(a::A)) }"),
        ],
    );
    assert_eq!(found.len(), 1, "{found:?}");
    let harmless = problems(
        None,
        &[("lib.rs", "mod a; use a::A;"), ("a.rs", "thread_local! { pub(crate) static A: u8 = const { 1 }; }")],
    );
    assert_eq!(harmless, [""; 0]);
}

#[test]
fn a_module_by_itself_is_no_import() {
    let found = problems(
        None,
        &[
            ("lib.rs", "mod room;"),
            ("room/mod.rs", "mod a; mod b; pub fn enter() { a::A; }"),
            ("room/a.rs", "use crate::room; pub struct A(room::b::B);"),
            ("room/b.rs", "pub struct B;"),
        ],
    );
    assert_eq!(found, [""; 0]);
}

#[test]
fn what_only_tests_and_fuzzing_use_is_left_out() {
    let found = problems(
        Some(ORDER),
        &[
            ("lib.rs", "mod call; mod chat; #[cfg(any(test, fuzzing))] mod fuzzing;"),
            ("call/mod.rs", "use crate::chat::Text; pub struct Call; mod stage;"),
            ("call/stage.rs", "this is no Rust"),
            ("fuzzing/mod.rs", "neither is this"),
            (
                "chat.rs",
                "pub struct Text; impl Text { #[cfg(test)] fn a() { crate::call::Call; } }
                 #[cfg(all(test, unix))] use crate::call;
                 #[cfg(test)] mod tests { use crate::call::Call; }",
            ),
        ],
    );
    assert_eq!(found, [""; 0]);
    let built =
        "pub struct Text; #[cfg(any(unix, test))] use crate::call::Call; #[cfg(not(test))] use crate::call::Call as _;";
    let found = problems(
        Some(ORDER),
        &[("lib.rs", "mod call; mod chat;"), ("call.rs", "pub struct Call;"), ("chat.rs", built)],
    );
    assert_eq!(found, ["chat.rs imports call.rs (`crate::call::Call`), but `chat` stands before `call`"]);
}

#[test]
fn an_import_of_a_later_room_is_named() {
    let files = [
        ("lib.rs", "mod call; mod chat; pub struct Everything;"),
        ("call/mod.rs", "pub(crate) mod call;"),
        ("call/call.rs", "use crate::chat::text::Text;"),
        ("chat/mod.rs", "pub(crate) mod text;"),
    ];
    let with = |text| problems(Some(ORDER), &[&files[..], &[("chat/text.rs", text)]].concat());
    assert_eq!(with("pub struct Text;"), [""; 0]);
    let upwards = "pub struct Text; type All = crate::Everything;";
    assert_eq!(with(upwards), ["chat/text.rs imports lib.rs (`crate::Everything`), but `chat` stands before `lib`"]);
    assert_eq!(with("pub struct Text; use super::super::call::call::*;").len(), 2, "a circle and the order");
}

#[test]
fn a_folder_without_a_crate_is_an_error() {
    let error = check(&env::temp_dir().join("arcllm-layers-missing"), None).unwrap_err().to_string();
    assert!(error.contains("neither lib.rs nor main.rs"), "{error}");
}

#[test]
fn the_order_has_each_room_once_and_no_other() {
    let files = [("lib.rs", "mod attic; mod chat;"), ("attic.rs", ""), ("chat/mod.rs", "")];
    let line = "Imports run one way: ";
    assert_eq!(
        problems(Some(ORDER), &files),
        [
            format!("the room `attic` is missing from the line {line:?}"),
            format!("the line {line:?} names `call`, but there is no such room"),
        ]
    );
    let read = |text: &str| Order::read(text).map(|_| ()).unwrap_err().to_string();
    assert!(read("Imports run one way.").contains("no line begins with"));
    assert!(read(&[ORDER, ORDER].concat()).contains("two lines"));
    assert!(read("Imports run one way: chat, call").contains("is not a list such as"));
}
