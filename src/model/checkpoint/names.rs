//! Names of files, which come out of files that we do not trust.

use crate::error::{Error, Result};

/// A file may only lie below the folder: names come from files that we do not trust.
pub(super) fn check_name(name: &str) -> Result<()> {
    let fine = name.len() <= 512
        && name.split('/').all(|part| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        });
    if fine { Ok(()) } else { Err(Error::FileName { name: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    /// The page holds names against the same list.
    #[test]
    fn names_outside_the_folder_are_refused() {
        #[derive(serde::Deserialize)]
        struct Names {
            outside: Vec<String>,
            inside: Vec<String>,
        }
        let names = include_str!("../../../tests/data/file-names.json");
        let Names { outside, inside } = serde_json::from_str(names).expect("it is JSON");
        assert!(outside.len() >= 60);
        for name in outside {
            assert!(check_name(&name).is_err(), "{name:?} was taken");
        }
        for name in inside {
            assert!(check_name(&name).is_ok(), "{name:?} was refused");
        }
    }

    #[test]
    fn a_name_that_is_taken_is_made_of_plain_parts() {
        let mut random = SplitMix64(11);
        let letters: Vec<char> = "ab.-_/\\:%?# \0\n\u{e9}\u{202e}".chars().collect();
        let mut taken = 0;
        for _ in 0..100_000 {
            let length = random.next() as usize % 8;
            let pick = |_| letters[random.next() as usize % letters.len()];
            let name: String = (0..length).map(pick).collect();
            if check_name(&name).is_ok() {
                taken += 1;
                let plain = |part: &str| !["", ".", ".."].contains(&part);
                let odd = ['\\', ':', '%', '?', '#', ' ', '\0', '\n', '\u{e9}', '\u{202e}'];
                assert!(name.split('/').all(plain) && !name.contains(odd), "{name:?} was taken");
            }
        }
        assert!(taken > 1000);
    }
}
