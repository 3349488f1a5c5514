//! Which ids does a text become? [`texts`] hands the texts out, [`tokenizer`] makes the ids, [`token_batch`] carries them to the
//! encoder.

pub mod texts;
pub mod token_batch;
pub mod tokenizer;
