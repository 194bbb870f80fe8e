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
}

impl Queue {
    pub(crate) fn new(script: Script) -> Queue {
        Queue { replies: script.replies.into(), last: None, then: script.then }
    }

    pub(crate) fn push(&mut self, reply: Reply) {
        self.replies.push_back(reply);
    }

    /// The next reply, without using it up.
    pub(crate) fn peek(&self) -> Reply {
        match (self.replies.front(), self.then, &self.last) {
            (Some(reply), _, _) | (None, Then::Repeat, Some(reply)) => reply.clone(),
            (None, Then::Repeat, None) | (None, Then::Answer, _) => Reply::default(),
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
            self.last = Some(reply.clone());
        }
        reply
    }
}
