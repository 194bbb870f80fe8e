//! What the modules of a chain run on for one call: taken when the call begins, kept until it ends.
//!
//! A reload in the middle of a call does not reach it, not even where a module asks its inner for the second time.

use std::sync::Arc;

use crate::runtime::link::{Current, Link};

/// What the modules from some place in a chain on run on, for one call. A call knows of the modules inside of it only, so
/// that an instance, by way of the calls that it serves, never holds itself.
#[derive(Clone, Default)]
pub(crate) struct Held(Option<Arc<Stop>>);

struct Stop {
    link: Arc<Link>,
    current: Arc<Current>,
    inside: Held,
}

impl Held {
    /// What this module runs on now, around these.
    pub(crate) fn around(link: Arc<Link>, inside: Held) -> Self {
        let current = link.now();
        Self(Some(Arc::new(Stop { link, current, inside })))
    }

    /// What was taken for this module, and for those inside of it. Nothing where the call did not begin around it: a
    /// module may ask a model on behalf of one call that it loaded for another.
    pub(crate) fn of(&self, link: &Arc<Link>) -> Option<(Arc<Current>, Held)> {
        let stop = self.0.as_deref().filter(|stop| Arc::ptr_eq(&stop.link, link))?;
        Some((stop.current.clone(), stop.inside.clone()))
    }
}
