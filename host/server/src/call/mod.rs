//! One call, from the body of its request to the end of its answer.

pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod call_head;
pub(crate) mod held_body;
pub(crate) mod posted;
pub(crate) mod stream;
