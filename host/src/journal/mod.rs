//! What modules append to the journal: where it is kept, its lines, and the check of its chain.

pub(crate) mod asked;
pub(crate) mod chain;
pub(crate) mod file;
pub(crate) mod file_journal;
pub(crate) mod folder;
pub(crate) mod head;
pub(crate) mod journal;
pub(crate) mod line;
pub(crate) mod verify;
pub(crate) mod writer;
