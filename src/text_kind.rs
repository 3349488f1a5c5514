//! Is a text a query or a document?

use std::fmt;

/// The two kinds of text. They differ in marker, length, expansion and skiplist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextKind {
    Query,
    Document,
}

impl TextKind {
    /// How errors name a text of the caller's list: by the argument that it came in.
    pub fn place(self, index: usize) -> String {
        match (self, index) {
            (TextKind::Query, 0) => "query".to_owned(),
            (TextKind::Query, _) => format!("queries[{index}]"),
            (TextKind::Document, _) => format!("documents[{index}]"),
        }
    }
}

impl fmt::Display for TextKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TextKind::Query => "query",
            TextKind::Document => "document",
        })
    }
}
