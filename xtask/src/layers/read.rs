//! Reads the modules of a crate: what each defines, what it imports, and which paths it names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ImplItem, Item, ItemMod, ItemUse, Macro, Meta, Stmt, UseTree, Visibility,
    ext::IdentExt as _,
    parse::Parser as _,
    punctuated::Punctuated,
    visit::{self, Visit},
};

/// Files that only tests and fuzzing use, and folders of them.
const LEFT_OUT: [&str; 4] = ["tests", "stage", "fixture", "fuzzing"];

/// The last word of the path in a `use PATH::*`.
pub(crate) const GLOB: &str = "*";

/// The modules of a crate by their path, such as `["adapter", "http"]`.
pub(crate) struct Crate {
    pub(crate) modules: BTreeMap<Vec<String>, Module>,
}

/// A module: a file, or a part of one.
pub(crate) struct Module {
    /// Its file, from the folder of the crate, with slashes.
    pub(crate) file: String,
    /// The names of its items.
    pub(crate) defined: BTreeSet<String>,
    /// The names that it imports, and the paths they stand for.
    pub(crate) imported: BTreeMap<String, Vec<String>>,
    /// The paths of its `use PATH::*`.
    pub(crate) globs: Vec<Vec<String>>,
    /// All paths that it names, re-exports left out.
    pub(crate) named: BTreeSet<Vec<String>>,
}

impl Crate {
    /// Follows the `mod` declarations from the root file.
    pub(crate) fn read(folder: &Path, root: &str) -> Result<Self> {
        let mut modules = BTreeMap::new();
        let mut open = vec![(Vec::new(), root.to_owned())];
        while let Some((module, file)) = open.pop() {
            let path = folder.join(&file);
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let source = syn::parse_file(&text).with_context(|| path.display().to_string())?;
            let holds_files = source.items.iter().any(|item| matches!(item, Item::Mod(ItemMod { content: None, .. })));
            let mut reader = Reader { file, module, holds_files, modules: BTreeMap::new(), children: Vec::new() };
            reader.items(&source.items);
            for child in reader.children {
                let inside = child.join("/");
                let names = [format!("{inside}.rs"), format!("{inside}/mod.rs")];
                let name = names.iter().find(|name| folder.join(name).is_file());
                let name = name.with_context(|| format!("{}: no file of `mod {inside}`", path.display()))?;
                open.push((child, name.clone()));
            }
            modules.extend(reader.modules);
        }
        Ok(Self { modules })
    }
}

/// Reads one file.
struct Reader {
    file: String,
    /// The module that it is in.
    module: Vec<String>,
    /// Whether it declares modules with files of their own, so that its `pub use` is no import.
    holds_files: bool,
    modules: BTreeMap<Vec<String>, Module>,
    /// The modules whose files it declares.
    children: Vec<Vec<String>>,
}

impl Reader {
    /// Reads the items of the module that it is in.
    fn items(&mut self, items: &[Item]) {
        let items: Vec<_> = items.iter().filter(|item| is_built(attributes(item))).collect();
        let defined = items.iter().filter_map(|item| defined(item)).collect();
        let module = Module {
            file: self.file.clone(),
            defined,
            imported: BTreeMap::new(),
            globs: Vec::new(),
            named: BTreeSet::new(),
        };
        self.modules.insert(self.module.clone(), module);
        items.into_iter().for_each(|item| self.visit_item(item));
    }

    fn here(&mut self, note: impl FnOnce(&mut Module)) {
        if let Some(module) = self.modules.get_mut(&self.module) {
            note(module);
        }
    }

    /// Notes a path of an expression or a type. The `crate` of `pub(crate)` and the value `self` are none.
    fn name(&mut self, path: Vec<String>) {
        if path.last().is_some_and(|last| !["crate", "self", "super"].contains(&last.as_str())) {
            self.here(|module| _ = module.named.insert(path));
        }
    }

    /// Notes the paths in tokens that only a macro understands.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.name(std::mem::take(&mut path));
                    }
                    path.push(ident.unraw().to_string());
                    colons = 0;
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.name(std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.name(path);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_built(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            _ => &[],
        };
        if is_built(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if !matches!(statement, Stmt::Local(local) if !is_built(&local.attrs)) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = item.ident.unraw().to_string();
        if LEFT_OUT.contains(&name.as_str()) {
            return;
        }
        self.module.push(name);
        match &item.content {
            Some((_, items)) => self.items(items),
            None => self.children.push(self.module.clone()),
        }
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_some() {
            return;
        }
        let is_import = !self.holds_files || matches!(item.vis, Visibility::Inherited);
        let mut leaves = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut leaves);
        for (path, name) in leaves {
            self.here(|module| {
                if is_import {
                    module.named.insert(path.clone());
                }
                match path.split_last() {
                    Some((last, glob)) if last == GLOB => module.globs.push(glob.to_vec()),
                    _ => _ = module.imported.insert(name, path),
                }
            });
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.name(path.segments.iter().map(|segment| segment.ident.unraw().to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.tokens(called.tokens.clone());
        visit::visit_macro(self, called);
    }
}

/// Lists the paths of a `use`, each with the name that it gets here.
fn flatten(tree: &UseTree, before: &mut Vec<String>, leaves: &mut Vec<(Vec<String>, String)>) {
    let with = |last: String| before.iter().cloned().chain([last]).collect::<Vec<_>>();
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.unraw().to_string());
            flatten(&path.tree, before, leaves);
            before.pop();
        }
        // `use a::b::{self}` is `use a::b`.
        UseTree::Name(name) if name.ident == "self" => {
            leaves.extend(before.last().map(|last| (before.clone(), last.clone())));
        }
        UseTree::Name(name) => {
            let name = name.ident.unraw().to_string();
            leaves.push((with(name.clone()), name));
        }
        UseTree::Rename(renamed) => {
            let path = if renamed.ident == "self" { before.clone() } else { with(renamed.ident.unraw().to_string()) };
            leaves.push((path, renamed.rename.unraw().to_string()));
        }
        UseTree::Glob(_) => leaves.push((with(GLOB.to_owned()), GLOB.to_owned())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, leaves)),
    }
}

/// The name of what an item defines in its module.
fn defined(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.unraw().to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Tells whether an ordinary build has the item: no `cfg` of it asks for tests or fuzzing.
fn is_built(attributes: &[Attribute]) -> bool {
    let conditions = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    conditions.filter_map(|attribute| attribute.parse_args().ok()).all(|condition| holds(&condition) != Some(false))
}

/// Whether a condition holds in an ordinary build; none if that depends on the machine or the features.
fn holds(condition: &Meta) -> Option<bool> {
    match condition {
        Meta::Path(path) if path.is_ident("test") || path.is_ident("fuzzing") => Some(false),
        Meta::List(list) => {
            let parts = Punctuated::<Meta, syn::Token![,]>::parse_terminated.parse2(list.tokens.clone()).ok()?;
            let mut parts = parts.iter().map(holds);
            match list.path.get_ident()?.to_string().as_str() {
                "not" => parts.next()?.map(|holds| !holds),
                "all" => parts.any(|part| part == Some(false)).then_some(false),
                "any" => parts.all(|part| part == Some(false)).then_some(false),
                _ => None,
            }
        }
        _ => None,
    }
}
