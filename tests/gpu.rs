//! The WebGPU device natively, on whatever adapter there is: `make test-gpu` asks for Mesa's software one, which has half floats and
//! subgroups, unlike Chromium's.
#![cfg(feature = "gpu")]

mod common;

use std::ops::ControlFlow;
use std::sync::LazyLock;
use std::time::Instant;

use burn::tensor::{Device, DeviceKind};
use common::Fixture;
use pollster::block_on;
use tabrank::ops::check::check;
use tabrank::{
    DeviceChoice, Kernel, LoadOptions, Observer, RerankOptions, RerankOutput, Reranker, Stage,
    Unobserved,
};

/// A tiny model on WebGPU: its load opens the device of this process, and holds the model on it against the CPU's.
static MODEL: LazyLock<Reranker> = LazyLock::new(|| load(Kernel::Plain));

fn load(gpu_kernel: Kernel) -> Reranker {
    let device = DeviceChoice::WebGpu;
    let options = LoadOptions { device, gpu_kernel, ..LoadOptions::default() };
    let files = Fixture::read("plain").files;
    block_on(Reranker::load(files, &options, &mut Clock(Instant::now()))).unwrap()
}

struct Clock(Instant);

impl Observer for Clock {
    fn stage(&mut self, _: Stage) {}

    async fn batch_done(&mut self, _: usize, _: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn now_ms(&self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1_000.0
    }
}

#[test]
fn every_operation_equals_its_plain_loop() {
    LazyLock::force(&MODEL);
    let device = Device::wgpu(DeviceKind::DefaultDevice);
    let differences = block_on(check(&device, 1)).unwrap();
    let variants = ["registers", "subgroups", "64x64", "64x64-f16"];
    for variant in variants {
        let named = |shape: &str| shape.ends_with(&format!(", {variant}"));
        assert!(differences.iter().any(|difference| named(&difference.shape)), "no {variant}");
    }
    let wrong: Vec<_> = differences.iter().filter(|difference| !difference.is_fine()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_rerank_gives_the_scores_of_the_cpu() {
    let fixture = Fixture::read("plain");
    let documents: Vec<&str> =
        fixture.expected.documents.iter().map(|document| document.text.as_str()).collect();
    let query = fixture.expected.queries.iter().find(|query| query.text.contains("oil")).unwrap();
    let rerank = |model: &Reranker| -> RerankOutput {
        let options = RerankOptions::default();
        block_on(model.rerank(query.text.as_str(), &documents[..], &options, &mut Unobserved))
            .unwrap()
    };
    let (found, expected) = (rerank(&MODEL), rerank(&fixture.load()));
    for (found, expected) in found.results.iter().zip(&expected.results) {
        let difference = (found.score - expected.score).abs();
        assert!(difference < 1e-3 * expected.score.abs().max(1.0), "{found:?}, {expected:?}");
    }
}

#[test]
fn the_fastest_kernel_is_found_by_measuring_and_then_known_by_its_name() {
    let measured = load(Kernel::Fastest).gpu_kernel().unwrap().clone();
    assert_eq!(measured.variant, measured.trials[0].variant);
    assert!(measured.trials.is_sorted_by(|a, b| 0.0 < a.ms && a.ms <= b.ms), "{measured:?}");
    let slowest = measured.trials.last().unwrap().variant;
    assert_ne!(slowest, measured.variant, "one kernel is no choice");
    let known = load(Kernel::Named(slowest.to_owned()));
    let kernel = known.gpu_kernel().unwrap();
    assert_eq!((kernel.variant, &kernel.trials[..]), (slowest, &[][..]));
    let unknown = load(Kernel::Named("9x9".to_owned()));
    assert!(!unknown.gpu_kernel().unwrap().trials.is_empty(), "a name of another version");
    assert_eq!(load(Kernel::Plain).gpu_kernel().unwrap().variant, "registers");
}
