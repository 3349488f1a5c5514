//! Normalizers and pre-tokenizers: what is done to a text before its words are looked up.

use serde_json::Value;
use tokenizers::normalizers::{
    BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, Sequence as Normalizers, Strip, StripAccents,
};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::whitespace::{Whitespace, WhitespaceSplit};
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior};

use super::{FILE, unsupported};
use crate::error::Result;
use crate::model::checkpoint::Fields;
use crate::model::config::{BertNormalization, LowerCase, ModelConfig};

/// Most components of a list.
const MOST: usize = 16;
const HINT: &str = "the components of BERT tokenizers are";

/// The two components; `BertTokenizer` has its own.
pub(super) fn read(
    parts: &Fields<'_>,
    config: &ModelConfig,
) -> Result<(Option<NormalizerWrapper>, Option<PreTokenizerWrapper>)> {
    let (mut normalizers, pre_tokenizers) = match &config.tokenizer.bert {
        Some(switches) => (vec![bert(switches)], vec![BertPreTokenizer.into()]),
        None => (
            list(parts, "normalizer", "normalizers", normalizer)?,
            list(parts, "pre_tokenizer", "pretokenizers", pre_tokenizer)?,
        ),
    };
    if config.text.lower_case == LowerCase::Normalizer && !normalizers.iter().any(lower_cases) {
        normalizers.insert(0, Lowercase.into());
    }
    let normalizer = one(normalizers, |list| Normalizers::new(list).into());
    Ok((normalizer, one(pre_tokenizers, |list| PreTokenizers::new(list).into())))
}

/// What a list of components comes to.
fn one<T>(mut list: Vec<T>, sequence: impl FnOnce(Vec<T>) -> T) -> Option<T> {
    match list.len() {
        0 | 1 => list.pop(),
        _ => Some(sequence(list)),
    }
}

fn bert(switches: &BertNormalization) -> NormalizerWrapper {
    let BertNormalization { do_lower_case, strip_accents, tokenize_chinese_chars } = *switches;
    BertNormalizer::new(true, tokenize_chinese_chars, strip_accents, do_lower_case).into()
}

fn lower_cases(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::Lowercase(_) => true,
        NormalizerWrapper::BertNormalizer(bert) => bert.lowercase,
        _ => false,
    }
}

/// A component, or the components of a Sequence in their order: its list is under the name that the library reads.
fn list<T>(
    parts: &Fields<'_>,
    field: &str,
    under: &str,
    read: fn(&Fields<'_>, &str) -> Result<T>,
) -> Result<Vec<T>> {
    let (mut list, mut rest) = (Vec::new(), Vec::from_iter(parts.value(field)));
    while let Some(value) = rest.pop() {
        let Value::Object(map) = value else {
            return Err(parts.invalid(field, "is not an object"));
        };
        let fields = Fields::of(
            FILE,
            map.iter()
                .filter(|(name, _)| *name != under)
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect(),
        );
        if fields.string("type")? != Some("Sequence") {
            list.push(read(&fields, field)?);
        } else {
            let inner = map.get(under).and_then(Value::as_array);
            rest.extend(fields.required(under, inner)?.iter().rev());
        }
        if list.len() + rest.len() > MOST {
            return Err(unsupported(
                field,
                "a longer Sequence".to_owned(),
                "at most 16 components are",
            ));
        }
    }
    Ok(list)
}

/// `BertNormalizer` is known by its fields: the library has another name for it, and files have none or a third.
fn normalizer(fields: &Fields<'_>, field: &str) -> Result<NormalizerWrapper> {
    let switch = |name: &str| fields.required(name, fields.bool(name)?);
    Ok(match fields.string("type")? {
        None | Some("BertNormalizer" | "Bert") => BertNormalizer::new(
            switch("clean_text")?,
            switch("handle_chinese_chars")?,
            fields.bool("strip_accents")?,
            switch("lowercase")?,
        )
        .into(),
        Some("Strip") => Strip::new(switch("strip_left")?, switch("strip_right")?).into(),
        Some("Lowercase") => Lowercase.into(),
        Some("StripAccents") => StripAccents.into(),
        Some("NFC") => NFC.into(),
        Some("NFD") => NFD.into(),
        Some("NFKC") => NFKC.into(),
        Some("NFKD") => NFKD.into(),
        Some(other) => return Err(fields.unsupported(field, other, HINT)),
    })
}

fn pre_tokenizer(fields: &Fields<'_>, field: &str) -> Result<PreTokenizerWrapper> {
    let kind = fields.required("type", fields.string("type")?)?;
    Ok(match kind {
        "BertPreTokenizer" => BertPreTokenizer.into(),
        "Whitespace" => Whitespace.into(),
        "WhitespaceSplit" => WhitespaceSplit.into(),
        "Punctuation" => Punctuation::new(behavior(fields)?).into(),
        "Digits" => {
            let individual = fields.bool("individual_digits")?;
            Digits::new(fields.required("individual_digits", individual)?).into()
        }
        other => return Err(fields.unsupported(field, other, HINT)),
    })
}

/// Where a punctuation mark goes.
fn behavior(fields: &Fields<'_>) -> Result<SplitDelimiterBehavior> {
    use SplitDelimiterBehavior as B;
    Ok(match fields.string("behavior")? {
        None | Some("Isolated") => B::Isolated,
        Some("Removed") => B::Removed,
        Some("MergedWithPrevious") => B::MergedWithPrevious,
        Some("MergedWithNext") => B::MergedWithNext,
        Some("Contiguous") => B::Contiguous,
        Some(other) => return Err(fields.unsupported("behavior", other, "the library's own are")),
    })
}
