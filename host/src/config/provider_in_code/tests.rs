use super::*;

fn wrong(provider: Result<ProviderConfig, ConfigError>) -> String {
    provider.and_then(|provider| provider.named("p".to_owned())).unwrap_err().to_string()
}

fn local() -> ProviderConfig {
    ProviderConfig::openai("http://localhost:1").unwrap()
}

#[test]
fn a_provider_in_code_gets_the_checks_of_a_file() {
    for (provider, says) in [
        (ProviderConfig::openai("ftp://x"), "`base_url` has the scheme \"ftp\""),
        (ProviderConfig::openai("https://user:secret@x"), "`base_url` holds a user name or a password"),
        (ProviderConfig::openai("http://example.com"), "`providers.p.base_url` would send keys and conversations"),
        (Ok(local().key_env("sk-secret")), "`providers.p.api_key_env` is not the name of an environment variable"),
        (Ok(local().header("Authorization", "x")), "`providers.p.headers.Authorization` sets the header"),
        (Ok(local().header("x-a", "\n")), "`providers.p.headers.x-a`"),
        (Ok(local().header("x-a", "a").header("X-A", "b")), "is set twice"),
        (Ok(local().query("", "a")), "`providers.p.query.\"\"`"),
        (Ok(local().key_header("host")), "`providers.p.api_key_header`"),
        (Ok(local().timeout(Duration::ZERO)), "`providers.p.timeout_seconds` is out of range"),
        (Ok(local().temperature(f64::NAN)), "`providers.p.temperature` is out of range"),
        (ProviderConfig::preset("grok"), "help: did you mean `groq`?"),
    ] {
        let error = wrong(provider);
        assert!(error.contains(says) && !error.contains("secret"), "{says}: {error}");
    }
    let provider = ProviderConfig::openai("http://example.com").unwrap().allow_insecure_http(true);
    let provider =
        provider.header("X-Team", "blue").query("v", Addition::Env("V".to_owned())).named("p".into()).unwrap();
    assert_eq!(provider.headers["x-team"], Addition::Text("blue".to_owned()), "in lower case, as from a file");
    assert_eq!(provider.query["v"], Addition::Env("V".to_owned()));
}

#[test]
fn the_defaults_are_those_of_a_file() {
    let text = "[providers.p]\nadapter = \"openai\"\nbase_url = \"http://localhost:1\"";
    let of_file = crate::config::config::Config::parse(text, None).unwrap().providers["p"].clone();
    assert_eq!(local().named("p".to_owned()).unwrap(), ProviderConfig { is_programs: true, ..of_file });
}

#[test]
fn a_key_is_never_shown() {
    let provider = local().key("sk-secret".into());
    assert!(!format!("{provider:?}").contains("sk-secret"), "{provider:?}");
    assert_eq!(provider, local().key("sk-secret".into()));
    assert_ne!(provider, local().key("sk-other".into()));
}

#[test]
fn a_price_is_a_number_of_zero_or_more() {
    let with = |price: f64| local().model_facts("m", ModelFacts::new().cost_output_per_1m(price)).named("p".to_owned());
    for price in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = with(price).unwrap_err();
        assert_eq!(error.key.as_deref(), Some("providers.p.models.\"m\".cost_output_per_1m"), "{price}");
    }
    assert!(with(0.0).is_ok());
}
