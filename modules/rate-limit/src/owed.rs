//! Places among the calls at once that could not be given back, since the store failed.

use std::{cell::RefCell, rc::Rc};

use arcllm_module::{endings, state};

/// The most places that are remembered. The others become free when their time is over.
const MOST: usize = 1000;

/// A place: its key, and its number.
pub(crate) type Taken = (String, u64);

/// The places that an instance owes. The next call that it has gives them back.
#[derive(Debug, Clone, Default)]
pub struct Owed(Rc<RefCell<Vec<Taken>>>);

impl Owed {
    /// Gives these places back. Remembers those that the store does not take, and returns its error.
    pub(crate) async fn release(&self, places: Vec<Taken>) -> Result<(), String> {
        let mut outcome = Ok(());
        for (key, lease) in places {
            if let Err(problem) = state::release(key.clone(), lease).await {
                outcome = Err(problem);
                self.add((key, lease));
            }
        }
        outcome
    }

    /// Gives back what is owed, while the call goes on.
    pub(crate) fn settle(&self) {
        let places = self.0.take();
        if !places.is_empty() {
            let owed = self.clone();
            endings::background(async move { drop(owed.release(places).await) });
        }
    }

    fn add(&self, place: Taken) {
        let mut places = self.0.borrow_mut();
        if places.len() < MOST {
            places.push(place);
        }
    }
}
