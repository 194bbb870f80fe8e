//! Asks a registry about one repository, with the login that it wants.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use docker_credential::DockerCredential;
use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION},
};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use crate::{
    error::{RegistryError, excerpt},
    http::{Http, explain, is_allowed, read},
    login::{Challenge, login},
    reference::Reference,
};

/// The most redirects that are followed.
const REDIRECTS: usize = 5;

/// The longest answer of a token server, and the longest error of a registry that is read, in bytes.
const LONGEST_TOKEN: usize = 1 << 20;
const LONGEST_ERROR: usize = 64 << 10;

/// How long the words of an error are waited for. Its status is there.
const ERROR_TIME: Duration = Duration::from_secs(5);

/// What proves to registries who asks.
#[derive(Debug, Default)]
pub(crate) struct Proofs {
    /// The header of a request, by registry and repository.
    headers: Mutex<HashMap<(String, String), HeaderValue>>,
    /// What no error may hold.
    secrets: Mutex<Vec<Secret>>,
}

impl Proofs {
    fn keep_secret(&self, text: &str) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).push(Secret(text.to_owned()));
    }

    /// Whether a text from outside repeats a login.
    fn are_in(&self, text: &str) -> bool {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().any(|secret| !secret.0.is_empty() && text.contains(&secret.0))
    }
}

/// A password or a token.
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What makes the body of a request, each time that it is sent.
type Body<'a> = &'a (dyn Fn() -> reqwest::Body + Send + Sync);

/// A request that can be sent more than once.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Body<'a>>,
}

impl Ask<'_> {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: None }
    }
}

/// One repository, and how to ask for it.
pub(crate) struct Session<'a> {
    pub(crate) http: &'a Http,
    pub(crate) reference: &'a Reference,
    pub(crate) proofs: &'a Proofs,
    /// Whether something is written.
    pub(crate) writes: bool,
}

impl Session<'_> {
    /// An address of the repository.
    pub(crate) fn url(&self, path: &str) -> Result<Url, RegistryError> {
        let scheme = if self.reference.is_loopback() { "http" } else { "https" };
        // The name of docker's registry is not the name of the machine that serves it.
        let host = match self.reference.registry() {
            "docker.io" => "registry-1.docker.io",
            host => host,
        };
        let url = format!("{scheme}://{host}/v2/{}/{path}", self.reference.repository());
        url.parse().map_err(|error: url::ParseError| self.broken(error.to_string()))
    }

    /// Sends a request, again with a login if the registry wants one, and follows redirects of requests that only read.
    /// Returns the first answer that is none of these, whatever its status. The caller limits its time.
    pub(crate) async fn send(&self, ask: Ask<'_>) -> Result<Response, RegistryError> {
        let home = ask.url.origin();
        let mut url = ask.url.clone();
        let mut asked_who = false;
        let mut redirects = 0;
        loop {
            let at_home = url.origin() == home && self.is_registry(&url);
            let proof = if at_home { self.proof() } else { None };
            let response = self.once(&ask, &url, proof.as_ref()).await?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && at_home && !asked_who {
                asked_who = true;
                self.prove(response.headers()).await?;
            } else if status.is_redirection() && matches!(ask.method, Method::GET | Method::HEAD) {
                redirects += 1;
                if redirects > REDIRECTS {
                    return Err(self.broken(format!("it redirects more than {REDIRECTS} times")));
                }
                url = self.location(&url, response.headers())?;
            } else {
                return Ok(response);
            }
        }
    }

    async fn once(&self, ask: &Ask<'_>, url: &Url, proof: Option<&HeaderValue>) -> Result<Response, RegistryError> {
        let mut request = self.http.client(url)?.request(ask.method.clone(), url.clone()).headers(ask.headers.clone());
        if let Some(proof) = proof {
            request = request.header(AUTHORIZATION, proof.clone());
        }
        if let Some(body) = ask.body {
            request = request.body(body());
        }
        request.send().await.map_err(|error| self.lost(&error))
    }

    /// Where an answer sends us, if we may go there.
    pub(crate) fn location(&self, from: &Url, headers: &HeaderMap) -> Result<Url, RegistryError> {
        let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
        let url = location.and_then(|location| from.join(location).ok());
        let url = url.ok_or_else(|| self.broken("it sends us on and does not say where".to_owned()))?;
        match is_allowed(&url, self.reference.is_loopback()) {
            true => Ok(url),
            false => Err(self.broken(format!(
                "it sends us to {}://{}, which is not https",
                url.scheme(),
                excerpt(url.host_str().unwrap_or_default())
            ))),
        }
    }

    /// Whether an address is the registry's own. Nobody else gets the proof.
    fn is_registry(&self, url: &Url) -> bool {
        self.url("").is_ok_and(|home| home.origin() == url.origin())
    }

    fn proof(&self) -> Option<HeaderValue> {
        self.proofs.headers.lock().unwrap_or_else(PoisonError::into_inner).get(&self.name()).cloned()
    }

    fn name(&self) -> (String, String) {
        (self.reference.registry().to_owned(), self.reference.repository().to_owned())
    }

    /// Gets what the registry asks for.
    async fn prove(&self, headers: &HeaderMap) -> Result<(), RegistryError> {
        let registry = self.reference.registry();
        let refused = |why: &str| RegistryError::Refused { registry: registry.to_owned(), why: format!(": {why}") };
        let challenge = Challenge::read(headers).ok_or_else(|| refused("it does not say which login it wants"))?;
        let login = login(registry).await?;
        if let Some(DockerCredential::UsernamePassword(_, secret) | DockerCredential::IdentityToken(secret)) = &login {
            self.proofs.keep_secret(secret);
        }
        let proof = match (challenge, login) {
            (Challenge::Basic, Some(DockerCredential::UsernamePassword(name, password))) => {
                let proof = basic(&name, &password);
                self.proofs.keep_secret(proof.trim_start_matches("Basic "));
                proof
            }
            (Challenge::Basic, _) => return Err(refused("it wants a name and a password")),
            (Challenge::Token { realm, service, scope }, login) => {
                let token = self.token(&realm, service.as_deref(), scope.as_deref(), login).await?;
                self.proofs.keep_secret(&token);
                format!("Bearer {token}")
            }
        };
        let mut proof =
            HeaderValue::try_from(proof).map_err(|_| refused("the login has characters that cannot be sent"))?;
        proof.set_sensitive(true);
        self.proofs.headers.lock().unwrap_or_else(PoisonError::into_inner).insert(self.name(), proof);
        Ok(())
    }

    /// Gets a token as docker does (<https://distribution.github.io/distribution/spec/auth/token/> and `/oauth/`).
    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
        login: Option<DockerCredential>,
    ) -> Result<String, RegistryError> {
        let realm: Url =
            realm.parse().map_err(|_| self.broken("the address of its token server is malformed".to_owned()))?;
        if !is_allowed(&realm, self.reference.is_loopback()) {
            return Err(self.broken("its token server is not asked over https".to_owned()));
        }
        let actions = if self.writes { "pull,push" } else { "pull" };
        let own = format!("repository:{}:{actions}", self.reference.repository());
        let mut fields = vec![("scope", scope.unwrap_or(&own))];
        fields.extend(service.map(|service| ("service", service)));
        let request = self.token_request(realm, fields, login.as_ref())?;
        let response = request.send().await.map_err(|error| self.lost(&error))?;
        if !response.status().is_success() {
            return Err(self.failed(response).await);
        }
        let answer = read(response, LONGEST_TOKEN).await.map_err(|error| self.lost(&error))?;
        let token = answer.and_then(|answer| serde_json::from_slice::<Token>(&answer).ok());
        let token = token.and_then(|token| token.token.or(token.access_token));
        token.ok_or_else(|| self.broken("its token server answers without a token".to_owned()))
    }

    fn token_request<'a>(
        &self,
        mut realm: Url,
        mut fields: Vec<(&'a str, &'a str)>,
        login: Option<&'a DockerCredential>,
    ) -> Result<RequestBuilder, RegistryError> {
        let client = self.http.client(&realm)?;
        if let Some(DockerCredential::IdentityToken(token)) = login {
            fields.extend([("grant_type", "refresh_token"), ("client_id", "arcllm"), ("refresh_token", token)]);
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            let request = client.post(realm).header("content-type", "application/x-www-form-urlencoded");
            return Ok(request.body(form));
        }
        realm.query_pairs_mut().extend_pairs(fields);
        let request = client.get(realm);
        Ok(match login {
            Some(DockerCredential::UsernamePassword(name, password)) => request.basic_auth(name, Some(password)),
            _ => request,
        })
    }

    /// Reads all of an answer.
    pub(crate) async fn body(&self, response: Response, what: &str, limit: usize) -> Result<Bytes, RegistryError> {
        let bytes = read(response, limit).await.map_err(|error| self.lost(&error))?;
        bytes.ok_or_else(|| RegistryError::TooLarge { what: what.to_owned(), limit: limit as u64, help: String::new() })
    }

    /// What an answer without success means.
    pub(crate) async fn failed(&self, response: Response) -> RegistryError {
        let status = response.status();
        let time = self.http.limits.answer.min(ERROR_TIME);
        let body = tokio::time::timeout(time, read(response, LONGEST_ERROR)).await;
        let body = body.ok().and_then(Result::ok).flatten().unwrap_or_default();
        let said = serde_json::from_slice::<Errors>(&body).unwrap_or_default().errors.into_iter().next();
        let said = said.map(|error| format!("{} {}", error.code, error.message)).unwrap_or_default();
        let said = excerpt(&said);
        let said = if said.trim().is_empty() || self.proofs.are_in(&String::from_utf8_lossy(&body)) {
            String::new()
        } else {
            format!(": {}", said.trim())
        };
        let registry = self.reference.registry().to_owned();
        match status {
            StatusCode::NOT_FOUND => RegistryError::NotFound { what: self.reference.to_string() },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RegistryError::Refused { registry, why: said },
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                RegistryError::Connection { registry, why: format!("it answers {status}{said}") }
            }
            status => RegistryError::Broken { registry, why: format!("it answers {status}{said}") },
        }
    }

    pub(crate) fn lost(&self, error: &reqwest::Error) -> RegistryError {
        RegistryError::Connection { registry: self.reference.registry().to_owned(), why: explain(error) }
    }

    pub(crate) fn broken(&self, why: String) -> RegistryError {
        RegistryError::Broken { registry: self.reference.registry().to_owned(), why }
    }

    /// Ends what takes longer than an answer may.
    pub(crate) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let limit = self.http.limits.answer;
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(self.timed_out(limit)))
    }

    pub(crate) fn timed_out(&self, limit: Duration) -> RegistryError {
        RegistryError::TimedOut { registry: self.reference.registry().to_owned(), seconds: limit.as_secs() }
    }
}

fn basic(name: &str, password: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// What a token server answers.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// What a registry answers when it fails.
#[derive(Default, Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<Explained>,
}

#[derive(Deserialize)]
struct Explained {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}
