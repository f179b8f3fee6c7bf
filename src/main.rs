//! The binary: see `hj212-gateway --help`.

fn main() {}
