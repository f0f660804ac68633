//! Service characters: UNA and the defaults (ISO 9735:1988 clause 4 and 7, ISO 9735-1:2002 clause 9).

/// The characters that structure an interchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Between components of an element.
    pub component: u8,
    /// Between elements of a segment.
    pub element: u8,
    /// Decimal mark. Readers take both `.` and `,`; it structures nothing.
    pub decimal: u8,
    /// Makes the next character plain data; `None`: there is none.
    pub release: Option<u8>,
    /// Between repetitions of an element, from syntax version 4.
    pub repetition: Option<u8>,
    /// After each segment.
    pub terminator: u8,
}

impl Service {
    /// The defaults of syntax versions 1 to 3.
    pub const DEFAULT: Self = Self {
        component: b':',
        element: b'+',
        decimal: b'.',
        release: Some(b'?'),
        repetition: None,
        terminator: b'\'',
    };

    /// The defaults of syntax version 4.
    pub const VERSION_4: Self = Self { repetition: Some(b'*'), ..Self::DEFAULT };

    /// The information separators of level B (UNOB, versions 1 to 3), which need no release.
    pub const LEVEL_B: Self = Self {
        component: 0x1f,
        element: 0x1d,
        decimal: b'.',
        release: None,
        repetition: None,
        terminator: 0x1c,
    };

    /// From the six octets after `UNA`; the fifth separates repetitions only from syntax version
    /// 4, where a blank stands for the default.
    #[must_use]
    pub fn from_advice(advice: [u8; 6], version: u8) -> Self {
        let [component, element, decimal, release, reserved, terminator] = advice;
        let mut service = Self {
            component,
            element,
            decimal,
            release: (release != b' ').then_some(release),
            repetition: None,
            terminator,
        };
        if version >= b'4' {
            let wanted = if reserved == b' ' { b'*' } else { reserved };
            // A default that is taken by another role leaves no repetition separator.
            if reserved != b' ' || !service.is_active(wanted) {
                service.repetition = Some(wanted);
            }
        }
        service
    }

    /// The nine octets of UNA.
    #[must_use]
    pub fn advice(&self) -> [u8; 9] {
        let release = self.release.unwrap_or(b' ');
        let reserved = self.repetition.unwrap_or(b' ');
        [
            b'U',
            b'N',
            b'A',
            self.component,
            self.element,
            self.decimal,
            release,
            reserved,
            self.terminator,
        ]
    }

    /// Whether `octet` structures the interchange, so that as data it needs a release.
    #[must_use]
    pub fn is_active(&self, octet: u8) -> bool {
        self.active().any(|active| active == octet)
    }

    /// The characters that structure: separators, terminator, release.
    pub fn active(&self) -> impl Iterator<Item = u8> + use<> {
        [
            Some(self.component),
            Some(self.element),
            self.release,
            self.repetition,
            Some(self.terminator),
        ]
        .into_iter()
        .flatten()
    }

    /// The first active character that is used twice or is a letter, a digit or beyond ASCII.
    #[must_use]
    pub fn unusable(&self) -> Option<u8> {
        let mut seen = Vec::with_capacity(5);
        self.active().find(|&octet| {
            let twice = seen.contains(&octet);
            seen.push(octet);
            twice || octet.is_ascii_alphanumeric() || !octet.is_ascii()
        })
    }
}

impl Default for Service {
    fn default() -> Self {
        Self::DEFAULT
    }
}
