//! The fields of a request whose types no reader looks at:
//! <https://platform.openai.com/docs/api-reference/chat/create>.

use crate::client::known::Known::{self, Either, Flag, List, Number, Object, Text, Typed, Whole};

/// A request.
pub(crate) static REQUEST: Known = Object(&[
    ("audio", Object(&[("voice", Either(&Text, &Object(&[]))), ("format", Text)])),
    ("frequency_penalty", Number),
    // llama.cpp takes a list of pairs.
    ("logit_bias", Either(&Object(&[]), &List(&List(&Number)))),
    ("logprobs", Flag),
    ("messages", List(&MESSAGE)),
    ("modalities", List(&Text)),
    ("prediction", Object(&[("type", Text), ("content", Either(&Text, &List(&PART)))])),
    ("presence_penalty", Number),
    ("prompt_cache_key", Text),
    ("prompt_cache_retention", Text),
    ("safety_identifier", Text),
    ("service_tier", Text),
    ("store", Flag),
    ("stream_options", Object(&[("include_obfuscation", Flag)])),
    ("tools", List(&TOOL)),
    ("top_logprobs", Whole),
    ("verbosity", Text),
    ("web_search_options", Object(&[("search_context_size", Text), ("user_location", Object(&[("type", Text)]))])),
]);

const MESSAGE: Known = Object(&[
    ("annotations", List(&Object(&[]))),
    ("audio", Object(&[("id", Text)])),
    ("content", Either(&Text, &List(&PART))),
    ("name", Text),
]);

const PART: Known = Typed(&[
    ("image_url", &[("image_url", Either(&Text, &Object(&[("detail", Text)])))]),
    ("file", &[("file", Object(&[("filename", Text), ("file_data", Text), ("file_id", Text)]))]),
]);

const TOOL: Known = Typed(&[(
    "custom",
    &[("custom", Object(&[("name", Text), ("description", Text), ("format", Object(&[("type", Text)]))]))],
)]);
