//! What is a model made of? Its files, what they say, and how a weight is stored.
//!
//! [`checkpoint`] takes a folder's files and hands out tensors, [`config`] reads every field that changes
//! numbers, [`embedding_id`] makes one name of all that, [`overrides`] is what a caller sets in their place, [`bundle`] the
//! folder that a conversion makes, [`quantize`] the stored types of a weight, `room` says how much memory they take.

pub(crate) mod activation;
pub mod bundle;
pub mod checkpoint;
pub mod config;
pub(crate) mod contents;
pub mod embedding_id;
pub mod overrides;
pub mod quantize;
pub(crate) mod room;
