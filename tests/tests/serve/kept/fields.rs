//! Fields that nobody knows, put everywhere.

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use serde_json::{Map, Value};

/// Fields that hold what others have said, or what a schema says: there is nothing unknown in them.
const SPOKEN: [&str; 4] = ["input_schema", "parameters", "arguments", "metadata"];

/// Puts unknown fields into each object. Returns their names and values.
pub(super) struct Fields<'a> {
    pub(super) runner: &'a mut TestRunner,
    pub(super) put: Map<String, Value>,
}

impl Fields<'_> {
    pub(super) fn put_into(&mut self, value: &mut Value, name: &str) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.put_into(item, "")),
            Value::Object(fields) => {
                let is_input = name == "input" && !fields.contains_key("type");
                if SPOKEN.contains(&name) || is_input {
                    return;
                }
                fields.iter_mut().for_each(|(name, value)| self.put_into(value, name));
                let name = format!("zz_{}_{name}", self.put.len());
                let value = json().new_tree(self.runner).unwrap().current();
                fields.insert(name.clone(), value.clone());
                self.put.insert(name, value);
            }
            _ => {}
        }
    }

    /// Checks that each of them is there.
    pub(super) fn are_in(&self, text: &str) {
        let missing: Vec<_> =
            self.put.iter().filter(|(name, value)| !text.contains(&format!("\"{name}\":{value}"))).collect();
        assert!(missing.is_empty(), "{missing:?} in {text}");
    }
}

/// A value that is not null: a null field is an absent one.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z \"\\\\é]{0,6}".prop_map(Value::from)
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        let fields = vec(("[a-z]{1,4}", inner.clone()), 1..3);
        prop_oneof![
            vec(inner, 1..3).prop_map(Value::from),
            (fields, Just(())).prop_map(|(fields, ())| fields.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}
