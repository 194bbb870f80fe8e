//! Changes a request and its answer, or refuses it.

use crate::arcllm::llm::{
    llm_provider as inner,
    types::{
        ApiError, CacheMark, ContentBlock, Error, FunctionTool, JsonSchema, Media, MediaSource, Message, OutputFormat,
        Reason, Reasoning, Request, Response, Role, StopReason, Text, Tool, ToolChoice,
    },
};

/// Asks for more than the caller did, and adds a line to the answer.
pub(crate) async fn change(request: Request) -> Result<Response, Error> {
    let request = with_content(&with_options(&request));
    let answer = inner::invoke(request).await?;
    let mut parts = answer.parts();
    parts.content.push(text("and a line"));
    parts.stop_reason = StopReason::Other("changed".into());
    Ok(answer.derive(&parts))
}

fn with_options(request: &Request) -> Request {
    let mut options = request.options();
    options.max_tokens = Some(77);
    options.temperature = Some(0.5);
    options.top_p = Some(0.75);
    options.top_k = Some(5);
    options.stop.push("END".into());
    options.tool_choice = Some(ToolChoice::Auto);
    options.parallel_tool_calls = Some(false);
    options.seed = Some(-1);
    options.output = Some(OutputFormat::JsonSchema(JsonSchema {
        name: "answer".into(),
        description: String::new(),
        schema: r#"{"type":"object"}"#.into(),
        strict: Some(true),
        extensions: Vec::new(),
    }));
    options.reasoning = Some(Reasoning::Effort("low".into()));
    options.user = Some("somebody".into());
    options.labels.push(("added".into(), "yes".into()));
    options.metadata.push(("order".into(), "42".into()));
    request.with_options(&options)
}

fn with_content(request: &Request) -> Request {
    let mut parts = request.parts();
    let picture = Media {
        media_type: "image/png".into(),
        source: MediaSource::Data(b"png".to_vec()),
        name: String::new(),
        cache: None,
        extensions: Vec::new(),
    };
    let document = Media {
        media_type: "application/pdf".into(),
        source: MediaSource::Data(b"pdf".to_vec()),
        name: "paper.pdf".into(),
        cache: None,
        extensions: Vec::new(),
    };
    let cache = Some(CacheMark { ttl: None, extensions: Vec::new() });
    let marked = Text { text: "and these".into(), cache, extensions: Vec::new() };
    parts.messages.push(Message {
        role: Role::User,
        content: vec![ContentBlock::Image(picture), ContentBlock::Document(document), ContentBlock::Text(marked)],
        extensions: Vec::new(),
    });
    parts.tools.push(Tool::Function(FunctionTool {
        name: "clock".into(),
        description: "Tells the time".into(),
        parameters: r#"{"type":"object"}"#.into(),
        strict: Some(true),
        cache: None,
        extensions: Vec::new(),
    }));
    request.derive(&parts)
}

fn text(text: &str) -> ContentBlock {
    ContentBlock::Text(Text { text: text.to_owned(), cache: None, extensions: Vec::new() })
}

/// The error of a provider that has too much work.
pub(crate) fn refusal(request: &Request) -> Error {
    Error::Api(ApiError {
        status: 429,
        reason: Reason::RateLimit,
        message: "not now".into(),
        provider: request.provider(),
        model: request.model(),
        request_id: Some("none".into()),
        retry_after: Some(3_000_000_000),
        should_retry: Some(true),
        extensions: vec![("arcllm.refused-by".into(), r#""everything""#.into())],
    })
}
