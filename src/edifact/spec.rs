//! Segment layouts as data, and the check of a segment against its layout.

use std::borrow::Cow;

use super::code;
use super::interchange::{Element, Segment};
use crate::{Code, Finding};

/// Whether a part must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Mandatory. Of a component in a conditional element: mandatory if the element is there.
    Mandatory,
    /// Conditional.
    Conditional,
}

/// Which characters a component takes (ISO 9735:1988 clause 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `a`: letters and blanks, no digits.
    Alphabetic,
    /// `n`: a number.
    Numeric,
    /// `an`: anything.
    Alphanumeric,
}

/// The layout of a component.
#[derive(Clone, Copy, Debug)]
pub struct ComponentSpec {
    /// Its name, for findings.
    pub name: &'static str,
    /// Whether it must be there.
    pub status: Status,
    /// Its characters.
    pub kind: Kind,
    /// Its least length in characters.
    pub min: u16,
    /// Its greatest length in characters.
    pub max: u16,
}

/// The layout of an element.
#[derive(Clone, Copy, Debug)]
pub struct ElementSpec {
    /// Its name, for findings.
    pub name: &'static str,
    /// Whether it must be there.
    pub status: Status,
    /// Its components; one for a simple element.
    pub components: &'static [ComponentSpec],
    /// How often it may stand (syntax version 4).
    pub repetitions: u16,
}

/// The layout of a segment.
#[derive(Clone, Copy, Debug)]
pub struct SegmentSpec {
    /// Its tag.
    pub tag: &'static str,
    /// Its elements, without the tag.
    pub elements: &'static [ElementSpec],
}

/// A mandatory component.
pub(crate) const fn must(name: &'static str, kind: Kind, min: u16, max: u16) -> ComponentSpec {
    ComponentSpec { name, status: Status::Mandatory, kind, min, max }
}

/// A conditional component.
pub(crate) const fn may(name: &'static str, kind: Kind, min: u16, max: u16) -> ComponentSpec {
    ComponentSpec { name, status: Status::Conditional, kind, min, max }
}

/// A mandatory element.
pub(crate) const fn mandatory(
    name: &'static str,
    components: &'static [ComponentSpec],
) -> ElementSpec {
    ElementSpec { name, status: Status::Mandatory, components, repetitions: 1 }
}

/// A conditional element.
pub(crate) const fn conditional(
    name: &'static str,
    components: &'static [ComponentSpec],
) -> ElementSpec {
    ElementSpec { name, status: Status::Conditional, components, repetitions: 1 }
}

impl SegmentSpec {
    /// The name of an element or component, counted as in [`Segment::component`].
    #[must_use]
    pub fn name_of(&self, element: usize, component: Option<usize>) -> Option<String> {
        let spec = self.elements.get(element.checked_sub(1)?)?;
        let inner = component.and_then(|c| spec.components.get(c.checked_sub(1)?));
        Some(match inner {
            Some(inner) if spec.components.len() > 1 => format!("{} {}", spec.name, inner.name),
            _ => spec.name.to_owned(),
        })
    }
}

/// Everything in `segment` that is not as its layout says, as warnings.
#[must_use]
pub fn check(segment: Segment<'_>, spec: &SegmentSpec) -> Vec<Finding> {
    let mut check = Check { segment, spec, findings: Vec::new() };
    let mut elements = segment.elements().skip(1);
    for (i, element_spec) in spec.elements.iter().enumerate() {
        match elements.next().filter(|element| !element.is_blank()) {
            Some(element) => check.element(i + 1, element, element_spec),
            None if element_spec.status == Status::Mandatory => {
                check.report(code::MISSING, 13, i + 1, None, "is mandatory and not there");
            }
            None => {}
        }
    }
    if elements.any(|element| !element.is_blank()) {
        let position = spec.elements.len() + 1;
        let text = format!("{} has {} elements at most", spec.tag, spec.elements.len());
        check.add(code::EXTRA, 16, position, None, text);
    }
    check.findings
}

struct Check<'a> {
    segment: Segment<'a>,
    spec: &'a SegmentSpec,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn add(
        &mut self,
        code: Code,
        contrl: u8,
        element: usize,
        component: Option<usize>,
        text: String,
    ) {
        let mut finding = Finding::warning(code, text);
        *finding.place = self.segment.place_of(element, component);
        finding.contrl = Some(contrl);
        self.findings.push(finding);
    }

    fn report(
        &mut self,
        code: Code,
        contrl: u8,
        element: usize,
        component: Option<usize>,
        what: &str,
    ) {
        let name = self.spec.name_of(element, component).unwrap_or_default();
        let text = format!("{} {name} {what}", self.spec.tag);
        self.add(code, contrl, element, component, text);
    }

    fn element(&mut self, position: usize, element: Element<'_>, spec: &ElementSpec) {
        let mut repetitions = 0_u16;
        for repetition in element.repetitions() {
            repetitions = repetitions.saturating_add(1);
            self.repetition(position, repetition, spec);
        }
        if repetitions > spec.repetitions {
            let what = format!("is repeated {repetitions} times, {} at most", spec.repetitions);
            self.report(code::REPETITIONS, 35, position, None, &what);
        }
    }

    fn repetition(&mut self, position: usize, element: Element<'_>, spec: &ElementSpec) {
        let mut components = element.components();
        for (i, component) in spec.components.iter().enumerate() {
            let value = components.next().unwrap_or_default();
            let at = (spec.components.len() > 1).then_some(i + 1);
            if value.is_empty() {
                if component.status == Status::Mandatory {
                    self.report(code::MISSING, 13, position, at, "is mandatory and not there");
                }
            } else {
                self.value(position, at, &value, component);
            }
        }
        if components.any(|value| !value.is_empty()) {
            let most = spec.components.len();
            let what = format!("has {most} component{} at most", if most == 1 { "" } else { "s" });
            self.report(code::EXTRA, 16, position, Some(most + 1), &what);
        }
    }

    fn value(
        &mut self,
        element: usize,
        component: Option<usize>,
        value: &str,
        spec: &ComponentSpec,
    ) {
        if let Some((code, contrl, expected)) = fault(value, spec) {
            self.report(code, contrl, element, component, &format!("is {expected}"));
            if let Some(finding) = self.findings.last_mut() {
                finding.expected = Some(representation(spec));
                finding.actual = Some(value.to_owned());
            }
        }
    }
}

/// What is wrong with a value, with the number of data element 0085.
pub(crate) fn fault(value: &str, spec: &ComponentSpec) -> Option<(Code, u8, Cow<'static, str>)> {
    let length = match spec.kind {
        Kind::Numeric => match number(value) {
            Ok(digits) => digits,
            Err(fault) => return Some(fault),
        },
        Kind::Alphabetic if value.chars().any(|c| c.is_ascii_digit()) => {
            return Some((code::TYPE, 37, "not alphabetic".into()));
        }
        _ => value.chars().count(),
    };
    if length > usize::from(spec.max) {
        let text = format!("{length} characters long, {} at most", spec.max);
        return Some((code::TOO_LONG, 39, text.into()));
    }
    if length < usize::from(spec.min) {
        let text = format!("{length} characters long, {} at least", spec.min);
        return Some((code::TOO_SHORT, 40, text.into()));
    }
    None
}

/// The length of a number: minus and decimal mark do not count (ISO 9735:1988 clause 10).
fn number(value: &str) -> Result<usize, (Code, u8, Cow<'static, str>)> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let (whole, fraction) = match digits.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let all = whole.chars().chain(fraction.unwrap_or("").chars());
    if all.clone().any(|c| !c.is_ascii_digit()) {
        return Err((code::TYPE, 37, "not a number".into()));
    }
    if whole.is_empty() {
        return Err((code::NUMBER, 38, "a number without a digit before the decimal mark".into()));
    }
    if fraction == Some("") {
        return Err((code::NUMBER, 19, "a number without a digit after the decimal mark".into()));
    }
    Ok(all.count())
}

/// The layout as the standard writes it: `an..35`, `n6`.
fn representation(spec: &ComponentSpec) -> String {
    let kind = match spec.kind {
        Kind::Alphabetic => "a",
        Kind::Numeric => "n",
        Kind::Alphanumeric => "an",
    };
    if spec.min == spec.max {
        format!("{kind}{}", spec.max)
    } else if spec.min > 1 {
        format!("{kind}{}..{}", spec.min, spec.max)
    } else {
        format!("{kind}..{}", spec.max)
    }
}
