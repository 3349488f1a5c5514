//! `Precompiled`: sentencepiece's own table of what characters become.
//!
//! The table is base64 of: bytes of the trie (u32), the trie (u32 each), and the texts that characters become, each with a
//! zero behind it. The trie is a double array: a unit says where its children lie, its label says which byte leads to it, and a
//! leaf holds a text's place. The library follows it without looking whether a place is within, so all of it is looked at here.

use std::collections::VecDeque;

use serde_json::json;
use tokenizers::normalizers::Precompiled;

use crate::error::Result;
use crate::model::checkpoint::Fields;

/// Bytes of a unit.
const UNIT: usize = 4;
/// Places that the children of one unit can take.
const CHILDREN: usize = 256;

/// The normalizer, and how many times as long a character can become.
pub(super) fn read(fields: &Fields<'_>) -> Result<(Precompiled, usize)> {
    let text = fields.string("precompiled_charsmap")?;
    let text = fields.required("precompiled_charsmap", text)?;
    let growth = decoded(text).and_then(|bytes| growth(&bytes));
    let broken = || fields.invalid("precompiled_charsmap", "is no table of characters");
    let growth = growth.ok_or_else(broken)?;
    let definition = json!({"type": "Precompiled", "precompiled_charsmap": text}).to_string();
    let precompiled = serde_json::from_str(&definition).map_err(|_| broken())?;
    Ok((precompiled, growth))
}

/// The bytes of base64.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(body.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for digit in body.bytes() {
        bits = bits << 6 | value(digit)?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// How many times as long as its key the longest text is, rounded up; `None` if the table is broken.
fn growth(bytes: &[u8]) -> Option<usize> {
    let (size, rest) = bytes.split_first_chunk()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    let (trie, texts) = rest.split_at_checked(size)?;
    let units = trie.chunks_exact(UNIT).map(|unit| [unit[0], unit[1], unit[2], unit[3]]);
    let units: Vec<u32> = units.map(u32::from_le_bytes).collect();
    let texts = std::str::from_utf8(texts).ok().filter(|_| size % UNIT == 0)?;
    let mut growth = 1;
    // Places whose children are to be looked at, with the bytes that lead there: the fewest first.
    let mut next = VecDeque::from([(children(*units.first()?), 0)]);
    let mut seen = vec![false; units.len()];
    while let Some((place, depth)) = next.pop_front() {
        let block = place - place % CHILDREN;
        if block + CHILDREN > units.len() {
            return None;
        }
        for byte in 1..CHILDREN {
            let child = place ^ byte;
            let unit = units[child];
            if label(unit) != byte || std::mem::replace(&mut seen[child], true) {
                continue;
            }
            let place = child ^ children(unit);
            if has_leaf(unit) {
                let start = (units.get(place)? & (u32::MAX >> 1)) as usize;
                let length = texts.get(start..)?.find('\0').unwrap_or(texts.len() - start);
                growth = growth.max(length.div_ceil(depth + 1));
            }
            next.push_back((place, depth + 1));
        }
    }
    Some(growth)
}

fn has_leaf(unit: u32) -> bool {
    unit >> 8 & 1 == 1
}

/// The byte that leads to a unit; more than a byte for a leaf.
fn label(unit: u32) -> usize {
    (unit & (1 << 31 | 0xff)) as usize
}

/// What a unit's place is changed by to come to those of its children.
fn children(unit: u32) -> usize {
    ((unit >> 10) << ((unit & 1 << 9) >> 6)) as usize
}
