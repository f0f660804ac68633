//! How much a stranger's file may ask of us.

/// Limits on archives and documents. They hold on actual bytes, not on what a header claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest archive member, unpacked, in bytes.
    pub entry: u64,
    /// All archive members together, unpacked, in bytes.
    pub total: u64,
    /// The most archive members.
    pub entries: usize,
    /// The highest ratio of unpacked to packed size of a member longer than 1 MiB.
    pub ratio: u64,
    /// The deepest nesting of XML elements.
    pub depth: usize,
    /// The most attributes of an XML element.
    pub attributes: usize,
    /// The longest run of text or markup between two XML events, in bytes.
    pub text: u64,
    /// The most bytes of names and texts in one issue; embedded files do not count.
    pub issue: u64,
    /// The most XML elements and texts in one issue.
    pub elements: usize,
    /// The most XML elements in one document.
    pub document_elements: u64,
}

/// The ratio is asked only of members longer than this; short texts may be all blanks.
pub(super) const RATIO_FROM: u64 = 1 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            entry: 64 << 20,
            total: 512 << 20,
            entries: 10_000,
            ratio: 200,
            depth: 64,
            attributes: 64,
            text: 32 << 20,
            issue: 16 << 20,
            elements: 200_000,
            document_elements: 20_000_000,
        }
    }
}

impl Limits {
    /// Why a member of these sizes is too much, if it is.
    pub(super) fn refuse(&self, packed: u64, unpacked: u64) -> Option<String> {
        if unpacked > self.entry {
            return Some(format!(
                "it unpacks to {unpacked} bytes, the limit is {} (limits.entry_mib)",
                self.entry
            ));
        }
        let ratio = unpacked / packed.max(1);
        (unpacked > RATIO_FROM && ratio > self.ratio).then(|| {
            format!(
                "it unpacks to {ratio} times its size, the limit is {} (limits.ratio)",
                self.ratio
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_ratio_refuse() {
        let limits = Limits::default();
        let cases = [
            (10, 100, true),
            (10, 1 << 20, true),
            (65_232, 64 << 20, false),
            (60 << 20, 64 << 20, true),
            (60 << 20, (64 << 20) + 1, false),
            (0, 2 << 20, false),
        ];
        for (packed, unpacked, fine) in cases {
            assert_eq!(limits.refuse(packed, unpacked).is_none(), fine, "{packed} {unpacked}");
        }
    }
}
