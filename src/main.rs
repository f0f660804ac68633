//! The binary: everything is in the library, `engsync::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    engsync::cli::main()
}
