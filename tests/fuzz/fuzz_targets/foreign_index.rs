#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tabrank_fuzz::run("foreign-index", data));
