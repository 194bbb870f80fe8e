//! The fields of a request whose types no reader looks at:
//! <https://platform.openai.com/docs/api-reference/responses/create>.

use crate::client::known::Known::{self, Either, Flag, List, Number, Object, Text, Typed, Whole};

/// A request.
pub(crate) static REQUEST: Known = Object(&[
    ("background", Flag),
    ("context_management", List(&Object(&[]))),
    ("include", List(&Text)),
    ("input", Either(&Text, &List(&ITEM))),
    ("max_tool_calls", Whole),
    ("previous_response_id", Text),
    ("prompt", Object(&[("id", Text), ("version", Text), ("variables", Object(&[]))])),
    ("prompt_cache_key", Text),
    ("prompt_cache_retention", Text),
    ("reasoning", Object(&[("effort", Text), ("summary", Text), ("generate_summary", Text)])),
    ("safety_identifier", Text),
    ("service_tier", Text),
    ("store", Flag),
    ("stream_options", Object(&[("include_obfuscation", Flag)])),
    ("text", Object(&[("verbosity", Text)])),
    ("tools", List(&TOOL)),
    ("top_logprobs", Whole),
    ("truncation", Text),
]);

/// An item. One without a type is a message.
const ITEM: Known = Typed(&[
    ("", MESSAGE),
    ("message", MESSAGE),
    (
        "reasoning",
        &[
            ("id", Text),
            ("status", Text),
            ("encrypted_content", Text),
            ("summary", List(&Object(&[("type", Text), ("text", Text)]))),
            ("content", List(&Object(&[("type", Text), ("text", Text)]))),
        ],
    ),
    ("function_call", CALL),
    ("custom_tool_call", CALL),
    ("function_call_output", RESULT),
    ("custom_tool_call_output", RESULT),
]);

const MESSAGE: &[(&str, Known)] =
    &[("id", Text), ("status", Text), ("phase", Text), ("content", Either(&Text, &List(&PART)))];

const CALL: &[(&str, Known)] = &[("id", Text), ("status", Text), ("caller", Object(&[("type", Text)]))];

const RESULT: &[(&str, Known)] = &[("id", Text), ("status", Text), ("output", Either(&Text, &List(&PART)))];

/// A part. Some clients send a text in its place.
const PART: Known = Either(
    &Text,
    &Typed(&[
        ("input_text", &[("text", Text)]),
        ("input_image", &[("detail", Text), ("image_url", Text), ("file_id", Text)]),
        ("input_file", &[("detail", Text), ("filename", Text)]),
        ("input_audio", &[("input_audio", Object(&[("data", Text), ("format", Text)]))]),
        ("output_text", &[("annotations", List(&Object(&[]))), ("logprobs", List(&Object(&[])))]),
    ]),
);

const TOOL: Known = Typed(&[
    ("function", &[("defer_loading", Flag)]),
    ("custom", &[("format", Object(&[("type", Text), ("syntax", Text), ("definition", Text)]))]),
    ("web_search", &[("search_context_size", Text), ("filters", Object(&[])), ("user_location", Object(&[]))]),
    ("file_search", &[("vector_store_ids", List(&Text)), ("max_num_results", Number)]),
    ("mcp", &[("server_label", Text), ("server_url", Text), ("server_description", Text), ("authorization", Text)]),
    ("code_interpreter", &[("container", Either(&Text, &Object(&[])))]),
    ("image_generation", &[("model", Text), ("quality", Text), ("size", Text), ("background", Text)]),
]);
