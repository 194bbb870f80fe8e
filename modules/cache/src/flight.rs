//! Which requests this instance has under way.

use std::{
    cell::RefCell,
    collections::{HashMap, hash_map::Entry},
    rc::Rc,
};

/// The requests under way, by their keys.
#[derive(Default)]
pub struct Flights(Rc<RefCell<HashMap<String, Flight>>>);

/// A request under way.
#[derive(Clone, Default)]
pub struct Flight(Rc<RefCell<Stage>>);

/// How far a request is.
#[derive(Clone, Default)]
pub enum Stage {
    /// Nothing is known yet.
    #[default]
    UnderWay,
    /// It has this answer, as it is kept.
    Answered(Rc<[u8]>),
    /// It has an answer that is not kept, as will be those of equal requests.
    NotKept,
    /// It has no answer.
    Failed,
}

/// The part of the call that asks. The flight ends when it is dropped.
pub struct Pilot {
    flights: Rc<RefCell<HashMap<String, Flight>>>,
    key: String,
    flight: Flight,
}

impl Flights {
    /// Begins a flight, or returns the one that is under way with this key.
    pub fn begin(&self, key: &str) -> Result<Pilot, Flight> {
        match self.0.borrow_mut().entry(key.to_owned()) {
            Entry::Occupied(other) => Err(other.get().clone()),
            Entry::Vacant(place) => {
                let flight = place.insert(Flight::default()).clone();
                Ok(Pilot { flights: self.0.clone(), key: key.to_owned(), flight })
            }
        }
    }
}

impl Flight {
    /// Returns how far it is.
    pub fn stage(&self) -> Stage {
        self.0.borrow().clone()
    }

    /// Gives the answer to those who wait.
    pub fn answer(&self, bytes: Rc<[u8]>) {
        *self.0.borrow_mut() = Stage::Answered(bytes);
    }

    /// Tells those who wait that they get no answer here.
    pub fn keep_nothing(&self) {
        *self.0.borrow_mut() = Stage::NotKept;
    }
}

impl Pilot {
    /// Returns the flight.
    pub fn flight(&self) -> &Flight {
        &self.flight
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.flights.borrow_mut().remove(&self.key);
        let mut stage = self.flight.0.borrow_mut();
        if matches!(*stage, Stage::UnderWay) {
            *stage = Stage::Failed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_flight_of_a_key_and_it_ends_with_its_pilot() {
        let flights = Flights::default();
        let pilot = flights.begin("a").ok().expect("the first");
        let waits = flights.begin("a").err().expect("a flight under way");
        assert!(flights.begin("b").is_ok());
        assert!(matches!(waits.stage(), Stage::UnderWay));
        drop(pilot);
        assert!(matches!(waits.stage(), Stage::Failed));
        let pilot = flights.begin("a").ok().expect("the next");
        let waits = flights.begin("a").err().expect("a flight under way");
        pilot.flight().answer([1].into());
        drop(pilot);
        assert!(matches!(waits.stage(), Stage::Answered(bytes) if *bytes == [1]));
    }
}
