//! Finds the file that defines what a path names.

use crate::layers::read::{Crate, Module};

/// The most re-exports between a path and a definition. It ends the search where imports run in a circle.
const DEEPEST: usize = 32;

impl Crate {
    /// The file with the definition of what `path` names in `module`; none if it is not of this crate.
    pub(crate) fn file_of(&self, module: &[String], path: &[String]) -> Option<&str> {
        self.resolve(module, path, DEEPEST)
    }

    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<&str> {
        let (start, rest) = start(module, path)?;
        let found = self.walk(&start, rest, depth);
        // What a macro defines stands in the file that calls it.
        found.or_else(|| if is_rooted(path) { self.deepest(&start, rest) } else { None })
    }

    /// Follows a path from a module down.
    fn walk(&self, start: &[String], path: &[String], depth: usize) -> Option<&str> {
        let module = self.modules.get(start)?;
        let Some((name, rest)) = path.split_first() else { return Some(&module.file) };
        let depth = depth.checked_sub(1)?;
        let child = [start, &[name.clone()]].concat();
        if self.modules.contains_key(&child) {
            return self.walk(&child, rest, depth).or_else(|| self.deepest(&child, rest));
        }
        if module.defined.contains(name) {
            return Some(&module.file);
        }
        if let Some(import) = module.imported.get(name) {
            return self.resolve(start, &[import.as_slice(), rest].concat(), depth);
        }
        self.in_globs(start, module, path, depth)
    }

    /// Looks for a path in what `use PATH::*` brings into a module.
    fn in_globs(&self, start: &[String], module: &Module, path: &[String], depth: usize) -> Option<&str> {
        module.globs.iter().find_map(|glob| {
            let path = [glob.as_slice(), path].concat();
            let (start, rest) = self::start(start, &path)?;
            self.walk(&start, rest, depth)
        })
    }

    /// The file of the last module on a path.
    fn deepest(&self, start: &[String], path: &[String]) -> Option<&str> {
        let below = path.split_first().and_then(|(name, rest)| {
            let child = [start, &[name.clone()]].concat();
            self.modules.contains_key(&child).then(|| self.deepest(&child, rest))?
        });
        below.or_else(|| self.modules.get(start).map(|module| module.file.as_str()))
    }
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
