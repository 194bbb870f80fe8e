//! The replies that are left.

use std::collections::VecDeque;

use crate::reply::Reply;
use crate::script::{Script, Then};

/// Hands out a script's replies.
#[derive(Debug)]
pub(crate) struct Queue {
    /// `times` of the first one counts down.
    replies: VecDeque<Reply>,
    last: Option<Reply>,
    then: Then,
    /// All replies, if they are to come again.
    all: Vec<Reply>,
}

impl Queue {
    pub(crate) fn new(script: Script) -> Queue {
        let all = if script.then == Then::Again { script.replies.clone() } else { Vec::new() };
        Queue { replies: script.replies.into(), last: None, then: script.then, all }
    }

    pub(crate) fn push(&mut self, reply: Reply) {
        self.replies.push_back(reply);
    }

    /// The next reply, without using it up.
    pub(crate) fn peek(&self) -> Reply {
        match (self.replies.front(), self.then, &self.last) {
            (Some(reply), _, _) | (None, Then::Repeat, Some(reply)) => reply.clone(),
            // With `Then::Again` there are always some, unless the script has none.
            (None, Then::Repeat, None) | (None, Then::Answer | Then::Again, _) => Reply::default(),
            (None, Then::RefuseRequest, _) => Reply::error(500, "the simulator's script has ended"),
        }
    }

    /// The next reply, used up.
    pub(crate) fn take(&mut self) -> Reply {
        let reply = self.peek();
        if let Some(first) = self.replies.front_mut() {
            first.times -= 1;
            if first.times == 0 {
                self.replies.pop_front();
            }
            if self.replies.is_empty() {
                self.replies.extend(self.all.iter().cloned());
            }
            self.last = Some(reply.clone());
        }
        reply
    }
}
