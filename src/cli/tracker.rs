//! stub
use super::*;
#[derive(Debug, clap::Subcommand)]
pub enum TrackerCommand {
    List,
}
impl TrackerCommand {
    pub fn author(&self) -> Option<&str> {
        None
    }
}
pub struct Output<'a> {
    pub json: bool,
    pub out: &'a mut dyn Write,
}
pub fn run(
    _: &TrackerCommand,
    _: &crate::tracker::embedded::Embedded,
    _: &Disk,
    _: &mut Output<'_>,
) -> crate::Result<()> {
    Ok(())
}
