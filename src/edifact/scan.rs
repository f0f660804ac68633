//! The leaf of the segment production: the next octet that structures, found 64 octets at a time
//! with plain integer arithmetic.

use super::Service;
use super::spans::Closer;

const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);
/// Moves the lowest bits of eight octets into the top octet.
const GATHER: u64 = 0x0102_0408_1020_4080;

/// The structuring octets as a search mask and as roles.
#[derive(Clone, Debug)]
pub(super) struct Needles {
    needles: [u64; 4],
    repetition: Option<u64>,
    service: Service,
}

/// What a structuring octet does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Closes(Closer),
    Releases,
}

impl Needles {
    pub(super) fn new(service: Service) -> Self {
        let spread = |octet: u8| u64::from_ne_bytes([octet; 8]);
        // Without a release character its place is filled with one that is looked for anyway.
        let release = service.release.unwrap_or(service.terminator);
        Self {
            needles: [service.component, service.element, service.terminator, release].map(spread),
            repetition: service.repetition.map(spread),
            service,
        }
    }

    /// The role of an octet that [`Scanner::next`] found.
    #[inline]
    pub(super) fn role(&self, octet: u8) -> Role {
        if octet == self.service.component {
            Role::Closes(Closer::Component)
        } else if octet == self.service.element {
            Role::Closes(Closer::Element)
        } else if octet == self.service.terminator {
            Role::Closes(Closer::Terminator)
        } else if self.service.release == Some(octet) {
            Role::Releases
        } else {
            Role::Closes(Closer::Repetition)
        }
    }

    /// One bit per octet of `word`, the first octet lowest, set where it structures.
    #[inline]
    fn hits(&self, octets: [u8; 8]) -> u64 {
        let word = u64::from_le_bytes(octets);
        // The top bit of an octet of `plain` is set where it equals no needle.
        let mut plain = u64::MAX;
        for needle in self.needles {
            let x = word ^ needle;
            plain &= ((x & LOW) + LOW) | x;
        }
        if let Some(needle) = self.repetition {
            let x = word ^ needle;
            plain &= ((x & LOW) + LOW) | x;
        }
        ((!plain & !LOW) >> 7).wrapping_mul(GATHER) >> 56
    }
}

/// Walks over the structuring octets of `bytes`.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    needles: Needles,
    bytes: &'a [u8],
    /// Offset of the block that `hits` is about.
    block: usize,
    hits: u64,
    /// Offset of the first block not yet looked at.
    ahead: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8], service: Service) -> Self {
        Self { needles: Needles::new(service), bytes, block: 0, hits: 0, ahead: 0 }
    }

    pub(super) fn needles(&self) -> &Needles {
        &self.needles
    }

    /// The offset and value of the next structuring octet at or after `from`, which must not
    /// run backwards.
    #[inline]
    pub(super) fn next(&mut self, from: usize) -> Option<(usize, u8)> {
        loop {
            while self.hits != 0 {
                let at = self.block + self.hits.trailing_zeros() as usize;
                self.hits &= self.hits - 1;
                if at >= from {
                    return self.bytes.get(at).map(|&octet| (at, octet));
                }
            }
            if self.ahead >= self.bytes.len() {
                return None;
            }
            self.look();
        }
    }

    /// Looks at the next block.
    #[inline]
    fn look(&mut self) {
        self.block = self.ahead;
        self.hits = 0;
        let rest = self.bytes.get(self.block..).unwrap_or(&[]);
        let (words, tail) = match rest.first_chunk::<64>() {
            Some(block) => (block.as_chunks::<8>().0, &[][..]),
            None => rest.as_chunks::<8>(),
        };
        for (i, word) in words.iter().enumerate() {
            self.hits |= self.needles.hits(*word) << (8 * i);
        }
        if !tail.is_empty() {
            // The fill structures only if it is a service character, and is masked off then.
            let mut word = [0; 8];
            word[..tail.len()].copy_from_slice(tail);
            let hits = self.needles.hits(word) & ((1 << tail.len()) - 1);
            self.hits |= hits << (8 * words.len());
        }
        self.ahead = self.block + 64.min(rest.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_plain_search_finds() {
        let services = [Service::DEFAULT, Service::VERSION_4, Service::LEVEL_B];
        let mut text: Vec<u8> = (0..=255).cycle().take(700).collect();
        text.extend_from_slice(b"a+b:c'?*+++'''");
        for service in services {
            for cut in [0, 1, 7, 8, 9, 63, 64, 65, 127, text.len()] {
                let bytes = &text[..cut];
                let plain: Vec<usize> = (0..cut).filter(|&i| service.is_active(bytes[i])).collect();
                let mut scanner = Scanner::new(bytes, service);
                let mut found = Vec::new();
                while let Some((at, octet)) = scanner.next(0) {
                    assert_eq!(octet, bytes[at]);
                    found.push(at);
                }
                assert_eq!(found, plain, "{cut} octets");
            }
        }
    }
}
