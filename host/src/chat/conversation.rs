//! The loop that every agent with tools writes: ask, run the tools, tell what they say, ask again.

use crate::chat::{
    content::{ContentBlock, ToolResult},
    error::{Error, ErrorKind},
    failure::Failure,
    message::{Message, Role},
    response::Response,
};

/// A conversation with a model that may ask for tools. It puts the results of tools into the order of their calls, and
/// refuses to go on while one is missing.
///
/// ```
/// # use arcllm::{Error, Model, Tool, ToolCall, ToolResult};
/// # async fn agent(model: Model, tools: Vec<Tool>, run: fn(&ToolCall) -> ToolResult) -> Result<(), Error> {
/// let mut conversation = arcllm::Conversation::new();
/// conversation.user("How warm is it in Oslo?");
/// loop {
///     let answer = model.invoke(conversation.messages()?, &tools).await?;
///     conversation.push(&answer);
///     if answer.tool_calls().next().is_none() {
///         break;
///     }
///     for call in answer.tool_calls() {
///         conversation.tool_result(run(call))?;
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    messages: Vec<Message>,
    /// The tool calls of the last answer, in their order, with the results that are there.
    calls: Vec<(String, Option<ToolResult>)>,
    /// Where the results go: behind the last answer.
    at: usize,
}

impl Conversation {
    /// A conversation without a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds instructions of the application.
    pub fn system(&mut self, text: impl Into<String>) {
        self.messages.push(Message::system(text));
    }

    /// Adds what the person says.
    pub fn user(&mut self, text: impl Into<String>) {
        self.messages.push(Message::user(text));
    }

    /// Adds an answer. The tools that it asks for are awaited from now on.
    pub fn push(&mut self, answer: &Response) {
        self.messages.push(answer.message());
        self.calls = answer.tool_calls().map(|call| (call.id.clone(), None)).collect();
        self.at = self.messages.len();
    }

    /// Adds the result of a tool. Once all that are awaited are there, they become one message.
    ///
    /// # Errors
    ///
    /// [`Usage`](ErrorKind::Usage), if the last answer did not ask for it or has the result already.
    pub fn tool_result(&mut self, result: ToolResult) -> Result<(), Error> {
        let id = &result.tool_use_id;
        let Some((_, place)) = self.calls.iter_mut().find(|(call, place)| call == id && place.is_none()) else {
            let problem = format!("no tool call `{id}` of the last answer waits for a result");
            return Err(ErrorKind::Usage(Failure::new("", problem)).into());
        };
        *place = Some(result);
        if self.calls.iter().all(|(_, result)| result.is_some()) {
            let results = self.calls.drain(..).filter_map(|(_, result)| result);
            let results = results.map(ContentBlock::ToolResult).collect();
            self.messages.insert(self.at, Message::new(Role::Tool, results));
        }
        Ok(())
    }

    /// The messages, for the next invoke.
    ///
    /// # Errors
    ///
    /// [`Usage`](ErrorKind::Usage), if the result of a tool is missing: providers refuse such a conversation.
    pub fn messages(&self) -> Result<&[Message], Error> {
        match self.calls.iter().find(|(_, result)| result.is_none()) {
            Some((id, _)) => {
                Err(ErrorKind::Usage(Failure::new("", format!("the tool call `{id}` has no result yet"))).into())
            }
            None => Ok(&self.messages),
        }
    }
}

#[cfg(test)]
mod tests;
