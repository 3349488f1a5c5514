//! Ways to rank a list of documents: [`late`]; and the order that all of them share: [`top_k`].

pub mod cross_encoder;
pub mod late;
pub mod top_k;
