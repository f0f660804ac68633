//! The layouts of the service segments (ISO 9735:1988 annex B and version 3, ISO 9735-1:2002 and
//! -10 for version 4).

use super::spec::Kind::{Alphabetic as A, Alphanumeric as AN, Numeric as N};
use super::spec::{ComponentSpec, ElementSpec, SegmentSpec, conditional, mandatory, may, must};

/// The layout of a service segment in a syntax version.
#[must_use]
pub fn service_segment(tag: &str, version: u8) -> Option<&'static SegmentSpec> {
    let specs = match version {
        0..=2 => VERSION_1,
        3 => VERSION_3,
        _ => VERSION_4,
    };
    specs.iter().find(|spec| spec.tag == tag)
}

/// Versions 1 and 2: release and agency in UNH are conditional.
pub const VERSION_1: &[SegmentSpec] = &[UNB_3, UNG_3, UNH_1, UNS, UNT_3, UNE, UNZ];
/// Version 3.
pub const VERSION_3: &[SegmentSpec] = &[UNB_3, UNG_3, UNH_3, UNS, UNT_3, UNE, UNZ];
/// Version 4.
pub const VERSION_4: &[SegmentSpec] = &[UNB_4, UNG_4, UNH_4, UNS, UNT_4, UNE, UNZ];

const TAIL: [ElementSpec; 6] = [
    conditional("recipient reference", &[must("reference", AN, 1, 14), may("qualifier", AN, 2, 2)]),
    conditional("application reference", &[may("application reference", AN, 1, 14)]),
    conditional("priority", &[may("priority", A, 1, 1)]),
    conditional("acknowledgement request", &[may("acknowledgement request", N, 1, 1)]),
    conditional("agreement", &[may("agreement", AN, 1, 35)]),
    conditional("test indicator", &[may("test indicator", N, 1, 1)]),
];

const UNB_3: SegmentSpec = SegmentSpec {
    tag: "UNB",
    elements: &[
        mandatory(
            "syntax",
            &[
                must("identifier", A, 4, 4),
                must("version", N, 1, 1),
                may("directory version", AN, 1, 6),
                may("encoding", AN, 1, 3),
            ],
        ),
        mandatory(
            "sender",
            &[must("id", AN, 1, 35), may("qualifier", AN, 1, 4), may("internal id", AN, 1, 14)],
        ),
        mandatory(
            "recipient",
            &[must("id", AN, 1, 35), may("qualifier", AN, 1, 4), may("routing", AN, 1, 14)],
        ),
        mandatory("date and time", &[must("date", N, 6, 8), must("time", N, 4, 4)]),
        mandatory("control reference", &[must("control reference", AN, 1, 14)]),
        TAIL[0],
        TAIL[1],
        TAIL[2],
        TAIL[3],
        TAIL[4],
        TAIL[5],
    ],
};

const UNB_4: SegmentSpec = SegmentSpec {
    tag: "UNB",
    elements: &[
        mandatory(
            "syntax",
            &[
                must("identifier", A, 4, 4),
                must("version", AN, 1, 1),
                may("directory version", AN, 1, 6),
                may("encoding", AN, 1, 3),
                may("release", AN, 2, 2),
            ],
        ),
        mandatory(
            "sender",
            &[
                must("id", AN, 1, 35),
                may("qualifier", AN, 1, 4),
                may("internal id", AN, 1, 35),
                may("internal sub-id", AN, 1, 35),
            ],
        ),
        mandatory(
            "recipient",
            &[
                must("id", AN, 1, 35),
                may("qualifier", AN, 1, 4),
                may("internal id", AN, 1, 35),
                may("internal sub-id", AN, 1, 35),
            ],
        ),
        mandatory("date and time", &[must("date", N, 8, 8), must("time", N, 4, 4)]),
        mandatory("control reference", &[must("control reference", AN, 1, 14)]),
        TAIL[0],
        TAIL[1],
        TAIL[2],
        TAIL[3],
        TAIL[4],
        TAIL[5],
    ],
};

const UNG_3: SegmentSpec = SegmentSpec {
    tag: "UNG",
    elements: &[
        mandatory("message type", &[must("message type", AN, 1, 6)]),
        mandatory("sender", &[must("id", AN, 1, 35), may("qualifier", AN, 1, 4)]),
        mandatory("recipient", &[must("id", AN, 1, 35), may("qualifier", AN, 1, 4)]),
        mandatory("date and time", &[must("date", N, 6, 8), must("time", N, 4, 4)]),
        mandatory("group reference", &[must("group reference", AN, 1, 14)]),
        mandatory("agency", &[must("agency", AN, 1, 2)]),
        mandatory(
            "version",
            &[must("version", AN, 1, 3), must("release", AN, 1, 3), may("association", AN, 1, 6)],
        ),
        conditional("password", &[may("password", AN, 1, 14)]),
    ],
};

const UNG_4: SegmentSpec = SegmentSpec {
    tag: "UNG",
    elements: &[
        conditional("message type", &[may("message type", AN, 1, 6)]),
        conditional("sender", &[must("id", AN, 1, 35), may("qualifier", AN, 1, 4)]),
        conditional("recipient", &[must("id", AN, 1, 35), may("qualifier", AN, 1, 4)]),
        conditional("date and time", &[must("date", N, 8, 8), must("time", N, 4, 4)]),
        mandatory("group reference", &[must("group reference", AN, 1, 14)]),
        conditional("agency", &[may("agency", AN, 1, 3)]),
        conditional(
            "version",
            &[must("version", AN, 1, 3), must("release", AN, 1, 3), may("association", AN, 1, 6)],
        ),
        conditional("password", &[may("password", AN, 1, 14)]),
    ],
};

const TRANSFER: ElementSpec =
    conditional("transfer status", &[must("sequence", N, 1, 2), may("first or last", A, 1, 1)]);
const ACCESS: ElementSpec = conditional("access reference", &[may("access reference", AN, 1, 35)]);
const MESSAGE: ElementSpec =
    mandatory("message reference", &[must("message reference", AN, 1, 14)]);

const UNH_1: SegmentSpec = SegmentSpec {
    tag: "UNH",
    elements: &[
        MESSAGE,
        mandatory(
            "message",
            &[
                must("type", AN, 1, 6),
                must("version", AN, 1, 3),
                may("release", AN, 1, 3),
                may("agency", AN, 1, 3),
                may("association", AN, 1, 6),
                may("code version", AN, 1, 6),
                may("sub-function", AN, 1, 6),
            ],
        ),
        ACCESS,
        TRANSFER,
    ],
};

const UNH_3: SegmentSpec = SegmentSpec {
    tag: "UNH",
    elements: &[
        MESSAGE,
        mandatory(
            "message",
            &[
                must("type", AN, 1, 6),
                must("version", AN, 1, 3),
                must("release", AN, 1, 3),
                must("agency", AN, 1, 2),
                may("association", AN, 1, 6),
            ],
        ),
        ACCESS,
        TRANSFER,
    ],
};

const UNH_4: SegmentSpec = SegmentSpec {
    tag: "UNH",
    elements: &[
        MESSAGE,
        mandatory(
            "message",
            &[
                must("type", AN, 1, 6),
                must("version", AN, 1, 3),
                must("release", AN, 1, 3),
                must("agency", AN, 1, 3),
                may("association", AN, 1, 6),
                may("code version", AN, 1, 6),
                may("sub-function", AN, 1, 6),
            ],
        ),
        ACCESS,
        TRANSFER,
        conditional("subset", IMPLEMENTATION),
        conditional("guideline", IMPLEMENTATION),
        conditional("scenario", IMPLEMENTATION),
    ],
};

const IMPLEMENTATION: &[ComponentSpec] = &[
    must("id", AN, 1, 14),
    may("version", AN, 1, 3),
    may("release", AN, 1, 3),
    may("agency", AN, 1, 3),
];

const UNS: SegmentSpec =
    SegmentSpec { tag: "UNS", elements: &[mandatory("section", &[must("section", A, 1, 1)])] };

const UNT_3: SegmentSpec = SegmentSpec {
    tag: "UNT",
    elements: &[mandatory("segment count", &[must("segment count", N, 1, 6)]), MESSAGE],
};

const UNT_4: SegmentSpec = SegmentSpec {
    tag: "UNT",
    elements: &[mandatory("segment count", &[must("segment count", N, 1, 10)]), MESSAGE],
};

const UNE: SegmentSpec = SegmentSpec {
    tag: "UNE",
    elements: &[
        mandatory("message count", &[must("message count", N, 1, 6)]),
        mandatory("group reference", &[must("group reference", AN, 1, 14)]),
    ],
};

const UNZ: SegmentSpec = SegmentSpec {
    tag: "UNZ",
    elements: &[
        mandatory("control count", &[must("control count", N, 1, 6)]),
        mandatory("control reference", &[must("control reference", AN, 1, 14)]),
    ],
};
