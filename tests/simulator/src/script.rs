//! What a simulator does, from its first request to its last.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;

use crate::error::Error;
use crate::reply::Reply;
use crate::script_file;

/// The largest file of a script, in bytes.
const LARGEST: u64 = 64 << 20;

/// What happens when a script's replies are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// Good answers.
    #[default]
    Answer,
    /// The last reply again and again, or good answers if there was none.
    Repeat,
    /// All replies again, from the first on, or good answers if there are none.
    Again,
    /// HTTP 500 with a message that the script has ended.
    RefuseRequest,
}

/// The replies of a simulator, in order. An empty script always gives good answers.
///
/// As a file it is TOML; `docs/simulate.md` has all keys:
///
/// ```
/// # fn main() -> Result<(), arcllm_simulator::Error> {
/// use arcllm_simulator::{Reply, Script, Then};
///
/// let script: Script = r#"
///     then = "repeat"
///     [[reply]]
///     status = 429
///     headers = { "retry-after" = "1" }
///     [[reply]]
///     text = "Hello"
/// "#.parse()?;
///
/// let same = Script::new([Reply::status(429).header("retry-after", "1"), Reply::text("Hello")]).then(Then::Repeat);
/// assert_eq!(script, same);
/// # Ok(())
/// # }
/// ```
///
/// The keys of a reply are `status`, `headers`, one of (`text`, `thinking`, `signature`, `tool_calls`, `stop_reason`,
/// `usage`, `model`), `message` of an error, `body` with `content_type`, `body_json`, or `events`; and `delay_seconds`,
/// `body_delay_seconds`, `times`, `fault` (the name of a [`Fault`](crate::Fault)), `fault_at`. A header's value may be a
/// list: of several values, or of none to leave a default header out. `refuse`, beside `then`, is [`Script::refuse`].
///
/// `events` is a list of strings that are sent unchanged, see [`Reply::event_stream`]. Streams have the settings
/// `stream` (`true` for [`Reply::streamed`], `false` for [`Reply::unstreamed`]), `pace_seconds`, `pieces` or
/// `piece_bytes`, `line_end` (`"lf"`, `"crlf"`, `"cr"`), and `comments`, `split_data`, `pings`, `unknown_events`,
/// `coalesced`, `gzip`, each `true` or `false`. `fault_at` is a [`Place`](crate::Place): `{ byte = 100 }`,
/// `{ before_event = 3 }`, `{ in_event = 3 }`, `{ in_character = 1 }` or `"before-end"`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Script {
    pub(crate) replies: Vec<Reply>,
    pub(crate) then: Then,
    pub(crate) refuse: bool,
}

impl Script {
    /// A script with these replies, and good answers after them.
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Script {
        Script { replies: replies.into_iter().collect(), ..Script::default() }
    }

    /// A server that is down: it keeps its port and refuses connections.
    pub fn refuse() -> Script {
        Script { refuse: true, ..Script::default() }
    }

    /// Sets what happens when the replies are used up.
    #[must_use]
    pub fn then(mut self, then: Then) -> Script {
        self.then = then;
        self
    }

    /// Reads a script from a TOML file.
    ///
    /// # Errors
    /// If the file cannot be read or is wrong: the file, the line or reply, the key, and what would be right.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Script, Error> {
        let path = path.as_ref();
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
        let whole = read.and_then(|length| match u64::try_from(length) {
            Ok(length) if length < LARGEST => Ok(()),
            _ => Err(io::Error::other(format!("it is larger than {} MB", LARGEST >> 20))),
        });
        whole.map_err(|source| Error::Read { path: path.to_owned(), source })?;
        script_file::parse(&text, &path.display().to_string())
    }

    /// What is wrong with this script, if anything.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (reply, count) in self.replies.iter().zip(1_u32..) {
            reply.check().map_err(|message| Error::Invalid { place: format!("reply {count}"), message })?;
        }
        Ok(())
    }
}

impl FromStr for Script {
    type Err = Error;

    /// Parses a script. Errors call it `script`.
    fn from_str(text: &str) -> Result<Script, Error> {
        script_file::parse(text, "script")
    }
}
