//! ENGDAT, versions 1 and 2 (VDA 4951-1): file names, the description message, package assembly.
//! Touches no file and no clock.
//!
//! A package is a description (part 001) and data files (002…). [`PartName`] reads the names,
//! [`assemble`] puts the parts together, [`read`] turns the bytes of a description into an
//! [`EngdatMessage`] and [`write()`] back; [`next_name`] and [`compose`] make a new package.

mod assemble;
pub mod code;
mod compose;
mod detail;
mod explain;
#[doc(hidden)]
pub mod fuzz;
mod json;
mod levels;
pub mod lists;
mod message;
mod name;
mod party;
mod read;
mod spec;
mod write;

pub use assemble::{Assembly, Package, assemble};
pub use compose::{compose, cut_file_name};
pub use explain::{explain, explain_missing};
pub use json::to_json;
pub use levels::{Levels, is_truncated};
pub use message::{
    Detail, Document, Drawing, EngdatMessage, Envelope, FileEntry, Link, Security, Station, Stray,
    Text,
};
pub use name::{NameError, PackageName, PartName, name_tail, next_name, virtual_file_name};
pub use party::{Party, TechnicalContact, same_routing};
pub use read::{Description, read, reason};
pub use spec::{SEGMENTS, segment_spec};
pub use write::{Transliterate, write, write_with};

#[cfg(test)]
mod laws;
#[cfg(test)]
mod package_tests;
#[cfg(test)]
mod tests;
