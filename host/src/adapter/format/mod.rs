//! Wire formats: convert requests and answers, without the network.

pub(crate) mod anthropic;
pub(crate) mod effort;
pub(crate) mod ending;
pub(crate) mod endpoint;
pub(crate) mod extensions;
pub(crate) mod family;
pub(crate) mod fit;
pub(crate) mod foreign;
pub(crate) mod format;
pub(crate) mod halves;
pub(crate) mod history;
pub(crate) mod json;
pub(crate) mod lenient;
pub(crate) mod malformed;
pub(crate) mod openai;
pub(crate) mod outline;
pub(crate) mod refusal;
pub(crate) mod responses;
pub(crate) mod schema;
pub(crate) mod splice;
pub(crate) mod table;
pub(crate) mod tool_choice;
pub(crate) mod tool_ids;
pub(crate) mod tools;
pub(crate) mod tree;
pub(crate) mod verbatim;
