//! An answer that costs as much memory as it can.

use crate::server::Says;

/// The bytes of each answer, in binary megabytes.
pub(crate) const MEGABYTES: usize = 4;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) format: &'static str,
    pub(crate) says: Says,
    pub(crate) body: Vec<u8>,
}

/// As many of these pieces as fit into an answer, between its beginning and its end.
pub(crate) fn many(before: &str, unit: impl Fn(usize) -> String, after: &str) -> Vec<u8> {
    let mut body = before.to_owned();
    let mut number = 0;
    loop {
        let unit = unit(number);
        if body.len() + unit.len() + after.len() > MEGABYTES << 20 {
            break;
        }
        body += &unit;
        number += 1;
    }
    (body + after).into_bytes()
}

pub(crate) fn always(unit: &'static str) -> impl Fn(usize) -> String {
    move |_| unit.to_owned()
}
