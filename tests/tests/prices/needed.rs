//! What `arcllm check` says of prices that a module needs.

use crate::{
    command::run,
    scene::replies,
    support::{Chain, Folder, test_module},
};
use arcllm_simulator::Format;

/// The warnings of `check` about prices, with this setting of the module and these settings of the model of `a`.
async fn warnings(setting: &str, facts: &str) -> Vec<String> {
    let a = replies([]).await;
    let chain = Chain::new()
        .host("order = [\"blocking\", \"fallback\"]")
        .provider("a", Format::OpenAi, &a.url())
        .provider("b", Format::OpenAi, &a.url())
        .module("fallback", "chain = [\"groq/llama-3.3-70b-versatile\", \"b/x\"]")
        .module("blocking", setting)
        .table("modules.blocking.sandbox", "allow = [\"models\", \"state\"]")
        .table("providers.a.models.a-model", facts);
    let folder: Folder = chain.folder().unwrap();
    folder.write("modules/blocking.wasm", std::fs::read(test_module("blocking")).unwrap()).unwrap();
    let report = run(&folder, &["check", "--json", "--config", "config.toml"]).await.json().unwrap();
    assert_eq!(report["problems"].as_array().unwrap().len(), 0, "{report}");
    let warnings = report["warnings"].as_array().unwrap().iter().map(|warning| warning.as_str().unwrap().to_owned());
    warnings.filter(|warning| warning.contains("needs the price")).collect()
}

#[tokio::test]
async fn a_module_that_needs_prices_warns_of_each_model_without_one() {
    let unpriced = warnings("paid.most = 5", "").await;
    assert_eq!(unpriced.len(), 2, "groq has a price: {unpriced:#?}");
    // The line depends on what else the chain has.
    let unplaced = unpriced[0].split_once(": ").unwrap();
    assert!(unplaced.0.starts_with("config.toml:"), "{unpriced:#?}");
    insta::assert_snapshot!(unplaced.1, @r#"
    `modules.blocking.paid.most` needs the price of `a/a-model`, which is unknown
      help: set cost_input_per_1m and cost_output_per_1m in [providers.a.models."a-model"], to 0 if it costs nothing
    "#);
    assert!(unpriced[1].contains("`b/x`"), "{unpriced:#?}");
    let half = warnings("paid.most = 5", "cost_input_per_1m = 1").await;
    assert_eq!(half.len(), 2, "{half:#?}");
    let known = warnings("paid.most = 5", "cost_input_per_1m = 0\ncost_output_per_1m = 0").await;
    assert!(known.len() == 1 && known[0].contains("`b/x`"), "{known:#?}");
}

#[tokio::test]
async fn a_setting_that_is_not_in_use_needs_no_price() {
    for setting in ["", "paid = {}", "order = \"listed\""] {
        assert_eq!(warnings(setting, "").await, [""; 0], "{setting}");
    }
    assert_eq!(warnings("order = \"cheapest\"", "").await.len(), 2);
}
