//! The imports between the files of a crate, and the circles in them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::layers::read::Crate;

/// For each file those that it imports, each with a path that it names of them.
pub(crate) struct Graph {
    pub(crate) imports: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

impl Graph {
    /// Resolves the paths of a crate.
    pub(crate) fn new(source: &Crate) -> Self {
        let mut imports = BTreeMap::<String, BTreeMap<_, _>>::new();
        for (name, module) in &source.modules {
            for path in &module.named {
                match source.file_of(name, path) {
                    Some(file) if file != module.file => {
                        let of_file = imports.entry(module.file.clone()).or_default();
                        let named: &mut Vec<_> = of_file.entry(file.to_owned()).or_default();
                        // The longest says the most.
                        if named.len() < path.len() {
                            named.clone_from(path);
                        }
                    }
                    _ => {}
                }
            }
        }
        Self { imports }
    }

    /// Describes one circle, the shortest, for each group of files that import each other.
    pub(crate) fn circles(&self) -> Vec<String> {
        let mut done = BTreeSet::new();
        let mut circles = Vec::new();
        for file in self.imports.keys() {
            if done.contains(file) {
                continue;
            }
            let tied: Vec<_> =
                self.reached(file).into_iter().filter(|other| self.reached(other).contains(file)).collect();
            let shortest = tied.iter().filter_map(|file| self.circle(file)).min_by_key(Vec::len);
            circles.extend(shortest.map(|circle| self.describe(&circle, tied.len())));
            done.extend(tied);
        }
        circles
    }

    /// All files that a file imports, directly or not.
    fn reached<'a>(&'a self, file: &str) -> BTreeSet<&'a String> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<_> = self.imports.get(file).into_iter().flat_map(BTreeMap::keys).collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(self.imports.get(next).into_iter().flat_map(BTreeMap::keys));
            }
        }
        reached
    }

    /// The shortest way from a file back to itself; it is the first and the last.
    fn circle<'a>(&'a self, file: &'a String) -> Option<Vec<&'a String>> {
        let mut came_from = BTreeMap::<&String, &String>::new();
        let mut open = VecDeque::from([file]);
        while let Some(here) = open.pop_front() {
            for next in self.imports.get(here).into_iter().flat_map(BTreeMap::keys) {
                if next == file {
                    let mut circle = vec![file, here];
                    while let Some(before) = circle.last().and_then(|last| came_from.get(*last)) {
                        circle.push(before);
                    }
                    circle.reverse();
                    return Some(circle);
                }
                if !came_from.contains_key(next) {
                    came_from.insert(next, here);
                    open.push_back(next);
                }
            }
        }
        None
    }

    fn describe(&self, circle: &[&String], tied: usize) -> String {
        let pairs = circle.iter().zip(circle.iter().skip(1));
        let lines: Vec<_> = pairs.map(|(from, to)| format!("  {}", self.import(from, to))).collect();
        let more =
            if tied + 1 > circle.len() { format!(" (one of those that tie {tied} files)") } else { String::new() };
        format!("a circle of imports{more}:\n{}", lines.join("\n"))
    }

    /// Describes one import.
    pub(crate) fn import(&self, from: &str, to: &str) -> String {
        let path = self.imports.get(from).and_then(|imports| imports.get(to));
        let path = path.map(|path| path.join("::")).unwrap_or_default();
        format!("{from} imports {to} (`{path}`)")
    }
}
