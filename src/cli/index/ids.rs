//! Which ids were there before, and where? Of each its hash is held.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sha2::{Digest, Sha256};

/// Ids, each with the place that it came from: 20 bytes.
#[derive(Default)]
pub struct Ids(HashMap<[u8; 16], u32>);

impl Ids {
    /// Takes an id; answers the place of the first one, if it was there before.
    pub fn insert(&mut self, id: &str, place: u32) -> Option<u32> {
        // Half of a hash: no two ids have it in common.
        let hash: [u8; 32] = Sha256::digest(id).into();
        match self.0.entry(*hash.first_chunk().expect("it has 32 bytes")) {
            Entry::Occupied(before) => Some(*before.get()),
            Entry::Vacant(free) => {
                free.insert(place);
                None
            }
        }
    }
}
