//! Sender and receiver (SDE, RDE), which have one layout.

use serde::Serialize;

use crate::edifact::{Element, Segment, SegmentBuilder};

/// A company with its routing code and its people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Party {
    /// Odette id or short code, at most 20 characters.
    pub id: String,
    /// Company, at most 35 characters.
    pub name: String,
    /// At most four lines of 35 characters.
    pub address: Vec<String>,
    /// Supplier or customer number, at most 17 characters.
    pub internal_id: String,
    /// ISO 3166 alpha-2.
    pub country: String,
    /// Routing code, at most 35 characters: what partners know each other by.
    pub routing: String,
    /// Department, at most 35 characters.
    pub department: String,
    /// Second department; most partners put a person here.
    pub contact: String,
    /// Telephone, at most 17 characters.
    pub telephone: String,
    /// Telephone extension, at most 17 characters.
    pub extension: String,
    /// Telex, at most 17 characters.
    pub telex: String,
    /// Telefax, at most 17 characters.
    pub fax: String,
    /// Teletex, at most 17 characters.
    pub teletex: String,
    /// At most 70 characters.
    pub email: String,
    /// Who to talk to about the transmission.
    pub technical: Option<Box<TechnicalContact>>,
}

/// The technical contact: a company (perhaps another one) and its people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TechnicalContact {
    /// Company, at most 35 characters.
    pub name: String,
    /// At most four lines of 35 characters.
    pub address: Vec<String>,
    /// At most 17 characters.
    pub internal_id: String,
    /// ISO 3166 alpha-2.
    pub country: String,
    /// Department, at most 35 characters.
    pub department: String,
    /// Second department, or a person.
    pub contact: String,
    /// Telephone, at most 17 characters.
    pub telephone: String,
    /// Telephone extension, at most 17 characters.
    pub extension: String,
    /// Telex, at most 17 characters.
    pub telex: String,
    /// Telefax, at most 17 characters.
    pub fax: String,
    /// Teletex, at most 17 characters.
    pub teletex: String,
    /// At most 70 characters.
    pub email: String,
}

/// Name, address and internal id, which stand in one element.
struct Company {
    name: String,
    address: Vec<String>,
    internal_id: String,
}

impl Company {
    fn read(element: Option<Element<'_>>, first: usize) -> Self {
        let part =
            |i: usize| element.map_or_else(String::new, |e| e.component(first + i).into_owned());
        let mut address: Vec<String> = (1..=4).map(part).collect();
        while address.last().is_some_and(String::is_empty) {
            address.pop();
        }
        Self { name: part(0), address, internal_id: part(5) }
    }
}

/// Four address lines, empty where there are fewer.
fn lines(address: &[String]) -> [&str; 4] {
    let line = |i: usize| address.get(i).map_or("", String::as_str);
    [line(0), line(1), line(2), line(3)]
}

impl TechnicalContact {
    fn read(segment: Segment<'_>) -> Self {
        let Company { name, address, internal_id } = Company::read(segment.element(5), 1);
        let people = |component| segment.component(7, component).into_owned();
        Self {
            name,
            address,
            internal_id,
            country: segment.component(6, 1).into_owned(),
            department: people(1),
            contact: people(2),
            telephone: people(3),
            extension: people(4),
            telex: people(5),
            fax: people(6),
            teletex: people(7),
            email: people(8),
        }
    }

    fn add_to(&self, segment: &mut SegmentBuilder) {
        let [a, b, c, d] = lines(&self.address);
        segment
            .composite([self.name.as_str(), a, b, c, d, &self.internal_id])
            .simple(&self.country)
            .composite([
                &self.department,
                &self.contact,
                &self.telephone,
                &self.extension,
                &self.telex,
                &self.fax,
                &self.teletex,
                &self.email,
            ]);
    }
}

impl Party {
    /// From SDE or RDE.
    #[must_use]
    pub fn read(segment: Segment<'_>) -> Self {
        let Company { name, address, internal_id } = Company::read(segment.element(1), 2);
        let technical = TechnicalContact::read(segment);
        let people = |component| segment.component(4, component).into_owned();
        Self {
            id: segment.component(1, 1).into_owned(),
            name,
            address,
            internal_id,
            country: segment.component(2, 1).into_owned(),
            routing: segment.component(3, 1).into_owned(),
            department: people(1),
            contact: people(2),
            telephone: people(3),
            extension: people(4),
            telex: people(5),
            fax: people(6),
            teletex: people(7),
            email: people(8),
            technical: (technical != TechnicalContact::default()).then(|| Box::new(technical)),
        }
    }

    /// To SDE or RDE.
    #[must_use]
    pub fn segment(&self, tag: &str) -> SegmentBuilder {
        let mut segment = SegmentBuilder::new(tag);
        let [a, b, c, d] = lines(&self.address);
        segment
            .composite([&self.id, self.name.as_str(), a, b, c, d, &self.internal_id])
            .simple(&self.country)
            .simple(&self.routing)
            .composite([
                &self.department,
                &self.contact,
                &self.telephone,
                &self.extension,
                &self.telex,
                &self.fax,
                &self.teletex,
                &self.email,
            ]);
        if let Some(technical) = &self.technical {
            technical.add_to(&mut segment);
        }
        segment
    }
}

/// Whether two routing codes are the same: blanks around them do not count.
#[must_use]
pub fn same_routing(a: &str, b: &str) -> bool {
    a.trim() == b.trim()
}
