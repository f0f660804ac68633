//! The binary: everything is in the library, `engsync::cli`.

use std::process::ExitCode;

/// Blocks of one size lie together, so that the large buffers of one document after the other do
/// not leave holes between what is kept of each: memory stays flat over thousands of documents.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    engsync::cli::main()
}
