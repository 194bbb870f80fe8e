//! The order of the rooms of a crate, and the imports that break it.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

use crate::layers::graph::Graph;

/// How the line with the order begins. The rooms follow, as `` `chat` <- `config` <- `call` ``.
const LINE: &str = "Imports run one way: ";

/// The root files. They stand last unless the order names them.
const LAST: [&str; 2] = ["lib", "main"];

/// The order of rooms. A room imports only itself and the rooms before it.
pub(crate) struct Order {
    rooms: Vec<String>,
}

impl Order {
    /// Finds the order in a text.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(LINE));
        let line = lines.next().with_context(|| format!("no line begins with {LINE:?}"))?;
        if lines.next().is_some() {
            bail!("two lines begin with {LINE:?}");
        }
        let mut rooms = Vec::new();
        for part in line.split(" <- ") {
            let (name, after) = part.strip_prefix('`').and_then(|part| part.split_once('`')).with_context(|| {
                format!("the line that begins with {LINE:?} is not a list such as `chat` <- `config`: {part:?}")
            })?;
            rooms.push(name.to_owned());
            if !after.is_empty() {
                break;
            }
        }
        Ok(Self { rooms })
    }

    /// Describes each room that the order lacks, and each that it names but the folder lacks.
    pub(crate) fn unknown(&self, folder: &Path) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_source = entry.file_type()?.is_dir() || name.ends_with(".rs");
            let name = name.trim_end_matches(".rs").to_owned();
            if is_source && !LAST.contains(&name.as_str()) && name != "fuzzing" && !found.contains(&name) {
                found.push(name);
            }
        }
        found.sort();
        let missing = found.iter().filter(|name| !self.rooms.contains(name));
        let missing = missing.map(|name| format!("the room `{name}` is missing from the line {LINE:?}"));
        let gone = self.rooms.iter().filter(|room| !found.contains(room) && !LAST.contains(&room.as_str()));
        let gone = gone.map(|room| format!("the line {LINE:?} names `{room}`, but there is no such room"));
        Ok(missing.chain(gone).collect())
    }

    /// Describes each import of a later room.
    pub(crate) fn violations(&self, graph: &Graph) -> Vec<String> {
        let imports = graph.imports.iter().flat_map(|(from, files)| files.keys().map(move |to| (from, to)));
        let against = imports.filter_map(|(from, to)| {
            let (from_room, to_room) = (room(from), room(to));
            let is_against = self.place(from_room)? < self.place(to_room)?;
            is_against.then(|| format!("{}, but `{from_room}` stands before `{to_room}`", graph.import(from, to)))
        });
        against.collect()
    }

    /// None for a room that the order lacks, which is a problem of its own.
    fn place(&self, room: &str) -> Option<usize> {
        let named = self.rooms.iter().position(|other| other == room);
        named.or_else(|| LAST.contains(&room).then_some(self.rooms.len()))
    }
}

/// The top-level folder that a file is in, or the file itself.
fn room(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}
