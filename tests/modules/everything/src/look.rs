//! Calls every function that reads, and answers with all that they say.

use serde_json::{Map, Value, json};

use crate::{
    arcllm::llm::{
        endings::{Watch, begun},
        llm_provider as inner, models, state,
        streams::{self, Event},
        types::{ContentBlock, Error, Failure, Request, Response, ResponseParts, StopReason, Text, Usage},
    },
    wasi::{
        clocks::{monotonic_clock, system_clock},
        logging::logging::{Level, log},
        random::{insecure, insecure_seed, random},
    },
};

/// Asks the inner and the other model, and answers with what was to be seen before, between and after.
pub(crate) async fn look(request: Request, other: &str) -> Result<Response, Error> {
    request.note("looks at\teverything");
    let mut seen = Map::new();
    seen.insert("request".into(), of_request(&request, other));
    seen.insert("listed".into(), json!(models::list(&request)));
    let answer = inner::invoke(request.clone()).await?;
    seen.insert("answer".into(), of_answer(answer).await?);
    seen.insert("asked".into(), json!([request.attempt_count(), request.attempts(0)]));
    seen.insert("other".into(), ask(&request, other).await?);
    seen.insert("unknown".into(), ask(&request, "nobody").await?);
    seen.insert("asked-since".into(), json!(request.attempts(1)));
    seen.insert("state".into(), of_state().await.map_err(failed)?);
    seen.insert("host".into(), of_host().await);
    Ok(told(&request, Value::Object(seen).to_string()))
}

fn of_request(request: &Request, other: &str) -> Value {
    json!({
        "parts": request.parts(),
        "provider": request.provider(),
        "model": request.model(),
        "has-deadline": request.remaining().is_some(),
        "attempt-count": request.attempt_count(),
        "streamed": request.streamed(),
        "options": request.options(),
        "label": [request.label("team"), request.label("nothing")],
        "size": request.size(),
        "digest": request.digest(),
        "last-user-text": [request.last_user_text(1000), request.last_user_text(3)],
        "facts": [request.facts(other), request.facts("nobody")],
        "inner": [inner::name(), format!("{:?}", inner::validate_config())],
    })
}

async fn of_answer(answer: Response) -> Result<Value, Error> {
    let first = of_handle(&answer);
    let answer = begun(answer).await?;
    let begun = of_handle(&answer);
    let watch = Watch::new(&answer);
    let reader = streams::read(answer);
    let (mut text, mut end) = (String::new(), None);
    loop {
        let events = reader.read().await?;
        if events.is_empty() {
            break;
        }
        for event in events {
            match event {
                Event::Text(piece) => text += &piece,
                other => end = Some(other),
            }
        }
    }
    // Somebody has read the answer, so it ends.
    Ok(json!({"first": first, "begun": begun, "text": text, "end": end, "ended": watch.ended().await?}))
}

fn of_handle(answer: &Response) -> Value {
    json!({
        "is-whole": answer.is_whole(),
        "stop-reason": answer.stop_reason(),
        "size": answer.size(),
        "usage": answer.usage(),
        "parts": answer.parts(),
        "model": answer.model(),
        "provider": answer.provider(),
    })
}

async fn ask(request: &Request, name: &str) -> Result<Value, Error> {
    let model = match models::load(request, name.to_owned()).await {
        Ok(model) => model,
        Err(error) => return Ok(json!({"not-loaded": error})),
    };
    let answer = model.invoke(request.clone()).await?;
    Ok(json!({"provider": model.provider(), "name": model.name(), "answer": of_answer(answer).await?}))
}

async fn of_state() -> Result<Value, String> {
    let key = || "seen".to_owned();
    let count = state::increment(key(), 5).await?;
    let one = state::get(key()).await?;
    let swapped = state::compare_and_swap(key(), one.clone(), Some(b"6".to_vec())).await?;
    let swapped_again = state::compare_and_swap(key(), one.clone(), None).await?;
    state::set(key(), b"word".to_vec()).await?;
    let no_number = state::increment(key(), 1).await;
    state::delete(key()).await?;
    Ok(json!([count, one, swapped, swapped_again, no_number, state::get(key()).await?]))
}

async fn of_host() -> Value {
    let before = monotonic_clock::now();
    monotonic_clock::wait_for(1_000_000).await;
    monotonic_clock::wait_until(before + 2_000_000).await;
    let waited = monotonic_clock::now() - before;
    log(Level::Info, "everything", "has looked");
    json!({
        "waited": waited >= 2_000_000,
        "resolutions": [monotonic_clock::get_resolution(), system_clock::get_resolution()],
        "seconds": system_clock::now().seconds,
        "random-bytes": [random::get_random_bytes(7).len(), insecure::get_insecure_random_bytes(9).len()],
        "differ": random::get_random_u64() != insecure::get_insecure_random_u64(),
        "seed": insecure_seed::get_insecure_seed(),
    })
}

fn failed(message: String) -> Error {
    Error::Other(Failure { message, provider: String::new(), extensions: Vec::new() })
}

/// Answers in place of the model.
fn told(request: &Request, text: String) -> Response {
    let usage = Usage {
        input_tokens: 0,
        output_tokens: 0,
        total_tokens: 0,
        cache_read_tokens: None,
        cache_write_tokens: None,
        cache_write_hour_tokens: None,
        reasoning_tokens: None,
        extensions: Vec::new(),
    };
    let parts = ResponseParts {
        content: vec![ContentBlock::Text(Text { text, cache: None, extensions: Vec::new() })],
        usage,
        stop_reason: StopReason::EndTurn,
        model: request.model(),
        provider: request.provider(),
        extensions: Vec::new(),
    };
    Response::new(request, &parts)
}
