//! Which kernel multiplies on this adapter?
//!
//! | kernel | shares | for |
//! | --- | --- | --- |
//! | `registers` | nothing but caches | adapters in software, where barriers are slow, and every shape |
//! | `subgroups` | rows, within a subgroup | adapters with subgroups |
//! | `64x64` and so on | rows and columns, in workgroup memory, those of its name | GPUs |
//! | `64x64-f16` and so on | the same, in half floats | GPUs with half floats, codes alone |
//!
//! What is best is a matter of the adapter and found out by measuring it. All models of a process share its device, and so the choice.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use burn::backend::DispatchDevice;
use burn::tensor::Device;
use cubecl::client::Client;
use cubecl::features::Plane;
use cubecl::ir::{ElemType, FloatKind};

use super::Stored;
use super::staged::Block;
use crate::model::quantize::Dtype;

/// A way to compute products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    Registers,
    Subgroups,
    Staged(Block),
}

const fn staged(lanes: [usize; 2], tall: usize, half: bool) -> Variant {
    Variant::Staged(Block { lanes, tall, half })
}

/// All, with their names; the first needs nothing of its adapter.
const VARIANTS: [(&str, Variant); 8] = [
    ("registers", Variant::Registers),
    ("subgroups", Variant::Subgroups),
    ("32x64", staged([8, 8], 4, false)),
    ("64x64", staged([8, 8], 8, false)),
    ("64x128", staged([16, 8], 8, false)),
    ("32x64-f16", staged([8, 8], 4, true)),
    ("64x64-f16", staged([8, 8], 8, true)),
    ("64x128-f16", staged([16, 8], 8, true)),
];

impl Variant {
    /// Whether the device can run it for weights of this kind. Of plain floats the digits matter.
    fn runs_on(self, device: &Client, stored: Stored) -> bool {
        match self {
            Variant::Registers => true,
            Variant::Subgroups => has_subgroups(device),
            Variant::Staged(block) => {
                let fits = block.bytes() <= device.properties().hardware.max_shared_memory_size;
                fits && (!block.half || stored != Stored::F32 && has_half_floats(device))
            }
        }
    }
}

/// CubeCL does not speak of them where an adapter is in software; natively such an adapter has them.
fn has_subgroups(device: &Client) -> bool {
    let properties = device.properties();
    let told = properties.features.plane.contains(Plane::Ops);
    (told || cfg!(not(target_family = "wasm"))) && properties.hardware.plane_size_min >= 8
}

fn has_half_floats(device: &Client) -> bool {
    device.properties().features.supports_type(ElemType::Float(FloatKind::F16))
}

/// Places in [`VARIANTS`], by what is stored.
static CHOSEN: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

/// What computes products from now on.
pub(super) fn chosen(stored: Stored) -> Variant {
    VARIANTS[CHOSEN[stored as usize].load(Relaxed)].1
}

/// Has products of weights of this type computed so; whether there is a variant of this name that the device runs.
pub(crate) fn choose(device: &Device, dtype: Dtype, name: &str) -> bool {
    let stored = Stored::from(dtype);
    let runs = |place: &usize| VARIANTS[*place].0 == name && runs(*place, device, stored);
    let place = (0..VARIANTS.len()).find(runs);
    place.inspect(|&place| CHOSEN[stored as usize].store(place, Relaxed)).is_some()
}

/// The name of the variant that computes products of weights of this type.
pub(crate) fn name(dtype: Dtype) -> &'static str {
    VARIANTS[CHOSEN[Stored::from(dtype) as usize].load(Relaxed)].0
}

/// Names of the variants that the device runs for weights of this type.
pub(crate) fn names(device: &Device, dtype: Dtype) -> Vec<&'static str> {
    let places = (0..VARIANTS.len()).filter(|&place| runs(place, device, Stored::from(dtype)));
    places.map(|place| VARIANTS[place].0).collect()
}

fn runs(place: usize, device: &Device, stored: Stored) -> bool {
    match device.as_dispatch() {
        DispatchDevice::Cube(device) => VARIANTS[place].1.runs_on(&device.client(), stored),
        _ => false,
    }
}

impl From<Dtype> for Stored {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 | Dtype::F16 => Stored::F32,
            Dtype::Q8 => Stored::Q8,
            Dtype::Q4 => Stored::Q4,
        }
    }
}
