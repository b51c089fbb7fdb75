//! Middle values and how sure they are, without assuming how the values are spread.

/// A middle value with the interval that holds the true one with 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// The interval's ends: values that were seen.
    pub interval: [f64; 2],
}

impl Estimate {
    /// Of values in any order; `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Estimate> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let median = (values[last / 2] + values[last.div_ceil(2)]) / 2.0;
        let outside = outside(values.len());
        Some(Estimate { median, interval: [values[outside], values[last - outside]] })
    }
}

/// How many of `count` sorted values may be left off at each end, so that the median lies between
/// the others with 95 %: how many lie below it is as coins fall. With fewer than six, none.
fn outside(count: usize) -> usize {
    let mut probability = 0.5f64.powi(count as i32);
    let mut below = probability;
    let mut left_off = 0;
    while below <= 0.025 && left_off < count / 2 {
        left_off += 1;
        probability *= (count - left_off + 1) as f64 / left_off as f64;
        below += probability;
    }
    left_off.saturating_sub(1).min(count.saturating_sub(1) / 2)
}
