//! Conversations made at random, with everything that can be wrong in them.

use arcllm::{Model, Overrides};
use serde_json::{Value, json};

use super::{
    stage::{PRESETS, add, call, host, request, result, tools},
    valid,
};
use crate::{
    scene::{replies, soon},
    support::Chain,
};

/// How many conversations each preset gets.
const CONVERSATIONS: u64 = 60;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn id(&mut self) -> &'static str {
        ["call_0", "aB3456789", "functions.weather:0", "", "toolu_01A09q90qw90lq917835lq9abcdefghijklmnopqrstuv"]
            [self.below(5)]
    }

    fn block(&mut self, role: &str) -> Value {
        match (self.below(8), role) {
            (0 | 1, "assistant") => call(self.id()),
            (0..=2, "tool" | "user") => result(self.id()),
            (2, "assistant") => json!({"type": "thinking", "text": "Hm.", "signature": "s", "provider": "elsewhere"}),
            (3, "assistant") => json!({"type": "thinking", "text": "Hm.", "signature": "s"}),
            (4, "assistant") => json!({"type": "server_tool_use", "id": "s", "name": "w", "input": {}}),
            (5, "assistant") => json!({"type": "refusal", "refusal": "No."}),
            (5, "user") => json!({"type": "image", "media_type": "image/png", "data": "iVBORw0K"}),
            (6, "user") => json!({"type": "document", "media_type": "application/pdf", "data": "JVBE"}),
            (7, _) => json!({"type": "text", "text": " "}),
            _ => json!({"type": "text", "text": "word"}),
        }
    }

    fn conversation(&mut self) -> Value {
        let mut messages = vec![json!({"role": "user", "content": "Hi"})];
        for _ in 0..self.below(12) {
            let role = ["user", "assistant", "assistant", "tool", "system"][self.below(5)];
            let blocks: Vec<Value> = (0..self.below(4)).map(|_| self.block(role)).collect();
            messages.push(json!({"role": role, "content": blocks}));
        }
        json!({"messages": messages, "tools": tools(), "options": {"reasoning": "low"}})
    }
}

#[tokio::test]
async fn repaired_they_are_valid_for_every_preset() {
    for (preset, format) in PRESETS {
        let provider = replies([]).await;
        let chain = add(Chain::new().host("repair_history = true"), preset, format, &provider, "");
        let model: Model = soon(host(&chain).load_model(preset, Overrides::new())).await.unwrap();
        for seed in 0..CONVERSATIONS {
            let asked = request(Numbers(seed).conversation());
            soon(model.invoke_with(asked)).await.unwrap();
            valid::check(preset, format, &provider.requests().last().unwrap().body);
        }
    }
}

#[tokio::test]
async fn unrepaired_they_are_valid_or_not_sent() {
    let mut refused = 0;
    for (preset, format) in PRESETS {
        let provider = replies([]).await;
        let model = soon(host(&add(Chain::new(), preset, format, &provider, "")).load_model(preset, Overrides::new()))
            .await
            .unwrap();
        for seed in 0..CONVERSATIONS {
            let before = provider.requests().len();
            match soon(model.invoke_with(request(Numbers(seed).conversation()))).await {
                Ok(_) => valid::check(preset, format, &provider.requests().last().unwrap().body),
                Err(error) => {
                    assert_eq!((error.kind.as_str(), provider.requests().len()), ("usage", before), "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0);
}
