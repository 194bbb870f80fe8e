//! Edits the tables of a module in the text of a configuration. Comments, order and form of the rest stay.

use arcllm::{Config, Grant};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

use crate::failure::Failure;

/// Sets where a module comes from and what it is granted. A new module is off.
pub(crate) fn set_module(document: &mut DocumentMut, name: &str, wasm: &str, allow: &[Grant]) -> Result<(), Failure> {
    let modules = table(document.as_item_mut(), "modules", true)?;
    let is_new = modules.get(name).is_none();
    let module = table(modules, name, false)?;
    if is_new {
        set(module, "enabled", false.into());
    }
    let sandbox = table(module, "sandbox", false)?;
    set(sandbox, "wasm", wasm.into());
    if let Some(sandbox) = sandbox.as_table_like_mut() {
        // It pinned the bytes from before; the lock pins those of now.
        sandbox.remove("sha256");
    }
    if allow.is_empty() && sandbox.get("allow").is_none() {
        return Ok(());
    }
    let grants: Array = allow.iter().map(grant).collect();
    set(sandbox, "allow", Value::Array(grants));
    Ok(())
}

/// Switches a module on, as the outermost of the chain unless it has a place already.
pub(crate) fn enable(document: &mut DocumentMut, config: &Config, name: &str) -> Result<(), Failure> {
    set(table(table(document.as_item_mut(), "modules", true)?, name, false)?, "enabled", true.into());
    let host = table(document.as_item_mut(), "host", false)?;
    match host.get_mut("order").and_then(Item::as_array_mut) {
        Some(order) if order.iter().any(|listed| listed.as_str() == Some(name)) => {}
        Some(order) => insert_first(order, name),
        None if config.order.iter().any(|listed| listed == name) => {}
        None => {
            let order: Array = std::iter::once(name).chain(config.order.iter().map(String::as_str)).collect();
            set(host, "order", Value::Array(order));
        }
    }
    Ok(())
}

/// Inserts a name before all others. What stood before the first one stands before the new one.
fn insert_first(order: &mut Array, name: &str) {
    let before = order.get(0).and_then(|first| first.decor().prefix().cloned()).unwrap_or_default();
    let is_in_lines = before.as_str().is_some_and(|text| text.contains('\n'));
    order.insert(0, name);
    if let Some(second) = order.get_mut(1).filter(|_| !is_in_lines) {
        second.decor_mut().set_prefix(" ");
    }
    if let Some(first) = order.get_mut(0) {
        first.decor_mut().set_prefix(before);
    }
}

/// Removes a module's tables and its place in the chain. Returns whether there was anything.
pub(crate) fn remove_module(document: &mut DocumentMut, name: &str) -> bool {
    let mut was_there = false;
    if let Some(modules) = document.get_mut("modules").and_then(Item::as_table_like_mut) {
        was_there = modules.remove(name).is_some();
    }
    let order = document.get_mut("host").and_then(|host| host.get_mut("order")).and_then(Item::as_array_mut);
    if let Some(order) = order {
        let before = order.len();
        order.retain(|listed| listed.as_str() != Some(name));
        was_there |= order.len() < before;
    }
    was_there
}

/// The table of this name, made if it is not there. One that only holds tables has no line of its own.
fn table<'a>(parent: &'a mut Item, name: &str, is_implicit: bool) -> Result<&'a mut Item, Failure> {
    // A table in braces holds no table with a line of its own.
    let is_inline = parent.is_value();
    let wrong = || Failure::usage(format!("`{name}` stands in no table of the configuration"));
    let item = parent.as_table_like_mut().ok_or_else(wrong)?.entry(name).or_insert_with(|| match is_inline {
        true => Item::Value(Value::InlineTable(InlineTable::new())),
        false => {
            let mut table = Table::new();
            table.set_implicit(is_implicit);
            Item::Table(table)
        }
    });
    if item.is_table_like() { Ok(item) } else { Err(wrong()) }
}

/// Sets a value. The spaces and the comment around the old one stay.
fn set(table: &mut Item, key: &str, mut value: Value) {
    let Some(table) = table.as_table_like_mut() else { return };
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => {
            table.insert(key, Item::Value(value));
        }
    }
}

/// A grant as a configuration has it.
fn grant(grant: &Grant) -> Value {
    grant.to_toml().parse().unwrap_or_else(|_| Value::from(grant.name.as_str()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn edited(text: &str, edit: impl FnOnce(&mut DocumentMut)) -> String {
        let mut document: DocumentMut = text.parse().unwrap();
        edit(&mut document);
        let text = document.to_string();
        let read = Config::parse(&text, Some(Path::new("/nowhere/config.toml")));
        assert!(read.is_ok(), "{read:?}\n{text}");
        text
    }

    fn added(text: &str) -> String {
        edited(text, |document| {
            set_module(document, "mine", "mine.wasm", &[Grant::from("models"), Grant::state_mb(10)]).unwrap();
        })
    }

    #[test]
    fn a_module_is_added_and_everything_else_stays() {
        let text = "# mine\n[defaults]\nprovider = 'groq' # fast\n\n[modules.retry]\nenabled   = true\n";
        let after = added(text);
        assert!(after.starts_with(text), "{after}");
        assert_eq!(
            &after[text.len()..],
            "\n[modules.mine]\nenabled = false\n\n[modules.mine.sandbox]\nwasm = \"mine.wasm\"\n\
             allow = [\"models\", { state = { max_mb = 10 } }]\n"
        );
        assert!(added("").starts_with("[modules.mine]\n"), "{}", added(""));
    }

    #[test]
    fn each_form_of_a_table_can_be_edited() {
        for text in [
            "[modules]\nmine = { enabled = true }\n",
            "modules = { mine = { enabled = true, sandbox = { wasm = \"old.wasm\" } } }\n",
            "modules.mine.enabled = true\n",
            "[modules]\nmine.enabled = true\nmine.sandbox.wasm = \"old.wasm\" # old\n",
            "[modules.mine]\nenabled = true\nsandbox.allow = [\"state\"]\n",
            "[modules.mine]\nenabled = true\n[modules.mine.sandbox]\nallow = [\n  \"state\", # why\n]\nsha256 = \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"\n",
        ] {
            let after = added(text);
            let config = Config::parse(&after, Some(Path::new("/nowhere/config.toml"))).unwrap();
            let mine = config.modules.get("mine").unwrap();
            assert!(mine.enabled, "{after}");
            assert_eq!(mine.sandbox.wasm.as_deref(), Some("mine.wasm"), "{after}");
            assert_eq!(mine.sandbox.allow, [Grant::from("models"), Grant::state_mb(10)], "{after}");
            assert_eq!(mine.sandbox.sha256, None, "{after}");
        }
    }

    #[test]
    fn a_module_is_switched_on_and_removed() {
        let config = Config::parse("", None).unwrap();
        let on = |text: &str| {
            edited(text, |document| {
                set_module(document, "mine", "mine.wasm", &[]).unwrap();
                enable(document, &config, "mine").unwrap();
            })
        };
        let after = on("[host]\norder = [\n  \"retry\", # asks again\n]\n");
        assert!(after.contains("order = [\n  \"mine\",\n  \"retry\", # asks again\n]"), "{after}");
        let after = on("[host]\norder = [\"retry\"] # outermost first\n");
        assert!(after.contains("order = [\"mine\", \"retry\"] # outermost first"), "{after}");
        assert!(on("").contains("order = [\"mine\", \"audit\""), "{}", on(""));
        assert_eq!(on(&after), after);
        let removed = edited(&after, |document| assert!(remove_module(document, "mine")));
        assert_eq!(removed, "[host]\norder = [ \"retry\"] # outermost first\n");
        edited("[host]\norder = [\"retry\"]\n", |document| assert!(!remove_module(document, "mine")));
    }
}
