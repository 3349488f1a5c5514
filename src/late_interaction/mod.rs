//! One vector a token, and the score that follows from them.
//!
//! [`stream`] takes texts through a [`colbert`] model [`batch`] after batch, [`weighting`] gives a query's tokens their shares, [`encode`] makes [`embeddings`] of them, or one of
//! the [`vectors`] a text, [`token_pooling`] keeps fewer of a document's, a [`codec`] stores them, [`maxsim`] scores documents
//! against a query, [`index`] finds the best of a whole collection, [`similarity`] scores without a model, [`explain`] tells which
//! tokens matched. A document that is an image comes in by [`page`].

pub mod batch;
pub mod codec;
pub mod coded;
pub mod colbert;
pub mod embeddings;
pub mod encode;
pub mod explain;
pub mod index;
pub mod maxsim;
pub mod page;
pub mod similarity;
pub mod stream;
pub mod token_pooling;
pub mod vectors;
pub mod weighting;
pub(crate) mod whole_page;
