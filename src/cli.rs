//! TBD
pub mod table;
pub mod tracker;
/// TBD
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
