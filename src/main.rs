//! The binary: see `hj212-gateway --help`.

fn main() -> std::process::ExitCode {
    hj212_gateway::cli::main()
}
