//! Ways to rank a list of documents: by the words that they share with the query ([`bm25`]), by one vector a text ([`dense`]), by
//! MaxSim ([`late`]), by a [`cross_encoder`]. [`pipeline`] takes a [`list`] through those that the [`options`] name, with one [`pass`] of
//! the encoder for all that want it, and answers [`results`]; [`fusion`] and [`diversify`] put its end in order. [`query`] is what is
//! asked, [`precomputed`] what documents bring along beside their texts ([`checks`] that those are there, [`in_memory`] which tokens
//! embeddings are of), [`told`] what a model tells as a [`reader`] of the documents, [`top_k`] the best of what has come so far.

pub mod bm25;
pub mod checks;
pub mod cross_encoder;
pub mod dense;
pub mod diversify;
pub mod fusion;
pub mod in_memory;
pub mod late;
pub mod list;
pub mod options;
pub mod pass;
pub mod pipeline;
pub mod precomputed;
pub mod query;
pub mod reader;
pub mod results;
pub mod told;
pub mod top_k;
