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
