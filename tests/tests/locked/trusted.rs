//! A lock is as trusted as the configuration beside it.

use super::stage::{CONFIG, Place};
use crate::{scene::soon, support::Output};

/// Runs the command so that it finds the configuration in the working directory.
async fn found(place: &Place, arguments: &[&str]) -> Output {
    soon(place.folder.arcllm(arguments).unwrap().env("ARCLLM_CONFIG", "").run()).await.unwrap()
}

#[tokio::test]
async fn a_strangers_configuration_gets_no_modules_and_a_trusted_one_stays_trusted() {
    let place = Place::new().await;
    let file = place.file("upper", "upper.wasm");
    let add = ["module", "add", &file, "--yes", "--enable"];
    let output = found(&place, &add).await;
    assert!(output.code == 2 && output.stderr.contains("`arcllm trust config.toml`"), "{output:?}");
    assert_eq!(place.text("config.toml"), CONFIG.replace("URL", &place.provider.url()));

    assert_eq!(found(&place, &["trust"]).await.code, 0);
    assert_eq!(found(&place, &add).await.code, 0);
    let output = found(&place, &["invoke", "Hi"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "the command changed it, as its user asked");

    // Somebody else changes the lock alone.
    place.folder.write("arcllm.lock", format!("{}# more\n", place.text("arcllm.lock"))).unwrap();
    let output = found(&place, &["invoke", "Hi"]).await;
    assert!(output.code == 2 && output.stderr.contains("the arcllm.lock beside it has changed"), "{output:?}");
    // A command by the name of the file does not make that trusted.
    place.succeeds(&["module", "update", "--yes"]).await;
    place.succeeds(&["module", "remove", "upper"]).await;
    assert_eq!(found(&place, &["module", "verify"]).await.code, 2);
    assert_eq!(found(&place, &["trust"]).await.code, 0);
    assert_eq!(found(&place, &["module", "verify"]).await.code, 0);
    std::fs::remove_file(place.folder.path().join("arcllm.lock")).unwrap();
    let output = found(&place, &["module", "verify"]).await;
    assert!(output.code == 2, "without its lock, its files are not pinned: {output:?}");
    assert_eq!(found(&place, &["trust", "--forget"]).await.code, 0);
    assert_eq!(found(&place, &["trust", "--list"]).await.stdout, "no configuration is trusted\n");
}

#[tokio::test]
async fn a_strangers_keys_are_not_read() {
    let place = Place::with("\n[trust]\nkeys = [\"/dev/zero\", \"/etc/shadow\"]\nrequire_signature = true\n").await;
    place.file("upper", "modules/mine.wasm");
    let more = format!("{}\n[host]\norder = [\"mine\"]\n[modules.mine]\nenabled = true\n", place.text("config.toml"));
    place.folder.write("config.toml", more).unwrap();
    let output = found(&place, &["invoke", "Hi"]).await;
    assert!(output.code == 2 && output.stderr.contains("would run the module in"), "{output:?}");
    assert!(!output.stderr.contains("shadow") && !output.stderr.contains("zero"), "{output:?}");
}

/// Whoever replaces the file of a key decides who may sign.
#[tokio::test]
async fn the_key_files_are_trusted_with_the_configuration_that_names_them() {
    let place = Place::with("\n[trust]\nkeys = [\"me.pub\"]\n").await;
    let file = place.file("upper", "upper.wasm");
    place.folder.write("me.pub", "one").unwrap();
    assert_eq!(found(&place, &["trust"]).await.code, 0);
    assert_eq!(found(&place, &["module", "add", &file, "--yes", "--enable"]).await.code, 0);
    assert_eq!(found(&place, &["invoke", "Hi"]).await.code, 0, "the command has changed the configuration");
    let key = place.folder.path().join("me.pub");
    for change in [Some("another"), None] {
        match change {
            Some(text) => std::fs::write(&key, text).unwrap(),
            None => std::fs::remove_file(&key).unwrap(),
        }
        let output = found(&place, &["invoke", "Hi"]).await;
        let why = "a key file of its [trust] has changed since it was trusted";
        assert!(output.code == 2 && output.stderr.contains(why), "{output:?}");
        let output = found(&place, &["module", "update", "--yes"]).await;
        assert!(output.code == 2 && output.stderr.contains("not trusted"), "{output:?}");
        let list = found(&place, &["trust", "--list"]).await.stdout;
        assert!(list.contains("me.pub has changed: trust it again"), "{list}");
        // A command by the name of the file does not make the new key trusted.
        place.succeeds(&["module", "update", "--yes"]).await;
        assert_eq!(found(&place, &["invoke", "Hi"]).await.code, 2);
    }
    std::fs::write(&key, "one").unwrap();
    assert_eq!(found(&place, &["invoke", "Hi"]).await.code, 0, "it is what was trusted");
    std::fs::write(&key, "another").unwrap();
    assert_eq!(found(&place, &["trust"]).await.code, 0);
    assert_eq!(found(&place, &["invoke", "Hi"]).await.code, 0);
}
