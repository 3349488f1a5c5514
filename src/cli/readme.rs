//! The license that a model card states.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Bytes of a card that are looked at: the front matter is a page.
const MAX_BYTES: u64 = 64 << 10;

/// `license:` in the YAML front matter of the folder's README.md.
pub fn license(folder: &Path) -> Option<String> {
    let path = folder.join("README.md");
    let mut text = Vec::new();
    // Nothing else has an end for certain.
    if fs::metadata(&path).ok()?.is_file() {
        File::open(&path).ok()?.take(MAX_BYTES).read_to_end(&mut text).ok()?;
    }
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines();
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let license = lines
        .take_while(|line| line.trim_end() != "---")
        .find_map(|line| line.strip_prefix("license:"))?;
    let license = license.trim().trim_matches(['"', '\'']);
    (!license.is_empty()).then(|| license.to_owned())
}
