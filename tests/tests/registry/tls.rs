//! A registry over TLS whose certificate no authority has signed, behind a proxy.

use std::time::Duration;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::docker::Docker;
use crate::support::{Output, built_in_module};

/// The name of the registry. It leads nowhere: only the proxy knows where it is.
const HOST: &str = "registry.test";

/// A proxy that carries connections to a host to this address (`CONNECT`, RFC 9110, section 9.3.6).
async fn proxy(target: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let target = target.clone();
            tokio::spawn(async move {
                let mut near = BufReader::new(near);
                let mut line = String::new();
                while near.read_line(&mut line).await.unwrap() > 2 {}
                assert!(line.starts_with(&format!("CONNECT {HOST}:443 ")), "{line}");
                let mut far = TcpStream::connect(target).await.unwrap();
                near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                // Either side may go away.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn a_certificate_of_ones_own_is_trusted_if_ssl_cert_file_names_it_and_never_otherwise() {
    let (docker, certificate) = Docker::with_tls(HOST).await;
    let proxy = proxy(docker.address().to_owned()).await;
    let file = built_in_module("redact").display().to_string();
    let reference = format!("oci://{HOST}/me/mine:1.0");
    let run = async |certificate: Option<&str>, arguments: &[&str]| -> Output {
        let command = docker.command(arguments).env("HTTPS_PROXY", &proxy).env("ARCLLM_CONFIG", "config.toml");
        let command = match certificate {
            Some(file) => command.env("SSL_CERT_FILE", file),
            None => command,
        };
        tokio::time::timeout(Duration::from_secs(60), command.run()).await.unwrap().unwrap()
    };
    std::fs::write(docker.folder().join("config.toml"), "").unwrap();
    let publish = ["module", "publish", &file, &reference];
    let output = run(None, &publish).await;
    assert!(output.code == 1 && output.stderr.contains("certificate"), "{output:?}");
    let output = run(Some(&certificate), &publish).await;
    assert_eq!(output.code, 0, "{output:?}");
    let output = run(None, &["module", "add", &reference, "--yes"]).await;
    assert!(output.code == 1 && output.stderr.contains("certificate"), "{output:?}");
    let output = run(Some(&certificate), &["module", "add", &reference, "--yes"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(run(None, &["module", "verify"]).await.code, 0, "what is here needs no registry");
}
