//! Is a text a query or a document?

use std::fmt;

/// The two kinds of text. They differ in marker, length, expansion and skiplist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextKind {
    Query,
    Document,
}

impl fmt::Display for TextKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TextKind::Query => "query",
            TextKind::Document => "document",
        })
    }
}
