//! The fields of a request whose types no reader looks at: <https://docs.claude.com/en/api/messages>.

use crate::client::known::Known::{self, Either, Flag, List, Needed, Number, Object, Text, Typed, Whole};

/// A request.
pub(crate) static REQUEST: Known = Object(&[
    ("cache_control", CACHE_CONTROL),
    ("container", Either(&Text, &Object(&[("id", Text), ("skills", List(&Object(&[])))]))),
    ("context_management", Object(&[("edits", List(&Object(&[])))])),
    ("inference_geo", Text),
    ("mcp_servers", List(&Object(&[("type", Text), ("name", Text), ("url", Text), ("authorization_token", Text)]))),
    ("messages", List(&Object(&[("content", Either(&Text, &List(&BLOCK)))]))),
    ("output_config", Object(&[("effort", Text), ("format", Object(&[("type", Text), ("schema", Object(&[]))]))])),
    ("service_tier", Text),
    ("system", Either(&Text, &List(&BLOCK))),
    ("thinking", Object(&[("type", Text), ("budget_tokens", Number), ("display", Text)])),
    ("tools", List(&TOOL)),
]);

const CACHE_CONTROL: Known = Object(&[("type", Text), ("ttl", Text)]);

const CITATIONS: Known = Object(&[("enabled", Flag)]);

/// A block. A result holds blocks.
static BLOCK: Known = Typed(&[
    ("text", &[("cache_control", CACHE_CONTROL), ("citations", List(&Object(&[])))]),
    ("image", &[("cache_control", CACHE_CONTROL), ("source", SOURCE)]),
    ("document", &[("cache_control", CACHE_CONTROL), ("source", SOURCE), ("context", Text), ("citations", CITATIONS)]),
    ("tool_use", &[("cache_control", CACHE_CONTROL), ("caller", Object(&[("type", Text)]))]),
    ("tool_result", &[("cache_control", CACHE_CONTROL), ("content", Either(&Text, &List(&BLOCK)))]),
    ("search_result", &[("cache_control", CACHE_CONTROL), ("source", Text), ("title", Text), ("citations", CITATIONS)]),
    ("server_tool_use", &[("cache_control", CACHE_CONTROL), ("id", Text), ("name", Text), ("input", Object(&[]))]),
    ("container_upload", &[("cache_control", CACHE_CONTROL), ("file_id", Text)]),
    ("tool_reference", &[("tool_name", Text)]),
]);

const SOURCE: Known = Typed(&[
    ("base64", &[("data", Needed(&Text)), ("media_type", Needed(&Text))]),
    ("text", &[("data", Needed(&Text)), ("media_type", Text)]),
    ("url", &[("url", Needed(&Text))]),
    ("file", &[("file_id", Needed(&Text))]),
    ("content", &[("content", Either(&Text, &List(&Object(&[]))))]),
]);

const TOOL: Known = Object(&[
    ("allowed_callers", List(&Text)),
    ("allowed_domains", List(&Text)),
    ("blocked_domains", List(&Text)),
    ("cache_control", CACHE_CONTROL),
    ("defer_loading", Flag),
    ("input_examples", List(&Object(&[]))),
    ("max_uses", Whole),
    ("name", Text),
    (
        "user_location",
        Object(&[("type", Text), ("city", Text), ("country", Text), ("region", Text), ("timezone", Text)]),
    ),
]);
