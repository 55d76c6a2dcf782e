#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| leasequery_fuzz::kea_files::run(data));
