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

    #[test]
    fn names_outside_the_folder_are_refused() {
        for name in [
            "",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a//b",
            "./a",
            "a/.",
            "C:\\a",
            "a\\b",
            "https://a/b",
            "data:text/plain,a",
            "a?b",
            "a#b",
            "a%2e",
            "a\0b",
            "a b",
            "\u{202e}a",
        ] {
            assert!(check_name(name).is_err(), "{name:?} was taken");
        }
        for name in ["config.json", "1_Dense/model.safetensors", "a-b_c.0"] {
            assert!(check_name(name).is_ok(), "{name:?} was refused");
        }
    }
}
