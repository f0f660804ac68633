//! The layouts of the segments of an ENGDAT message, versions 1 and 2 (VDA 4951-1). MID, SDE, RDE,
//! EFC and TOT are as published; those of DAN, FTX, DSD, LOF and SEC are inferred from messages
//! seen, so their lengths are bounds for writing and warnings for reading.

use crate::edifact::Kind::{Alphabetic as A, Alphanumeric as AN, Numeric as N};
use crate::edifact::spec::{conditional, mandatory, may, must};
use crate::edifact::{ComponentSpec, SegmentSpec};

/// The layout of a segment of the message body.
#[must_use]
pub fn segment_spec(tag: &str) -> Option<&'static SegmentSpec> {
    SEGMENTS.iter().find(|spec| spec.tag == tag)
}

/// All of them, in the order of the message.
pub const SEGMENTS: &[SegmentSpec] = &[MID, SDE, RDE, DAN, FTX, EFC, DSD, LOF, SEC, TOT];

const MID: SegmentSpec = SegmentSpec {
    tag: "MID",
    elements: &[
        mandatory("exchange reference", &[must("exchange reference", AN, 1, 17)]),
        mandatory("date and time", &[must("date", N, 6, 6), may("time", N, 4, 4)]),
        conditional("authorisation", &[may("authorisation", AN, 1, 35)]),
    ],
};

const SDE: SegmentSpec = party("SDE");
const RDE: SegmentSpec = party("RDE");

const fn party(tag: &'static str) -> SegmentSpec {
    const ELEMENTS: &[crate::edifact::ElementSpec] = &[
        mandatory(
            "party",
            &[
                may("id", AN, 1, 20),
                may("name", AN, 1, 35),
                may("address line 1", AN, 1, 35),
                may("address line 2", AN, 1, 35),
                may("address line 3", AN, 1, 35),
                may("address line 4", AN, 1, 35),
                may("internal id", AN, 1, 17),
            ],
        ),
        mandatory("country", &[must("country", A, 2, 2)]),
        mandatory("routing code", &[must("routing code", AN, 1, 35)]),
        conditional("contact", CONTACT),
        conditional(
            "technical contact",
            &[
                may("name", AN, 1, 35),
                may("address line 1", AN, 1, 35),
                may("address line 2", AN, 1, 35),
                may("address line 3", AN, 1, 35),
                may("address line 4", AN, 1, 35),
                may("internal id", AN, 1, 17),
            ],
        ),
        conditional("technical contact country", &[may("country", A, 2, 2)]),
        conditional("technical contact people", CONTACT),
    ];
    SegmentSpec { tag, elements: ELEMENTS }
}

const CONTACT: &[ComponentSpec] = &[
    may("department", AN, 1, 35),
    may("person", AN, 1, 35),
    may("telephone", AN, 1, 17),
    may("extension", AN, 1, 17),
    may("telex", AN, 1, 17),
    may("fax", AN, 1, 17),
    may("teletex", AN, 1, 17),
    may("email", AN, 1, 70),
];

const DAN: SegmentSpec = SegmentSpec {
    tag: "DAN",
    elements: &[
        conditional("document type", &[may("code", AN, 1, 3), may("text", AN, 1, 35)]),
        conditional("document number", &[may("document number", AN, 1, 35)]),
        conditional("document date", &[may("date", N, 6, 8), may("time", N, 4, 4)]),
    ],
};

const FTX: SegmentSpec = SegmentSpec {
    tag: "FTX",
    elements: &[mandatory(
        "text",
        &[
            may("line 1", AN, 1, 35),
            may("line 2", AN, 1, 35),
            may("line 3", AN, 1, 35),
            may("line 4", AN, 1, 35),
            may("line 5", AN, 1, 35),
        ],
    )],
};

const EFC: SegmentSpec = SegmentSpec {
    tag: "EFC",
    elements: &[
        mandatory("file", &[must("number", N, 1, 3), may("name", AN, 1, 35)]),
        mandatory(
            "format",
            &[may("code", AN, 1, 3), may("text", AN, 1, 35), may("version", AN, 1, 10)],
        ),
        mandatory("data code", &[may("code", AN, 1, 3), may("text", AN, 1, 35)]),
        mandatory(
            "generating system",
            &[may("name", AN, 1, 35), may("version", AN, 1, 35), may("command", AN, 1, 35)],
        ),
        mandatory("status", &[may("code", AN, 1, 3), may("text", AN, 1, 35)]),
        conditional("department", &[may("department", AN, 1, 35)]),
        conditional(
            "data type",
            &[
                must("type 1", AN, 1, 35),
                may("type 2", AN, 1, 35),
                may("type 3", AN, 1, 35),
                may("type 4", AN, 1, 35),
            ],
        ),
        conditional("compression", &[may("compression", AN, 1, 35)]),
    ],
};

const DSD: SegmentSpec = SegmentSpec {
    tag: "DSD",
    elements: &[
        conditional("first element", &[may("first element", AN, 1, 35)]),
        conditional("sheet", &[may("sheet", AN, 1, 35)]),
        conditional("number", &[may("number", AN, 1, 35)]),
        conditional("sheet format", &[may("sheet format", AN, 1, 35)]),
        conditional("title", &[may("title", AN, 1, 35)]),
        conditional(
            "release status",
            &[may("text", AN, 1, 35), may("code", AN, 1, 3), may("date", N, 6, 8)],
        ),
    ],
};

const LOF: SegmentSpec = SegmentSpec {
    tag: "LOF",
    elements: &[
        mandatory("file", &[may("number", N, 1, 3), may("name", AN, 1, 35)]),
        conditional("relation", &[may("code", AN, 1, 3), may("text", AN, 1, 35)]),
    ],
};

const SEC: SegmentSpec = SegmentSpec {
    tag: "SEC",
    elements: &[conditional(
        "security",
        &[may("value 1", AN, 1, 35), may("value 2", AN, 1, 35), may("value 3", AN, 1, 35)],
    )],
};

const TOT: SegmentSpec = SegmentSpec {
    tag: "TOT",
    elements: &[
        mandatory("quantity", &[must("quantity", N, 1, 15), may("unit", AN, 1, 3)]),
        conditional("amount", &[may("amount", N, 1, 15), may("currency", AN, 1, 3)]),
    ],
};
