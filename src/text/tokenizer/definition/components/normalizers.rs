//! What is done to a text before it is split.

use tokenizers::NormalizerWrapper;
use tokenizers::normalizers::{
    BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Prepend, Replace, Strip, StripAccents,
};

use super::{charsmap, patterns, unsupported};
use crate::error::Result;
use crate::model::checkpoint::Fields;
use crate::model::config::BertNormalization;

const HINT: &str = "the components of text encoders are";
/// How many times as long a text may become, in bytes. Unicode's longest compatibility form is eleven times as long.
const MOST_GROWTH: usize = 64;
/// Longest text that is put before each piece, in bytes.
const LONGEST_PREPENDED: usize = 16;

/// How many times as long a text becomes at most, by the normalizers that say so themselves.
pub(super) struct Growth(usize);

impl Default for Growth {
    fn default() -> Self {
        Self(1)
    }
}

impl Growth {
    fn take(&mut self, times: usize, field: &str) -> Result<()> {
        self.0 = self.0.saturating_mul(times.max(1));
        match self.0 > MOST_GROWTH {
            true => {
                let found = format!("a text that becomes {} times as long", self.0);
                Err(unsupported(field, found, "at most 64 times is"))
            }
            false => Ok(()),
        }
    }
}

pub(super) fn bert(switches: &BertNormalization) -> NormalizerWrapper {
    let BertNormalization { do_lower_case, strip_accents, tokenize_chinese_chars } = *switches;
    BertNormalizer::new(true, tokenize_chinese_chars, strip_accents, do_lower_case).into()
}

pub(super) fn lower_cases(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::Lowercase(_) => true,
        NormalizerWrapper::BertNormalizer(bert) => bert.lowercase,
        _ => false,
    }
}

/// `BertNormalizer` is known by its fields: the library has another name for it, and files have none or a third.
pub(super) fn read(
    fields: &Fields<'_>,
    field: &str,
    growth: &mut Growth,
) -> Result<NormalizerWrapper> {
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
        Some("Nmt") => Nmt.into(),
        Some("Precompiled") => {
            let (precompiled, times) = charsmap::read(fields)?;
            growth.take(times, field)?;
            precompiled.into()
        }
        Some("Replace") => {
            let (replace, times) = replace(fields)?;
            growth.take(times, field)?;
            replace.into()
        }
        Some("Prepend") => prepend(fields)?.into(),
        Some(other) => return Err(fields.unsupported(field, other, HINT)),
    })
}

/// The normalizer, and how many times as long what it finds can become.
fn replace(fields: &Fields<'_>) -> Result<(Replace, usize)> {
    let content = fields.required("content", fields.string("content")?)?;
    let pattern = patterns::read(fields)?;
    let times = content.len().div_ceil(pattern.shortest());
    let replace = Replace::new(pattern.replaced(), content);
    Ok((replace.map_err(|error| fields.invalid("pattern", &error.to_string()))?, times))
}

fn prepend(fields: &Fields<'_>) -> Result<Prepend> {
    let prepended = fields.required("prepend", fields.string("prepend")?)?;
    match prepended.len() {
        1..=LONGEST_PREPENDED => Ok(Prepend::new(prepended.to_owned())),
        length => Err(unsupported("prepend", format!("{length} bytes"), "1 to 16 are")),
    }
}
