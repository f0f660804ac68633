//! ISO 9735 (EDIFACT syntax, versions 1 to 4): bytes to [`Interchange`] and back. Knows no message
//! type and touches no file.
//!
//! [`parse`] finds every interchange of a file and every problem in it, with byte, segment,
//! element and component; an [`Interchange`] is one buffer with flat arenas of spans over it, which
//! hands out views ([`Segment`], [`Element`]) and decodes a value when it is asked for. The
//! [`Writer`] is the inverse: structure trimmed before it is encoded, the release character first,
//! characters held to the repertoire. Layouts of segments are data ([`SegmentSpec`]).

mod charset;
mod checks;
pub mod code;
mod decoded;
mod grammar;
mod interchange;
mod parse;
mod quote;
mod scan;
mod segment;
mod service;
mod service_segments;
mod spans;
pub(crate) mod spec;
mod transliterate;
mod wrapping;
mod writer;

pub use charset::Charset;
pub use decoded::{Decoded, DecodedSegment};
pub use interchange::{Element, Elements, Interchange, Segment, Syntax};
pub use parse::{Reading, parse};
pub use quote::quote;
pub use segment::SegmentBuilder;
pub use service::Service;
pub use service_segments::{VERSION_1, VERSION_3, VERSION_4, service_segment};
pub use spec::{ComponentSpec, ElementSpec, Kind, SegmentSpec, Status, check};
pub use writer::{Style, Writer};

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
