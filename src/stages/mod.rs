//! Ways to rank a list of documents, and the order that all of them share: [`top_k`].

pub mod top_k;
