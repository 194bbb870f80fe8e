//! What `arcllm check` warns of.

use insta::assert_snapshot;

use crate::{
    scene::{around, replies, soon},
    support::Chain,
};

/// The exit code and the output of `check` for this configuration.
async fn check(config: &str) -> (i32, String) {
    let folder = Chain::new().folder().unwrap();
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let output = folder.arcllm(["check"]).unwrap().run().await.unwrap();
    (output.code, output.stdout)
}

const PROVIDER: &str = r#"
[defaults]
provider = "local"

[providers.local]
adapter = "openai"
base_url = "http://127.0.0.1:9"
default_model = "m"
models.m = { context_window = 1, max_output_tokens = 1, cost_input_per_1m = 0, cost_output_per_1m = 0 }
"#;

#[tokio::test]
async fn a_good_configuration_has_no_warning() {
    assert_snapshot!(check(PROVIDER).await.1, @"
    config      config.toml
    provider    local (m)
    chain       agent -> adapter
    worst case  1 attempt, 0 s of waiting
    attempts    32 at most
    deadline    600 s
    no problems
    ");
}

#[tokio::test]
async fn waits_beyond_the_deadline_and_a_chain_of_one() {
    let config = format!(
        "{PROVIDER}
[host]
deadline_seconds = 30
[modules.retry]
enabled = true
[modules.fallback]
enabled = true
chain = [\"local\"]
"
    );
    let (code, stdout) = check(&config).await;
    assert_eq!(code, 0, "a warning is no error");
    assert_snapshot!(stdout, @r#"
    config      config.toml
    provider    local (m)
    chain       agent -> retry -> fallback -> adapter
    worst case  4 attempts, 180 s of waiting
    attempts    32 at most
    deadline    30 s
    warning     config.toml:12: `host.deadline_seconds` is 30 s, and modules can make one call wait longer than that: up to 180 s
                help: raise it, or make the modules wait less; it ends every call that takes longer
    warning     config.toml:13: `modules.retry.max_wait_seconds` is 60 s, longer than the deadline of a whole call
                help: at most host.deadline_seconds, which is 30
    warning     config.toml:17: `modules.fallback.chain` names only the provider that is asked first, so there is no other to fall back to
                help: add another provider
    "#);
}

#[tokio::test]
async fn missing_facts_of_every_provider_that_can_be_asked() {
    let config = "
[defaults]
provider = \"openai\"
[modules.fallback]
enabled = true
chain = [\"openai\", \"groq/new-model\", \"vllm\"]
";
    assert_snapshot!(check(config).await.1, @r#"
    config      config.toml
    provider    openai (gpt-4.1)
    chain       agent -> fallback -> adapter
    worst case  3 attempts, 0 s of waiting
    attempts    32 at most
    deadline    600 s
    warning     config.toml: `providers.groq.api_key_env` names the environment variable GROQ_API_KEY, which is not set
                help: put the key of groq into the variable GROQ_API_KEY
    warning     config.toml: `providers.groq.models."new-model"` lacks context_window, max_output_tokens, cost_input_per_1m, cost_output_per_1m
                help: without them, limits and prices are unknown
    warning     config.toml: `providers.openai.api_key_env` names the environment variable OPENAI_API_KEY, which is not set
                help: put the key of openai into the variable OPENAI_API_KEY
    warning     config.toml: `providers.vllm.default_model` is missing, and no model was asked for
                help: set it, or ask for a model: `vllm/MODEL`
    "#);
}

#[tokio::test]
async fn the_worst_case_multiplies_over_the_chain() {
    let second =
        PROVIDER.replace("[defaults]\nprovider = \"local\"", "").replace("providers.local", "providers.second");
    let config = format!(
        "{PROVIDER}{second}
[modules.retry]
enabled = true
max_retries = 3
max_wait_seconds = 10
[modules.fallback]
enabled = true
chain = [\"local\", \"second\"]
"
    );
    assert_snapshot!(check(&config).await.1, @r#"
    config      config.toml
    provider    local (m)
    chain       agent -> retry -> fallback -> adapter
    worst case  8 attempts, 30 s of waiting
    attempts    32 at most
    deadline    600 s
    no problems
    "#);
}

/// If the chain does not load, that is a problem, and there is no warning about the same.
#[tokio::test]
async fn each_warning_comes_once() {
    let config = PROVIDER.replace("default_model = \"m\"\n", "");
    let (code, stdout) = check(&config).await;
    assert_eq!(code, 2);
    assert_snapshot!(stdout, @"
    config      config.toml
    provider    local
    chain       agent -> adapter
    worst case  1 attempt, 0 s of waiting
    attempts    32 at most
    deadline    600 s
    problem     config.toml:5: `providers.local.default_model` is missing, and no model was asked for
                help: set it, or ask for a model: `local/MODEL`
    ");
}

#[tokio::test]
async fn orders_that_defeat_a_modules_purpose() {
    let check_order = async |order: [&str; 6]| {
        let modules = order.map(|module| match module {
            "fallback" => "[modules.fallback]\nenabled = true\nchain = [\"local\", \"ollama\"]\n".to_owned(),
            module => format!("[modules.{module}]\nenabled = true\n"),
        });
        let (code, stdout) = check(&format!("{PROVIDER}\n[host]\norder = {order:?}\n{}", modules.concat())).await;
        assert_eq!(code, 0, "{stdout}");
        let lines: Vec<_> = stdout.lines().skip_while(|line| !line.contains("host.order")).collect();
        lines.into_iter().take_while(|line| !line.contains("providers.ollama")).collect::<Vec<_>>().join("\n")
    };
    let by_default = ["telemetry", "redact", "retry", "fallback", "circuit-breaker", "rate-limit"];
    assert_eq!(check_order(by_default).await, "");
    let [a, b, c, d, e, f] = by_default;
    assert_snapshot!(check_order([f, e, d, c, b, a]).await, @"
    warning     config.toml:12: `host.order` has `rate-limit` outside of `fallback`, so that it does not count or delay the further attempts
                help: put `rate-limit` after `fallback`
    warning     config.toml:12: `host.order` has `rate-limit` outside of `circuit-breaker`, so that calls that the breaker refuses use up the limit
                help: put `rate-limit` after `circuit-breaker`
    warning     config.toml:12: `host.order` has `telemetry` inside of `rate-limit`, so that it does not see the calls that are refused or answered outside of it
                help: put `telemetry` before `rate-limit`
    warning     config.toml:12: `host.order` has `circuit-breaker` outside of `fallback`, so that the other providers have no circuit of their own and are not asked while it is open
                help: put `circuit-breaker` after `fallback`
    warning     config.toml:12: `host.order` has `telemetry` inside of `circuit-breaker`, so that it does not see the calls that are refused or answered outside of it
                help: put `telemetry` before `circuit-breaker`
    warning     config.toml:12: `host.order` has `telemetry` inside of `fallback`, so that it sees each provider's attempt as a call of its own
                help: put `telemetry` before `fallback`
    warning     config.toml:12: `host.order` has `redact` inside of `fallback`, so that it rewrites again for each provider
                help: put `redact` before `fallback`
    warning     config.toml:12: `host.order` has `telemetry` inside of `retry`, so that it sees each attempt as a call, and no waits between them
                help: put `telemetry` before `retry`
    warning     config.toml:12: `host.order` has `redact` inside of `retry`, so that it rewrites again for each attempt
                help: put `redact` before `retry`
    warning     config.toml:12: `host.order` has `telemetry` inside of `redact`, so that it does not see the time that the rewriting takes
                help: put `telemetry` before `redact`
    ");
}

#[tokio::test]
async fn a_cache_stands_outside_of_what_it_spares() {
    let check_order = async |outer: &str, inner: &str| {
        let modules = [outer, inner].map(|name| match name {
            "fallback" => "[modules.fallback]\nenabled = true\nchain = [\"local\", \"ollama/x\"]\n".to_owned(),
            name => format!("[modules.{name}]\nenabled = true\n"),
        });
        let modules = format!("[host]\norder = [{outer:?}, {inner:?}]\n{}", modules.concat());
        let stdout = check(&format!("{PROVIDER}\n{modules}")).await.1;
        stdout.lines().filter(|line| line.contains("host.order")).map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    for outer in ["retry", "fallback", "circuit-breaker", "rate-limit"] {
        let said = check_order(outer, "cache").await;
        let expected = format!("`host.order` has `cache` inside of `{outer}`, so that ");
        assert!(said.contains(&expected) && said.lines().count() == 1, "{said}");
        assert_eq!(check_order("cache", outer).await, "");
    }
    assert_eq!(check_order("cache", "redact").await, "");
    assert_eq!(check_order("redact", "cache").await, "");
}

/// As the READMEs of hedge, route and resume say.
#[tokio::test]
async fn hedge_route_and_resume_stand_where_they_do_their_part() {
    let check_order = async |outer: &str, inner: &str| {
        let module = |name: &str| match name {
            "fallback" => "[modules.fallback]\nenabled = true\nchain = [\"local\", \"ollama/x\"]\n".to_owned(),
            "route" => "[modules.route]\nenabled = true\nrules = [{ targets = [\"local\"] }]\n".to_owned(),
            name => format!("[modules.{name}]\nenabled = true\n"),
        };
        let modules = format!("[host]\norder = [{outer:?}, {inner:?}]\n{}{}", module(outer), module(inner));
        let stdout = check(&format!("{PROVIDER}\n{modules}")).await.1;
        stdout.lines().filter(|line| line.contains("host.order")).map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    let wrong = [
        ("hedge", "retry", "hedge"),
        ("hedge", "fallback", "hedge"),
        ("hedge", "route", "hedge"),
        ("hedge", "resume", "hedge"),
        ("fallback", "route", "route"),
        ("retry", "resume", "resume"),
        ("fallback", "resume", "resume"),
        ("route", "resume", "resume"),
        ("circuit-breaker", "route", "circuit-breaker"),
        ("circuit-breaker", "hedge", "circuit-breaker"),
        ("circuit-breaker", "resume", "circuit-breaker"),
        ("rate-limit", "route", "rate-limit"),
        ("rate-limit", "hedge", "rate-limit"),
        ("rate-limit", "resume", "rate-limit"),
    ];
    for (outer, inner, moved) in wrong {
        let said = check_order(outer, inner).await;
        assert!(said.contains(&format!("`host.order` has `{moved}` ")), "{outer} {inner}: {said}");
        assert_eq!(check_order(inner, outer).await, "", "{inner} {outer}");
    }
    // A retry around route may be sent elsewhere; one inside of it asks the chosen model again.
    assert_eq!(check_order("retry", "route").await + &check_order("route", "retry").await, "");
}

/// As the READMEs of telemetry and redact say.
#[tokio::test]
async fn observers_stand_outermost_and_transformers_outside_of_retry() {
    let check_order = async |outer: &str, inner: &str| {
        let module = |name: &str| match name {
            "fallback" => "[modules.fallback]\nenabled = true\nchain = [\"local\", \"ollama/x\"]\n".to_owned(),
            "budget" => "[modules.budget]\nenabled = true\nlimits = [{ window = \"day\", tokens = 9 }]\n".to_owned(),
            name => format!("[modules.{name}]\nenabled = true\n"),
        };
        let modules = format!("[host]\norder = [{outer:?}, {inner:?}]\n{}{}", module(outer), module(inner));
        let stdout = check(&format!("{PROVIDER}\n{modules}")).await.1;
        stdout.lines().filter(|line| line.contains("host.order")).map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(check_order("audit", "telemetry").await, "");
    for outer in ["redact", "retry", "fallback", "circuit-breaker", "rate-limit", "chaos"] {
        assert!(check_order(outer, "audit").await.contains("`audit` inside of"), "{outer}");
        assert_eq!(check_order("audit", outer).await, "");
        let said = check_order(outer, "telemetry").await;
        let expected = format!("`host.order` has `telemetry` inside of `{outer}`, so that it ");
        assert!(said.contains(&expected) && said.lines().count() == 1, "{said}");
        assert_eq!(check_order("telemetry", outer).await, "");
    }
    for outer in ["retry", "fallback", "resume"] {
        let said = check_order(outer, "budget").await;
        assert!(
            said.contains(&format!("has `budget` inside of `{outer}`, so that each attempt reserves anew")),
            "{said}"
        );
        assert_eq!(check_order("budget", outer).await, "");
    }
    for outer in ["retry", "fallback"] {
        let said = check_order(outer, "redact").await;
        let expected = format!("`host.order` has `redact` inside of `{outer}`, so that it rewrites again for each ");
        assert!(said.contains(&expected) && said.lines().count() == 1, "{said}");
    }
}

/// A configuration that cannot answer a question is not called good.
#[tokio::test]
async fn a_configuration_without_a_provider() {
    let (code, stdout) = check("").await;
    assert_eq!(code, 0);
    assert_snapshot!(stdout, @r#"
    config      config.toml
    provider    none; give --provider NAME or set `defaults.provider`
    chain       agent -> adapter
    worst case  1 attempt, 0 s of waiting
    attempts    32 at most
    deadline    600 s
    warning     config.toml: `defaults.provider` is missing, so there is no provider to ask unless a call names one
                help: set it, for example to "anthropic", or check what calls ask: --provider NAME
    "#);
    let (_, stdout) = check(&PROVIDER.replace("provider = \"local\"", "")).await;
    assert!(
        stdout.contains("config.toml:2: `defaults.provider` is missing") && !stdout.contains("no problems"),
        "{stdout}"
    );
}

/// Only a fallback has nobody else to ask. A module of another kind may name one provider.
#[tokio::test]
async fn a_module_that_names_the_provider_of_the_call() {
    let folder = Chain::new().folder().unwrap();
    let config = format!(
        "{PROVIDER}[host]\norder = [\"chaos\"]\n[modules.chaos]\nenabled = true\nfault = \"delay\"\nprovider = \"local\"\n"
    );
    folder.write("config.toml", config).unwrap();
    let output = folder.arcllm(["check"]).unwrap().run().await.unwrap();
    assert!(!output.stdout.contains("fall back"), "{}", output.stdout);
}

/// With `on_trap = "bypass"` a call can go around a module that guards something.
#[tokio::test]
async fn a_guard_with_bypass() {
    let a = replies([]).await;
    let bypass = |module: &str| {
        let chain = around(&a).module(module, "").table(&format!("modules.{module}.sandbox"), "on_trap = \"bypass\"");
        soon(async move { chain.folder().unwrap().arcllm(["check"]).unwrap().run().await.unwrap().stdout })
    };
    for (module, does) in [("rate-limit", "may refuse a call or answer it"), ("redact", "changes requests")] {
        let text = bypass(module).await;
        let says = format!("`modules.{module}.sandbox.on_trap` is \"bypass\", and the module {does}: ");
        assert!(text.contains(&says), "{text}");
    }
    for module in ["retry", "telemetry"] {
        assert!(!bypass(module).await.contains("on_trap"), "{module} guards nothing");
    }
    let off = around(&a).table("modules.redact.sandbox", "on_trap = \"bypass\"");
    assert!(!soon(off.folder().unwrap().arcllm(["check"]).unwrap().run()).await.unwrap().stdout.contains("on_trap"));
}
