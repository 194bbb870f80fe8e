pub(crate) mod guest;
pub(crate) mod instance;
pub(crate) mod limits;
pub(crate) mod link;
pub(crate) mod module;
