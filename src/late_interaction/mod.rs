//! One vector a token, and the score that follows from them.
//!
//! [`colbert`] turns texts into [`embeddings`], [`maxsim`] scores documents against a query, [`explain`] tells
//! which tokens matched.

pub mod colbert;
pub mod embeddings;
pub mod explain;
pub mod maxsim;
