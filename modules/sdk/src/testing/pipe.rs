//! The events of a streamed answer, between a writer and a reader.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use crate::{
    bindings::arcllm::llm::streams::Event,
    types::{Error, ResponseParts},
};

/// The events between a writer and a reader.
pub(crate) type Pipe = Rc<RefCell<Events>>;

/// The events that were written and not read yet, and how they ended.
#[derive(Default)]
pub(crate) struct Events {
    pub(crate) unread: VecDeque<Event>,
    pub(crate) failed: Option<Error>,
    pub(crate) end: Option<ResponseParts>,
    pub(crate) closed: bool,
}
