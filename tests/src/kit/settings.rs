//! The settings that a module needs to be tested at all.

use arcllm::{Host, Model};
use serde_json::{Map, Value, json};

use super::{contract::plain, inner::Reply, run::Bench};

/// Settings with which any module can run: each list of providers or models in its schema has two.
pub(super) fn usual(schema: &Value) -> Map<String, Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let lists = properties.into_iter().flatten().filter(|(_, property)| {
        let format = property.pointer("/items/format").and_then(Value::as_str);
        matches!(format, Some("arcllm-provider" | "arcllm-model"))
    });
    lists.map(|(key, _)| (key.clone(), json!(["primary", "second"]))).collect()
}

/// Checks that the module loads with these settings and those of the bench, and returns what has it loaded.
///
/// # Errors
///
/// What it lacks, or why it does not load.
pub(super) async fn check(bench: &Bench, usual: &Map<String, Value>, schema: &Value) -> Result<(Host, Model), String> {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let missing: Vec<&str> =
        required.filter(|key| !usual.contains_key(*key) && !bench.settings.contains_key(*key)).collect();
    let file = bench.wasm.display();
    if !missing.is_empty() {
        let keys: Vec<String> = missing.iter().map(|key| format!("`{key}`")).collect();
        let example: Vec<String> = missing.iter().map(|key| format!("\"{key}\": {}", example(schema, key))).collect();
        let setting = if missing.len() == 1 { "setting" } else { "settings" };
        return Err(format!(
            "{file}: this module needs the {setting} {}\n  help: give --settings '{{{}}}', or a table [settings] at the head of \
             the scenarios",
            keys.join(", "),
            example.join(", "),
        ));
    }
    match bench.load(&plain(usual), Reply::default()).await {
        Ok((host, model, _)) => Ok((host, model)),
        Err(problem) => Err(format!("{file}: this module does not load with the settings of this test: {problem}")),
    }
}

/// A value that a setting may have, as far as the schema tells.
fn example(schema: &Value, key: &str) -> String {
    let property = schema.get("properties").and_then(|properties| properties.get(key)).unwrap_or(&Value::Null);
    let text = |name: &str| property.get(name).and_then(Value::as_str);
    match (text("format"), text("type")) {
        (Some("arcllm-provider" | "arcllm-model"), _) => "\"second\"".to_owned(),
        (_, Some("number" | "integer")) => property.get("minimum").map_or_else(|| "1".to_owned(), Value::to_string),
        (_, Some("boolean")) => "true".to_owned(),
        (_, Some("array")) => "[…]".to_owned(),
        (_, Some("string")) => "\"…\"".to_owned(),
        _ => "…".to_owned(),
    }
}
