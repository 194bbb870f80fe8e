//! What the log on standard error has: `--log`, or else `ARCLLM_LOG`.

use arcllm::RequestLog;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

const VARIABLE: &str = "ARCLLM_LOG";

/// Warnings, and what modules tell.
const USUAL: &str = "warn,arcllm::module=info";

/// The words for the log of requests, which `arcllm serve` writes to standard output.
const REQUESTS: [&str; 3] = ["human", "json", "off"];

const EXPECTED: &str = "expected error, warn, info, debug, trace or off, or a filter such as warn,arcllm::module=debug; \
                        `arcllm serve` also takes human or json";

/// What `--log` and the environment say.
pub(crate) struct Log {
    /// Which lines are written to standard error.
    pub(crate) filter: EnvFilter,
    /// How `arcllm serve` logs requests, if `--log` says so.
    pub(crate) requests: Option<RequestLog>,
}

impl Log {
    /// Reads the values of `--log`, or else the environment.
    ///
    /// # Errors
    ///
    /// If one is no filter.
    pub(crate) fn read(given: &[String], serves: bool) -> Result<Self, Failure> {
        let is_of_requests = |word: &&String| REQUESTS.contains(&word.as_str()) && (serves || *word != "off");
        let (of_requests, filters): (Vec<&String>, Vec<&String>) = given.iter().partition(is_of_requests);
        if let Some(word) = of_requests.first().filter(|_| !serves) {
            let help = format!("`{word}` is a form of the log of requests, which `arcllm serve` has; {EXPECTED}");
            return Err(Failure::usage(format!("--log {word} is not for this command\n  help: {help}")));
        }
        let requests = of_requests.last().and_then(|word| RequestLog::from_word(word));
        let filters: Vec<&str> = filters.into_iter().map(String::as_str).collect();
        let filter = match (filters.as_slice(), std::env::var(VARIABLE)) {
            ([], Ok(text)) if !text.trim().is_empty() => self::filter(&text).map_err(|problem| {
                Failure::usage(format!("the environment variable {VARIABLE} is wrong: {problem}"))
            })?,
            // A server would write a line for each call.
            ([], _) if serves => EnvFilter::new("warn"),
            ([], _) => EnvFilter::new(USUAL),
            (filters, _) => self::filter(&filters.join(",")).map_err(Failure::usage)?,
        };
        Ok(Self { filter, requests })
    }
}

/// Checks a value of `--log`.
pub(crate) fn word(text: &str) -> Result<String, String> {
    if !REQUESTS.contains(&text) {
        filter(text)?;
    }
    Ok(text.to_owned())
}

/// Reads a filter. What it does not name is logged from warnings on.
fn filter(text: &str) -> Result<EnvFilter, String> {
    if let Some(word) = text.split(',').map(str::trim).find(|part| is_mistyped(part)) {
        return Err(format!("`{word}` is no level; {EXPECTED}"));
    }
    // A level alone is for ArcLLM: the engine and HTTP/2 would drown it.
    let level = text.trim().parse::<LevelFilter>().ok().filter(|level| *level > LevelFilter::WARN);
    let text = level.map_or_else(|| text.to_owned(), |level| format!("arcllm={level}"));
    // A level in the text replaces the one before it.
    EnvFilter::builder().parse(format!("warn,{text}")).map_err(|error| format!("{error}; {EXPECTED}"))
}

/// A word alone is a level. `tracing` would take any other for the name of a part of the program.
fn is_mistyped(part: &str) -> bool {
    let is_level = !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    !is_level && !part.contains(['=', '[', ':']) && !part.starts_with("arcllm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_names_what_it_is_for() {
        for text in ["debug", "WARN", "off", "3", "arcllm::module=trace", "info,h2=off", "arcllm[call]=debug"] {
            assert!(word(text).is_ok(), "{text}");
        }
        for text in ["debgu", "", "info,verbose", "arcllm::module=loud", "[="] {
            assert!(word(text).unwrap_err().contains("expected error, warn"), "{text}");
        }
    }

    #[test]
    fn the_log_of_requests_is_only_for_a_server() {
        let read = |given: &[&str], serves| {
            Log::read(&given.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), serves)
        };
        let log = read(&["json", "arcllm=debug"], true).unwrap_or_else(|_| panic!("read"));
        assert_eq!((log.requests, log.filter.to_string().as_str()), (Some(RequestLog::Json), "arcllm=debug,warn"));
        assert!(read(&["json"], false).is_err());
        let quiet = read(&["off"], false).unwrap_or_else(|_| panic!("read"));
        assert_eq!((quiet.requests, quiet.filter.to_string().as_str()), (None, "off"));
    }
}
