//! The error that the fault `error` answers with.

use arcllm_module::{
    Error, ErrorKind, Seconds,
    types::{ApiError, Failure, Reason},
};

use crate::settings::Settings;

/// Tells it from an error of the provider.
const MESSAGE: &str = "made up by the module chaos";

impl Settings {
    /// Makes the error that is set, as if this provider had failed when it was asked for this model.
    pub(crate) fn error_of(&self, provider: String, model: String) -> Error {
        let failure = |provider: String| Failure::new(provider, MESSAGE);
        match self.error {
            ErrorKind::Api => Error::Api(ApiError {
                status: self.status.get(),
                reason: Reason::of_status(self.status.get()),
                message: MESSAGE.to_owned(),
                provider,
                model,
                request_id: None,
                retry_after: self.retry_after_seconds.map(Seconds::nanoseconds),
                should_retry: None,
                extensions: Vec::new(),
            }),
            ErrorKind::Connection => Error::Connection(failure(provider)),
            ErrorKind::Timeout => Error::Timeout(failure(provider)),
            ErrorKind::Parse => Error::Parse(failure(provider)),
            ErrorKind::Config => Error::Config(failure(provider)),
            ErrorKind::Module => Error::Module(failure(provider)),
            ErrorKind::Cancelled => Error::Cancelled,
            ErrorKind::DeadlineExceeded => Error::DeadlineExceeded,
            ErrorKind::Other => Error::Other(failure(provider)),
        }
    }
}

#[cfg(test)]
mod tests {
    use arcllm_module::HttpStatus;

    use super::*;

    fn error(settings: Settings) -> Error {
        settings.error_of("a".to_owned(), "a-model".to_owned())
    }

    #[test]
    fn an_api_error_has_the_status_and_the_hint_that_are_set() {
        let settings = Settings {
            status: HttpStatus::new(429),
            retry_after_seconds: Some(Seconds::new(1.5)),
            ..Settings::default()
        };
        let Error::Api(api) = error(settings) else { panic!("another kind") };
        assert_eq!((api.status, api.retry_after, api.should_retry), (429, Some(1_500_000_000), None));
        assert_eq!((api.provider.as_str(), api.model.as_str()), ("a", "a-model"));
    }

    #[test]
    fn an_error_without_a_status_names_the_provider() {
        let Error::Timeout(failure) = error(Settings { error: ErrorKind::Timeout, ..Settings::default() }) else {
            panic!("another kind")
        };
        assert_eq!((failure.provider.as_str(), failure.message.as_str()), ("a", MESSAGE));
        assert!(matches!(error(Settings { error: ErrorKind::Cancelled, ..Settings::default() }), Error::Cancelled));
    }
}
