//! The license that a model card states.

use std::fs;
use std::path::Path;

/// `license:` in the YAML front matter of the folder's README.md.
pub fn license(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("README.md")).ok()?;
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
