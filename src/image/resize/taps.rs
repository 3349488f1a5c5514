//! Which old pixels make a new one, and with which weights?

use super::Filter;

/// Bits behind the point of a weight: Pillow's `PRECISION_BITS`, 32 without the 8 of a pixel and 2 for sums beyond 1.
pub(super) const PRECISION: u32 = 32 - 8 - 2;

/// Weights of one direction, for each new pixel.
pub(super) struct Taps {
    /// The first old pixel, and where its weight stands.
    starts: Vec<(usize, usize)>,
    weights: Vec<i32>,
}

impl Taps {
    pub(super) fn new(old: usize, new: usize, filter: Filter) -> Self {
        if old == new {
            // What every filter comes to.
            return Self {
                starts: (0..new).map(|place| (place, place)).collect(),
                weights: vec![1 << PRECISION; new],
            };
        }
        let mut taps = Self { starts: Vec::with_capacity(new), weights: Vec::new() };
        let scale = old as f64 / new as f64;
        let mut curve = Vec::new();
        for place in 0..new {
            let first =
                curve_at((place as f64 + 0.5) * scale, scale.max(1.0), old, filter, &mut curve);
            taps.starts.push((first, taps.weights.len()));
            taps.weights.extend(whole_parts(&curve));
        }
        taps
    }

    /// Of the new pixel `place`: the first old one, and the weights from there on.
    pub(super) fn of(&self, place: usize) -> (usize, &[i32]) {
        let (first, begin) = self.starts[place];
        let end = self.starts.get(place + 1).map_or(self.weights.len(), |&(_, begin)| begin);
        (first, &self.weights[begin..end])
    }

    /// New pixels.
    pub(super) fn count(&self) -> usize {
        self.starts.len()
    }

    /// Most old pixels that make one new one.
    pub(super) fn most(&self) -> usize {
        (0..self.starts.len()).map(|place| self.of(place).1.len()).max().unwrap_or(0)
    }
}

/// The filter's heights around `center`, in old pixels, and the first of these.
fn curve_at(center: f64, stretch: f64, old: usize, filter: Filter, curve: &mut Vec<f64>) -> usize {
    let reach = filter.reach() * stretch;
    // Both are cut, not rounded down, and what is negative becomes 0 by that.
    let first = (center - reach + 0.5) as usize;
    let end = ((center + reach + 0.5) as usize).min(old);
    let inverse = 1.0 / stretch;
    curve.clear();
    curve.extend((first..end).map(|pixel| filter.weight((pixel as f64 - center + 0.5) * inverse)));
    first
}

/// Weights whose sum is 1, as whole parts of 2²².
fn whole_parts(curve: &[f64]) -> impl Iterator<Item = i32> {
    let sum: f64 = curve.iter().sum();
    curve.iter().map(move |&weight| {
        let share = if sum == 0.0 { weight } else { weight / sum };
        let part = share * f64::from(1 << PRECISION);
        // Cut toward 0 by the conversion.
        (if part < 0.0 { part - 0.5 } else { part + 0.5 }) as i32
    })
}
