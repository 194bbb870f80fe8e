//! A target: a model, and the options that it is asked with.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    Request, Response, models,
    settings::{
        names::ModelName,
        number::{Amount, Count},
    },
    types::{Error, Options},
};

/// A model that is asked beside the inner or in its place.
///
/// Its options replace those of the caller. An option that only matters if the caller sets none belongs to a `[models.NAME]`,
/// which can be a target too.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct ChainTarget {
    /// The model: a name, such as "openai" or "openai/gpt-4.1".
    pub model: ModelName,
    /// The largest number of tokens in the answer: a whole number above zero.
    #[serde(default)]
    pub max_tokens: Option<Count>,
    /// Randomness of the answer: a number, zero or more.
    #[serde(default)]
    pub temperature: Option<Amount>,
    /// The share of the probability to sample from: a number, zero or more.
    #[serde(default)]
    pub top_p: Option<Amount>,
    /// From how many of the likeliest tokens to sample: a whole number above zero.
    #[serde(default)]
    pub top_k: Option<Count>,
}

impl ChainTarget {
    /// Makes a target without options.
    pub fn new(model: &str) -> Self {
        let model = ModelName(model.to_owned());
        Self { model, max_tokens: None, temperature: None, top_p: None, top_k: None }
    }

    /// Whether it has options.
    pub fn has_options(&self) -> bool {
        *self != Self::new(&self.model.0)
    }

    /// Returns the caller's options with those of the target in their place.
    pub fn options(&self, caller: Options) -> Options {
        Options {
            max_tokens: self.max_tokens.map(Count::get).or(caller.max_tokens),
            temperature: self.temperature.map(Amount::get).or(caller.temperature),
            top_p: self.top_p.map(Amount::get).or(caller.top_p),
            top_k: self.top_k.map(Count::get).or(caller.top_k),
            ..caller
        }
    }

    /// Loads the model and asks it, with the options of the target. Needs the grant `models`.
    ///
    /// # Errors
    ///
    /// Those of [`models::load`] and of the model.
    pub async fn ask(&self, request: &Request) -> Result<Response, Error> {
        let model = models::load(request, self.model.0.clone()).await?;
        let request = match self.has_options() {
            true => request.with_options(&self.options(request.options())),
            false => request.clone(),
        };
        model.invoke(request).await
    }
}

impl From<ModelName> for ChainTarget {
    fn from(model: ModelName) -> Self {
        Self::new(&model.0)
    }
}

/// A target as it stands in a list: the name of a model, or a table with `model` and options.
///
/// `T` is what the table is read into: [`ChainTarget`], or a struct with further keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T = ChainTarget>(pub T);

impl<'de, T: From<ModelName> + Deserialize<'de>> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrTable(PhantomData))
    }
}

struct NameOrTable<T>(PhantomData<T>);

impl<'de, T: From<ModelName> + Deserialize<'de>> Visitor<'de> for NameOrTable<T> {
    type Value = Listed<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a model, or a table with `model` and options")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Listed<T>, E> {
        Ok(Listed(T::from(ModelName(name.to_owned()))))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Listed<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(table)).map(Listed)
    }
}

impl<T: JsonSchema> JsonSchema for Listed<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Listed".into()
    }

    /// One schema for both forms, so that whoever looks for names of models finds them: `format` is about text alone, and
    /// `properties` about tables.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        schema.insert("type".to_owned(), ["string", "object"].into());
        schema.insert("format".to_owned(), "arcllm-model".into());
        let help = "A name, such as \"openai/gpt-4.1\", or a table, such as { model = \"openai/gpt-4.1\", max_tokens = 1000 }.";
        schema.insert("description".to_owned(), help.into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::RequestParts;

    #[test]
    fn the_options_of_a_target_replace_those_of_the_caller() {
        let caller = || Options { max_tokens: Some(8000), top_k: Some(5), ..RequestParts::from_text("Hi").options };
        let target = ChainTarget {
            max_tokens: Some(Count::new(1000)),
            temperature: Some(Amount::new(0.2)),
            ..ChainTarget::new("a")
        };
        let options = target.options(caller());
        assert_eq!((options.max_tokens, options.temperature, options.top_k), (Some(1000), Some(0.2), Some(5)));
        assert!(target.has_options() && !ChainTarget::new("a").has_options());
        assert_eq!(ChainTarget::new("a").options(caller()).max_tokens, Some(8000));
    }

    #[test]
    fn the_schema_has_both_forms() {
        let schema = schemars::schema_for!(Listed<ChainTarget>);
        let schema = schema.as_value();
        assert_eq!((&schema["type"][0], &schema["type"][1]), (&"string".into(), &"object".into()));
        assert_eq!((&schema["format"], &schema["required"][0]), (&"arcllm-model".into(), &"model".into()));
        assert_eq!(schema["properties"]["model"]["format"], "arcllm-model");
        assert_eq!(schema["properties"]["max_tokens"]["minimum"], 1);
        assert_eq!(schema["additionalProperties"], false);
    }
}
