//! Which ids does a text become? [`tokenizer`] makes them, [`token_batch`] carries them to the encoder.

pub mod token_batch;
pub mod tokenizer;
