#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| leasequery_fuzz::wire_v4::run(data));
