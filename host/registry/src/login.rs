//! Logins as docker keeps them, and what a registry asks for them.

use std::{env, fs::File, io, path::PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use http_auth::parse_challenges;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

use crate::error::RegistryError;

/// The name under which docker keeps the login of its own registry.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Reads the login of a registry. `None` stands for nobody: there is none.
///
/// # Errors
///
/// Where docker's file cannot be read, or a credential helper fails.
pub(crate) async fn login(registry: &str) -> Result<Option<DockerCredential>, RegistryError> {
    let name = registry.to_owned();
    // A helper is a program that may ask its user.
    let read = tokio::task::spawn_blocking(move || read(&name)).await;
    let read = read.unwrap_or_else(|_| Err("the credential helper failed".to_owned()));
    read.map_err(|why| RegistryError::Login { registry: registry.to_owned(), why })
}

fn read(registry: &str) -> Result<Option<DockerCredential>, String> {
    let Some(path) = config_file() else { return Ok(None) };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let server = if registry == "docker.io" { DOCKER_HUB } else { registry };
    match get_credential_from_reader(io::BufReader::new(file), server) {
        Ok(login) => Ok(Some(login)),
        Err(CredentialRetrievalError::NoCredentialConfigured | CredentialRetrievalError::ConfigNotFound) => Ok(None),
        // By the protocol of the helpers, this is how one says that it has no login.
        Err(CredentialRetrievalError::HelperFailure { stdout, .. }) if stdout.contains("credentials not found") => {
            Ok(None)
        }
        // What a helper prints may hold a login.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
            Err(format!("the credential helper `{helper}` failed"))
        }
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Where docker keeps logins.
fn config_file() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(env::var_os("HOME").or_else(|| env::var_os("USERPROFILE"))?).join(".docker"));
    let folder = env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()).map(PathBuf::from).or_else(home);
    folder.map(|folder| folder.join("config.json"))
}

/// How a registry wants to know who asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// By name and password in each request.
    Basic,
    /// By a token from a server that it names.
    Token {
        /// The address of the server.
        realm: String,
        /// What the registry is called there.
        service: Option<String>,
        /// What the token is to allow.
        scope: Option<String>,
    },
}

impl Challenge {
    /// Reads the challenges of an answer. A token is preferred, since it allows less than a password does.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let texts: Vec<_> = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
        let all: Vec<_> = texts.iter().filter_map(|text| parse_challenges(text).ok()).flatten().collect();
        let token =
            all.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer")).and_then(|challenge| {
                let parameter = |name: &str| {
                    let mut found = challenge.params.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.next().map(|(_, value)| value.to_unescaped())
                };
                Some(Self::Token {
                    realm: parameter("realm")?,
                    service: parameter("service"),
                    scope: parameter("scope"),
                })
            });
        let basic = || all.iter().any(|challenge| challenge.scheme.eq_ignore_ascii_case("basic"));
        token.or_else(|| basic().then_some(Self::Basic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<Challenge> {
        let values = values.iter().map(|value| (WWW_AUTHENTICATE, value.parse().unwrap()));
        Challenge::read(&HeaderMap::from_iter(values))
    }

    #[test]
    fn a_token_is_preferred_and_what_is_malformed_is_no_challenge() {
        let token = |service: Option<&str>, scope: Option<&str>| Challenge::Token {
            realm: "https://auth.example/token".to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        };
        let bearer = r#"Bearer realm="https://auth.example/token",service="r",scope="repository:me/mine:pull,push""#;
        let expected = token(Some("r"), Some("repository:me/mine:pull,push"));
        assert_eq!(read(&[bearer]), Some(expected));
        assert_eq!(read(&["Basic realm=\"r\""]), Some(Challenge::Basic));
        assert_eq!(
            read(&["Basic realm=\"r\"", "bearer realm=\"https://auth.example/token\""]),
            Some(token(None, None))
        );
        for nothing in
            [&[][..], &["Bearer"], &["Bearer service=\"r\""], &["Negotiate"], &["\"\\"], &["Bearer realm=\""]]
        {
            assert_eq!(read(nothing), None, "{nothing:?}");
        }
    }
}
