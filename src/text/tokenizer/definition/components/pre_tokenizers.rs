//! How a text is split.

use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::split::Split;
use tokenizers::pre_tokenizers::whitespace::{Whitespace, WhitespaceSplit};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior};

use super::patterns;
use crate::error::Result;
use crate::model::checkpoint::Fields;

const HINT: &str = "the components of text encoders are";

pub(super) fn read(fields: &Fields<'_>, field: &str) -> Result<PreTokenizerWrapper> {
    let kind = fields.required("type", fields.string("type")?)?;
    let switch = |name: &str| fields.required(name, fields.bool(name)?);
    Ok(match kind {
        "BertPreTokenizer" => BertPreTokenizer.into(),
        "Whitespace" => Whitespace.into(),
        "WhitespaceSplit" => WhitespaceSplit.into(),
        "Punctuation" => {
            let behavior = behavior(fields)?.unwrap_or(SplitDelimiterBehavior::Isolated);
            Punctuation::new(behavior).into()
        }
        "Digits" => Digits::new(switch("individual_digits")?).into(),
        "ByteLevel" => {
            let splits = fields.bool("use_regex")?.unwrap_or(true);
            ByteLevel::new(switch("add_prefix_space")?, switch("trim_offsets")?, splits).into()
        }
        "Metaspace" => metaspace(fields)?.into(),
        "Split" => {
            let pattern = patterns::read(fields)?.split();
            let behavior = fields.required("behavior", behavior(fields)?)?;
            let split = Split::new(pattern, behavior, switch("invert")?);
            split.map_err(|error| fields.invalid("pattern", &error.to_string()))?.into()
        }
        other => return Err(fields.unsupported(field, other, HINT)),
    })
}

/// Where what is found goes.
fn behavior(fields: &Fields<'_>) -> Result<Option<SplitDelimiterBehavior>> {
    use SplitDelimiterBehavior as B;
    Ok(Some(match fields.string("behavior")? {
        None => return Ok(None),
        Some("Isolated") => B::Isolated,
        Some("Removed") => B::Removed,
        Some("MergedWithPrevious") => B::MergedWithPrevious,
        Some("MergedWithNext") => B::MergedWithNext,
        Some("Contiguous") => B::Contiguous,
        Some(other) => return Err(fields.unsupported("behavior", other, "the library's own are")),
    }))
}

/// Whether its mark goes before a piece is said by `prepend_scheme`, in older files by `add_prefix_space`.
fn metaspace(fields: &Fields<'_>) -> Result<Metaspace> {
    let mark = fields.required("replacement", fields.string("replacement")?)?;
    let mut characters = mark.chars();
    let (Some(mark), None) = (characters.next(), characters.next()) else {
        return Err(fields.invalid("replacement", "is not one character"));
    };
    let scheme = match fields.string("prepend_scheme")? {
        None | Some("always") => PrependScheme::Always,
        Some("never") => PrependScheme::Never,
        Some("first") => PrependScheme::First,
        Some(other) => {
            return Err(fields.unsupported("prepend_scheme", other, "always, never and first are"));
        }
    };
    if fields.bool("add_prefix_space")? == Some(false) && scheme != PrependScheme::Never {
        return Err(
            fields.invalid("add_prefix_space", "is false beside another prepend_scheme than never")
        );
    }
    Ok(Metaspace::new(mark, scheme, fields.bool("split")?.unwrap_or(true)))
}
