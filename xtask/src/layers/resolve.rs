//! Finds the file that defines what a path names.

use crate::layers::read::{Crate, GLOB, Module};

/// The most re-exports between a path and a definition. It ends the search where imports run in a circle.
const DEEPEST: usize = 32;

/// What a path leads to.
enum Target<'a> {
    /// Something that this file defines.
    Item(&'a str),
    /// A module: no import by itself, since the paths through it are looked at too.
    Module,
}

impl Crate {
    /// The file that defines what `path` names in `module`; none for a module, and for what is not of this crate.
    pub(crate) fn file_of(&self, module: &[String], path: &[String]) -> Option<&str> {
        match self.resolve(module, path, DEEPEST)? {
            Target::Item(file) => Some(file),
            Target::Module => None,
        }
    }

    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<Target<'_>> {
        let (start, rest) = start(module, path)?;
        let found = self.walk(&start, rest, depth);
        // What a macro defines stands in the file that calls it.
        found.or_else(|| if is_rooted(path) { self.deepest(&start, rest) } else { None })
    }

    /// Follows a path from a module down.
    fn walk(&self, start: &[String], path: &[String], depth: usize) -> Option<Target<'_>> {
        let module = self.modules.get(start)?;
        let Some((name, rest)) = path.split_first() else { return Some(Target::Module) };
        let depth = depth.checked_sub(1)?;
        let child = child(start, name);
        if self.modules.contains_key(&child) {
            return self.walk(&child, rest, depth).or_else(|| self.deepest(&child, rest));
        }
        if name == GLOB || module.defined.contains(name) {
            return Some(Target::Item(&module.file));
        }
        if let Some(import) = module.imported.get(name) {
            return self.resolve(start, &[import.as_slice(), rest].concat(), depth);
        }
        self.in_globs(start, module, path, depth)
    }

    /// Looks for a path in what `use PATH::*` brings into a module.
    fn in_globs(&self, start: &[String], module: &Module, path: &[String], depth: usize) -> Option<Target<'_>> {
        module.globs.iter().find_map(|glob| {
            let path = [glob.as_slice(), path].concat();
            let (start, rest) = self::start(start, &path)?;
            self.walk(&start, rest, depth)
        })
    }

    /// The file of the last module on a path.
    fn deepest(&self, start: &[String], path: &[String]) -> Option<Target<'_>> {
        let below = path.split_first().and_then(|(name, rest)| {
            let child = child(start, name);
            self.modules.contains_key(&child).then(|| self.deepest(&child, rest))?
        });
        below.or_else(|| self.modules.get(start).map(|module| Target::Item(module.file.as_str())))
    }
}

/// The path of a module inside of another one.
fn child(module: &[String], name: &str) -> Vec<String> {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// The module that a path starts from, and what of the path remains.
fn start<'a>(module: &[String], path: &'a [String]) -> Option<(Vec<String>, &'a [String])> {
    let mut start = module.to_vec();
    let mut rest = path;
    while let Some((word, after)) = rest.split_first() {
        match word.as_str() {
            "crate" => start.clear(),
            "self" => {}
            "super" => _ = start.pop()?,
            _ => break,
        }
        rest = after;
    }
    Some((start, rest))
}

/// Tells whether a path is of this crate by its first word.
fn is_rooted(path: &[String]) -> bool {
    path.first().is_some_and(|word| ["crate", "self", "super"].contains(&word.as_str()))
}
