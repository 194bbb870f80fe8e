//! Signatures, at Debian's `docker-registry`.

use std::{fs, process::Command, slice};

use arcllm_registry::{Limits, PublicKey, Reference, Registry, Signature, SigningKey, verify_offline};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::docker::{Docker, signatures_of};
use crate::scene::soon;

fn public(docker: &Docker, name: &str) -> PublicKey {
    let file = format!("{name}.pub");
    PublicKey::from_pem(&file, &fs::read_to_string(docker.folder().join(&file)).unwrap()).unwrap()
}

async fn signature(reference: &Reference, keys: &[PublicKey]) -> Signature {
    let registry = Registry::new(Limits::default()).unwrap();
    soon(registry.signature(reference, &reference.digest().unwrap(), keys)).await.unwrap()
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn a_signature_is_verified_not_there_or_does_not_verify() {
    let docker = Docker::start().await;
    let (mine, _) = (docker.key("mine").await, docker.key("theirs").await);
    let (my_key, their_key) = (public(&docker, "mine"), public(&docker, "theirs"));

    let reference = docker.publish("retry", "me/retry:1.0", &[]).await;
    assert_eq!(signature(&reference, slice::from_ref(&my_key)).await, Signature::NotSigned);

    assert_eq!(docker.publish("retry", "me/retry:1.0", &["--sign", &mine]).await, reference);
    let Signature::Verified { key, signed } = signature(&reference, &[their_key.clone(), my_key.clone()]).await else {
        panic!("it is signed")
    };
    assert_eq!(key, my_key);
    let digest = reference.digest().unwrap();
    assert_eq!(verify_offline(&signed, &digest, slice::from_ref(&my_key)), Ok(&my_key));
    assert!(verify_offline(&signed, &arcllm_registry::Digest::of(b"other"), slice::from_ref(&my_key)).is_err());

    let found = signature(&reference, &[their_key]).await;
    assert!(matches!(&found, Signature::DoesNotVerify { why } if why.contains("another key")), "{found:?}");
    let found = signature(&reference, &[]).await;
    assert!(matches!(&found, Signature::DoesNotVerify { why } if why.contains("no trusted key")), "{found:?}");

    // openssl says the same of it.
    let file =
        |name: &str, content: &str| fs::write(docker.folder().join(name), STANDARD.decode(content).unwrap()).unwrap();
    file("payload", &signed.payload);
    file("signature", &signed.signature);
    let openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-verify", "mine.pub", "-signature", "signature", "payload"])
        .current_dir(docker.folder())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&openssl.stdout), "Verified OK\n");
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn signatures_of_several_keys_stand_beside_each_other() {
    let docker = Docker::start().await;
    let (mine, theirs) = (docker.key("mine").await, docker.key("theirs").await);
    let reference = docker.publish("retry", "me/retry:1.0", &["--sign", &mine]).await;
    docker.publish("retry", "me/retry:1.0", &["--sign", &theirs]).await;
    // A second time adds nothing.
    docker.publish("retry", "me/retry:1.0", &["--sign", &mine]).await;
    for name in ["mine", "theirs"] {
        let found = signature(&reference, &[public(&docker, name)]).await;
        assert!(matches!(found, Signature::Verified { .. }), "{name}: {found:?}");
    }
    let text = docker.manifest("me/retry", &signatures_of(&reference)).await;
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 2, "{manifest:#}");
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn a_signature_of_another_module_does_not_verify() {
    let docker = Docker::start().await;
    let mine = docker.key("mine").await;
    let key = public(&docker, "mine");
    let good = docker.publish("retry", "me/mine:1.0", &["--sign", &mine]).await;
    let bad = docker.publish("fallback", "me/mine:2.0", &[]).await;

    // Somebody who can write to the registry puts the one's signature in the other's place.
    let text = docker.manifest("me/mine", &signatures_of(&good)).await;
    docker.put_manifest("me/mine", &signatures_of(&bad), text.clone()).await;
    let found = signature(&bad, slice::from_ref(&key)).await;
    assert!(matches!(&found, Signature::DoesNotVerify { why } if why.contains("signed another module")), "{found:?}");

    // A module in the place of a signature is none, and signing does not overwrite it.
    let module = docker.manifest("me/mine", "2.0").await;
    docker.put_manifest("me/mine", &signatures_of(&bad), module).await;
    let found = signature(&bad, slice::from_ref(&key)).await;
    assert!(matches!(&found, Signature::DoesNotVerify { why } if why.contains("none of cosign's")), "{found:?}");
    let signing = SigningKey::from_pem("mine.key", &fs::read_to_string(&mine).unwrap()).unwrap();
    let registry = Registry::new(Limits::default()).unwrap();
    let error = soon(registry.sign(&bad, &bad.digest().unwrap(), &signing)).await.unwrap_err();
    assert!(error.to_string().contains("none of cosign's"), "{error}");

    // A statement that was changed in the storage is caught, too.
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let statement = docker.stored(&manifest["layers"][0]["digest"].as_str().unwrap().parse().unwrap());
    let changed = fs::read_to_string(&statement).unwrap().replace("me/mine", "me/fine");
    fs::write(statement, changed).unwrap();
    let found = signature(&good, &[key]).await;
    assert!(matches!(&found, Signature::DoesNotVerify { why } if why.contains("changed or is gone")), "{found:?}");
}
