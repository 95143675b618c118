//! A fixed number of generated cases, from proptest's generators without its shrinking. A failure prints the
//! seed.

use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::common::SEED_VARIABLE;

/// One thread's source of cases. If a failing test drops it, it prints how to generate them again.
pub(crate) struct Cases {
    seed: u64,
    runner: TestRunner,
}

impl Cases {
    pub(crate) fn new(seed: u64, thread: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&thread.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let runner = TestRunner::new_with_rng(Config::default(), rng);
        Self { seed, runner }
    }

    /// The next case.
    pub(crate) fn next<S: Strategy>(&mut self, strategy: &S) -> S::Value {
        strategy.new_tree(&mut self.runner).unwrap().current()
    }
}

impl Drop for Cases {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the same cases again: {SEED_VARIABLE}={}", self.seed);
        }
    }
}
