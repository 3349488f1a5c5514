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
    use proptest::prelude::*;

    use super::*;

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

    proptest! {
        #[test]
        fn a_name_that_is_taken_is_made_of_plain_parts(name in "[ab./_\\\\:%?# \\x00\\né\u{202e}-]{0,8}") {
            if check_name(&name).is_ok() {
                for part in name.split('/') {
                    prop_assert!(!["", ".", ".."].contains(&part));
                    prop_assert!(part.chars().all(|c| "ab._-".contains(c)));
                }
            }
        }
    }
}
