//! Files, documents, drawings, links and security data: segment to data and back, side by side.

use super::message::{Detail, Document, Drawing, FileEntry, Link, Security};
use crate::edifact::{Segment, SegmentBuilder};

/// The fields of the segments that describe files and documents.
macro_rules! fields {
    ($segment:ident, $($field:ident: $element:literal $component:literal),* $(,)?) => {
        Self {
            $($field: $segment.component($element, $component).into_owned(),)*
            ..Self::default()
        }
    };
}

impl FileEntry {
    pub(super) fn read(segment: Segment<'_>) -> Self {
        let number = segment.component(1, 1);
        let number = number.trim();
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let mut entry = fields!(segment,
            name: 1 2, format_code: 2 1, format: 2 2, format_version: 2 3,
            data_code: 3 1, data_text: 3 2,
            system: 4 1, system_version: 4 2, system_command: 4 3,
            status_code: 5 1, status: 5 2, department: 6 1, compression: 8 1,
        );
        entry.index = number.parse().ok().filter(|_| digits).unwrap_or(0);
        let types =
            segment.element(7).map(|element| element.components().map(Into::into).collect());
        entry.data_types = types.unwrap_or_default();
        while entry.data_types.last().is_some_and(String::is_empty) {
            entry.data_types.pop();
        }
        entry
    }
}

impl FileEntry {
    /// To EFC.
    #[must_use]
    pub fn segment(&self) -> SegmentBuilder {
        let mut segment = SegmentBuilder::new("EFC");
        segment
            .composite([&format!("{:03}", self.index), &self.name])
            .composite([&self.format_code, &self.format, &self.format_version])
            .composite([&self.data_code, &self.data_text])
            .composite([&self.system, &self.system_version, &self.system_command])
            .composite([&self.status_code, &self.status])
            .simple(&self.department)
            .composite(&self.data_types)
            .simple(&self.compression);
        segment
    }
}

impl Document {
    pub(super) fn read(segment: Segment<'_>) -> Self {
        fields!(segment, code: 1 1, text: 1 2, number: 2 1, date: 3 1, time: 3 2)
    }
}

impl Drawing {
    pub(super) fn read(segment: Segment<'_>) -> Self {
        fields!(segment,
            first: 1 1, sheet: 2 1, number: 3 1, format: 4 1, title: 5 1,
            status: 6 1, status_code: 6 2, date: 6 3,
        )
    }
}

impl Link {
    pub(super) fn read(segment: Segment<'_>) -> Self {
        Self {
            index: segment.component(1, 1).into_owned(),
            name: segment.component(1, 2).into_owned(),
            code: segment.component(2, 1).into_owned(),
            text: segment.component(2, 2).into_owned(),
        }
    }
}

impl Security {
    pub(super) fn read(segment: Segment<'_>) -> Self {
        let values =
            segment.element(1).map(|element| element.components().map(Into::into).collect());
        Self { values: values.unwrap_or_default() }
    }
}

/// The segments a detail is written as.
impl Detail {
    pub(super) fn segments(&self, out: &mut Vec<SegmentBuilder>) {
        let mut segment = SegmentBuilder::default();
        let texts = match self {
            Self::Unknown(unknown) => return out.push(unknown.clone()),
            Self::Text(text) => {
                segment.restart("FTX").composite(&text.lines);
                &[][..]
            }
            Self::Document(d) => {
                segment.restart("DAN").composite([&d.code, &d.text]).simple(&d.number);
                segment.composite([&d.date, &d.time]);
                &d.texts
            }
            Self::Drawing(d) => {
                segment.restart("DSD").simple(&d.first).simple(&d.sheet).simple(&d.number);
                segment.simple(&d.format).simple(&d.title);
                segment.composite([&d.status, &d.status_code, &d.date]);
                &d.texts
            }
            Self::Link(l) => {
                segment.restart("LOF").composite([&l.index, &l.name]).composite([&l.code, &l.text]);
                &[][..]
            }
            Self::Security(s) => {
                segment.restart("SEC").composite(&s.values);
                &[][..]
            }
        };
        out.push(segment);
        for text in texts {
            let mut segment = SegmentBuilder::new("FTX");
            segment.composite(&text.lines);
            out.push(segment);
        }
    }
}
