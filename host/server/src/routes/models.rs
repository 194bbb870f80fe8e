//! The routes that list models: `/v1/models` and `/v1/models/ID`.

use std::{sync::Arc, time::UNIX_EPOCH};

use arcllm::{KnownModel, rfc3339};
use axum::{
    extract::{Extension, Path, RawQuery, State, rejection::PathRejection},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::{
    client::{
        problem::Problem,
        shape::{Shape, json_answer},
    },
    gateway::{caller::Caller, gateway::Gateway},
};

/// How many models a page has in Anthropic's shape, unless the client says.
const PAGE: usize = 20;

/// The most that a client may ask for.
const LONGEST_PAGE: usize = 1000;

/// The models that the caller may use.
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let models = usable(&gateway, &caller);
    if Shape::of("/v1/models", &headers) == Shape::OpenAi {
        let data: Vec<_> = models.iter().map(openai).collect();
        return json_answer(&json!({"object": "list", "data": data}));
    }
    match page(&models, query.as_deref().unwrap_or_default()) {
        Ok(page) => json_answer(&page),
        Err(problem) => Shape::Anthropic.refuse(&problem),
    }
}

/// One model. Its name may have slashes. A model that is not listed may exist too: a provider's other models.
pub(crate) async fn one(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let shape = Shape::of("/v1/models", &headers);
    let Ok(Path(name)) = name else {
        return shape.refuse(&Problem::new(StatusCode::BAD_REQUEST, "the name of the model is not UTF-8"));
    };
    if let Some(known) = usable(&gateway, &caller).iter().find(|model| model.name == name) {
        return json_answer(&in_shape(shape, &known.name, &known.provider));
    }
    match gateway.model(&caller, &name).await {
        Ok(loaded) => json_answer(&in_shape(shape, &name, loaded.model.provider())),
        Err(problem) => shape.refuse(&problem),
    }
}

fn usable(gateway: &Gateway, caller: &Caller) -> Vec<KnownModel> {
    let mut models = gateway.host().models();
    if let Some(holder) = &caller.holder {
        models.retain(|model| holder.may_use(&model.name, Some(&format!("{}/{}", model.provider, model.model))));
    }
    models
}

fn in_shape(shape: Shape, name: &str, provider: &str) -> Value {
    match shape {
        // When the model was made is not known.
        Shape::OpenAi => json!({"id": name, "object": "model", "created": 0, "owned_by": provider}),
        Shape::Anthropic => {
            json!({"type": "model", "id": name, "display_name": name, "created_at": rfc3339(UNIX_EPOCH)})
        }
    }
}

fn openai(model: &KnownModel) -> Value {
    in_shape(Shape::OpenAi, &model.name, &model.provider)
}

/// A page in Anthropic's shape, as `limit`, `after_id` and `before_id` of the query say.
fn page(models: &[KnownModel], query: &str) -> Result<Value, Problem> {
    let (mut limit, mut after, mut before) = (PAGE, None, None);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "limit" => limit = read_limit(value)?,
            "after_id" => after = Some(decoded(value)),
            "before_id" => before = Some(decoded(value)),
            _ => {}
        }
    }
    let place = |name: &str| models.iter().position(|model| model.name == name);
    let begin = after.and_then(|name| place(&name)).map_or(0, |at| at + 1);
    let end = before.as_deref().and_then(place).unwrap_or(models.len());
    let all = models.get(begin..end).unwrap_or_default();
    let shown = match before {
        Some(_) => all.get(all.len().saturating_sub(limit)..),
        None => all.get(..limit.min(all.len())),
    };
    let shown = shown.unwrap_or_default();
    let data: Vec<_> = shown.iter().map(|model| in_shape(Shape::Anthropic, &model.name, &model.provider)).collect();
    let name = |model: Option<&KnownModel>| model.map(|model| model.name.clone());
    let (first, last) = (name(shown.first()), name(shown.last()));
    Ok(json!({"data": data, "has_more": shown.len() < all.len(), "first_id": first, "last_id": last}))
}

fn read_limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=LONGEST_PAGE).contains(limit));
    let message = format!("a whole number from 1 to {LONGEST_PAGE} is expected");
    limit.ok_or_else(|| Problem::bad_field("limit", message))
}

/// The text that a part of a query means.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let coded = digits.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(coded.unwrap_or(if byte == b'+' { b' ' } else { byte }));
        rest = if coded.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use arcllm::{Config, Host};
    use http::StatusCode;

    use super::*;

    fn models() -> Vec<KnownModel> {
        let table = |name| format!("[models.{name}]\nprovider = \"sim\"\n");
        let config = ["a", "b", "c"].map(table).concat();
        let provider =
            "[providers.sim]\nadapter = \"openai\"\nbase_url = \"http://127.0.0.1:1\"\ndefault_model = \"m\"\n";
        let config = Config::parse(&format!("{provider}{config}"), None).unwrap();
        let mut models = Host::builder().config(config).build().unwrap().models();
        models.retain(|model| ["a", "b", "c"].contains(&&*model.name));
        models
    }

    #[test]
    fn pages_follow_each_other() {
        let models = models();
        for (query, ids, has_more) in [
            ("", &["a", "b", "c"][..], false),
            ("limit=2", &["a", "b"], true),
            ("limit=2&after_id=b", &["c"], false),
            ("after_id=%62", &["c"], false),
            ("before_id=c&limit=1", &["b"], true),
            ("after_id=c", &[], false),
            ("beta=true&limit=1000", &["a", "b", "c"], false),
        ] {
            let page = page(&models, query).unwrap();
            let found: Vec<_> = page["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
            assert_eq!((json!(found), &page["has_more"]), (json!(ids), &json!(has_more)), "{query}");
            assert_eq!((&page["first_id"], &page["last_id"]), (&json!(ids.first()), &json!(ids.last())), "{query}");
        }
        for wrong in ["limit=0", "limit=1001", "limit=x", "limit="] {
            assert_eq!(page(&models, wrong).unwrap_err().status, StatusCode::BAD_REQUEST, "{wrong}");
        }
    }
}
