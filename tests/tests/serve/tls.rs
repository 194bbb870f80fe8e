//! A server with a certificate.

use arcllm_simulator::Format;
use rcgen::CertifiedKey;
use serde_json::json;

use crate::{
    scene::{replies, soon},
    serve::gateway::Gateway,
    support::{Chain, Folder},
};

/// Writes a new certificate and its key, and returns the certificate.
fn certify(folder: &Folder) -> String {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    folder.write("key.pem", signing_key.serialize_pem()).unwrap();
    folder.write("cert.pem", cert.pem()).unwrap();
    cert.pem()
}

/// Asks over a new connection, and trusts this certificate alone.
async fn ask(gateway: &Gateway, certificate: &str) -> Result<u16, reqwest::Error> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let trusted = reqwest::Certificate::from_pem(certificate.as_bytes())?;
    let client = reqwest::Client::builder().tls_certs_only([trusted]).build()?;
    let body = json!({ "model": "sim", "messages": [{ "role": "user", "content": "Hi" }] }).to_string();
    let request = client.post(format!("{}/v1/chat/completions", gateway.url)).body(body);
    Ok(soon(request.send()).await?.status().as_u16())
}

#[tokio::test]
async fn speaks_tls_and_reads_a_new_certificate() {
    let provider = replies([]).await;
    let chain = Chain::new().provider("sim", Format::OpenAi, &provider.url());
    let tls = "header_timeout_seconds = 1000\ntls = { certificate = \"cert.pem\", key = \"key.pem\" }";
    let folder = chain.table("serve", tls).folder().unwrap().trusted();
    let first = certify(&folder);
    let gateway = Gateway::of(folder, &[]).await;
    assert!(gateway.url.starts_with("https://"), "{}", gateway.url);
    assert_eq!(ask(&gateway, &first).await.unwrap(), 200);

    let second = certify(&gateway.folder);
    assert!(ask(&gateway, "").await.is_err());
    soon(async { while ask(&gateway, &second).await.is_err() {} }).await;
    assert!(ask(&gateway, &first).await.is_err(), "the first one is no longer shown");

    // A key that does not fit changes nothing.
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    gateway.folder.write("key.pem", other.signing_key.serialize_pem()).unwrap();
    gateway.signal("HUP");
    soon(async { while !gateway.running.stderr().unwrap().contains("do not fit") {} }).await;
    assert_eq!(ask(&gateway, &second).await.unwrap(), 200);

    // A connection that somebody keeps for later does not keep the server from ending.
    let _spare = tokio::net::TcpStream::connect(gateway.url.trim_start_matches("https://")).await.unwrap();
    assert_eq!(ask(&gateway, &second).await.unwrap(), 200);
    assert_eq!(gateway.stop().await.code, 0);
}
