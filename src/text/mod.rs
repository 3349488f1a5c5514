//! Which ids does a text become? [`texts`] hands the texts out, [`duplicates`] tells those that came before, [`tokenizer`] makes the ids, [`long_documents`] says where they are
//! cut, [`token_batch`] carries them to the encoder.

pub mod duplicates;
pub mod long_documents;
pub mod texts;
pub mod token_batch;
pub mod tokenizer;
