//! Texts of users and strangers: configurations, requests, and the metadata of components.

use crate::{
    adapter::fuzzing::write,
    assembly::{enabled::enabled, host::Host},
    chat::request::Request,
    check::metadata::Metadata,
    config::{config::Config, overrides::Overrides},
    fuzzing::{FORMATS, is_harmless, stays},
};

/// Reads a configuration. It is refused with a message, or all its providers have models. Nothing runs and nothing is
/// sent.
pub(crate) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let config = match Config::parse(text, None) {
        Ok(config) => config,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let names: Vec<String> = config.providers.keys().cloned().collect();
    let host = Host::builder().config(config).watch(false).seed(0).build().expect("a host");
    for name in names {
        let model = host.inner.upstreams.model_of(&name, None);
        assert!(model.is_ok_and(|model| !model.is_empty()) || host.inner.upstreams.model_of(&name, Some("m")).is_ok());
    }
    let order = host.config().order.clone();
    if let Ok(on) = enabled(&host.inner.source, &Overrides::new()) {
        let at = |name: &str| order.iter().position(|ordered| ordered == name);
        assert!(on.is_sorted_by_key(|module| at(&module.name)), "in the order of `host.order`");
    }
}

/// Reads a request. It is the same after writing and reading it, and each format writes it or says why not.
pub(crate) fn request(data: &[u8]) {
    let Ok(request) = serde_json::from_slice::<Request>(data) else { return };
    is_written(&request);
    let text = serde_json::to_string(&request).expect("JSON");
    let again: Request = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    stays(&again, &request);
}

/// Checks that each format writes the request as JSON, or says why not.
pub(crate) fn is_written(request: &Request) {
    for format in FORMATS {
        for stream in [false, true] {
            if let Ok(body) = write(format, request, stream) {
                let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
                assert!(body.is_object());
            }
        }
    }
}

/// Reads the custom sections of a component.
pub(crate) fn metadata(data: &[u8]) {
    let metadata = Metadata::of(data);
    let all = [metadata.name, metadata.version, metadata.description, metadata.authors, metadata.licenses];
    all.into_iter().flatten().for_each(|text| is_harmless(&text));
}
