//! Every operation on the CPU device against its plain loop, with fresh inputs each run.

use std::time::{SystemTime, UNIX_EPOCH};

use burn::tensor::Device;
use tabrank::ops::check::check;

#[test]
fn fast_operations_equal_the_plain_loops() {
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    for seed in [1, nanoseconds as u64] {
        let differences = pollster::block_on(check(&Device::flex(), seed)).unwrap();
        assert!(differences.len() > 50);
        let wrong: Vec<_> = differences.iter().filter(|difference| !difference.is_fine()).collect();
        assert!(wrong.is_empty(), "with seed {seed}: {wrong:#?}");
    }
}
