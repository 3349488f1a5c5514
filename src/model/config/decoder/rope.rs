//! By which angles are queries and keys turned? In the spellings of transformers 4 and 5.
//!
//! | setting | transformers 4 | transformers 5 |
//! | --- | --- | --- |
//! | base | `rope_theta` | `rope_parameters.rope_theta` |
//! | pairs by time, row and column | `rope_scaling.mrope_section` | `rope_parameters.mrope_section` |

use crate::error::{Result, Warning};
use crate::model::checkpoint::Fields;

const MAX_THETA: f64 = 1e12;
const OBJECTS: [&str; 2] = ["rope_parameters", "rope_scaling"];

/// The base of the angles.
pub(super) fn theta(config: &Fields<'_>, default: f64, warnings: &mut Vec<Warning>) -> Result<f64> {
    let field = "rope_theta";
    let mut theta = config.float(field)?;
    for object in objects(config)? {
        let known = ["rope_theta", "rope_type", "type", "mrope_section"];
        if let Some(other) = object.names().find(|name| !known.contains(name)) {
            let hint = "a rope_type of default or mrope without it is";
            return Err(object.unsupported(other, "a value", hint));
        }
        for field in ["rope_type", "type"] {
            match object.string(field)? {
                None | Some("default" | "mrope") => {}
                Some(other) => {
                    return Err(object.unsupported(field, other, "default and mrope are"));
                }
            }
        }
        match (theta, object.float(field)?) {
            (Some(one), Some(other)) if one != other => {
                let reason = format!("is {other}, and {one} in another place");
                return Err(object.invalid(field, &reason));
            }
            (one, other) => theta = one.or(other),
        }
    }
    let theta = config.or_default(field, theta, default, warnings)?;
    match (1.0..=MAX_THETA).contains(&theta) {
        true => Ok(theta),
        false => {
            Err(config.invalid(field, &format!("is {theta}, not between 1 and {MAX_THETA:e}")))
        }
    }
}

/// How many of a head's pairs turn by time, row and column.
pub(super) fn section(config: &Fields<'_>, pairs: usize) -> Result<[usize; 3]> {
    let field = "mrope_section";
    let objects = objects(config)?;
    let Some(object) = objects.iter().find(|object| object.has(field)) else {
        return Err(config.invalid("rope_parameters.mrope_section", "is missing"));
    };
    let list = object.numbers(field, pairs + 1)?.unwrap_or_default();
    let section = list.iter().map(|&count| count as usize).collect::<Vec<_>>();
    match <[usize; 3]>::try_from(section) {
        Ok(section) if section.iter().sum::<usize>() == pairs => Ok(section),
        _ => {
            let reason = format!("is not three numbers of which {pairs} is the sum");
            Err(object.invalid(field, &reason))
        }
    }
}

fn objects<'a>(config: &Fields<'a>) -> Result<Vec<Fields<'a>>> {
    let objects = OBJECTS.into_iter().map(|name| config.object(name));
    Ok(objects.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}
