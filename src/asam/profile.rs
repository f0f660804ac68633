//! The versions of the format.

/// Which dialect of MSR-ISSUE a document is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// 3.0 of the PFIFF exchange: the one that is read and written.
    #[default]
    Pfiff,
    /// 2.1.0.
    Asam21,
    /// 3.0.0 and 3.0.1.
    Asam30,
    /// 3.1 and 3.2.
    Asam31,
}

impl Profile {
    /// The name in configurations and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pfiff => "pfiff",
            Self::Asam21 => "asam21",
            Self::Asam30 => "asam30",
            Self::Asam31 => "asam31",
        }
    }

    /// The profile of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Pfiff, Self::Asam21, Self::Asam30, Self::Asam31]
            .into_iter()
            .find(|profile| profile.as_str() == name)
    }

    /// The profile and version of a document by its root element.
    pub(super) fn of(namespace: Option<&str>, schema: &str) -> (Self, String) {
        if let Some(namespace) = namespace {
            let version = namespace.rsplit('/').next().unwrap_or(namespace);
            let digits = version.trim_start_matches("issue");
            let profile = match digits.as_bytes() {
                [b'2', ..] => Self::Asam21,
                [b'3', b'0', ..] => Self::Asam30,
                _ => Self::Asam31,
            };
            return (profile, version.to_owned());
        }
        let profile = if schema.contains("PAG") || schema.is_empty() {
            Self::Pfiff
        } else if schema.contains("2_1") || schema.contains("2.1") {
            Self::Asam21
        } else if schema.contains("3_0") || schema.contains("3.0") {
            Self::Asam30
        } else if schema.contains("3_") || schema.contains("3.") {
            Self::Asam31
        } else {
            Self::Pfiff
        };
        (profile, schema.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        let asam = |version: &str| format!("http://www.asam.net/schemas/issue/{version}");
        let cases = [
            (None, "PAG_ASAM_ISSUE_SCHEMA_V3.0.xsd", Profile::Pfiff),
            (None, "", Profile::Pfiff),
            (None, "msr-issue_2_1_0_rc4.xsd", Profile::Asam21),
            (None, "msr-issue_3_0_1.xsd", Profile::Asam30),
            (Some(asam("issue300")), "", Profile::Asam30),
            (Some(asam("issue310")), "", Profile::Asam31),
            (Some(asam("issue311-DaiModV2")), "", Profile::Asam31),
            (Some(asam("issue320")), "", Profile::Asam31),
        ];
        for (namespace, schema, profile) in cases {
            assert_eq!(
                Profile::of(namespace.as_deref(), schema).0,
                profile,
                "{namespace:?} {schema}"
            );
            assert_eq!(Profile::parse(profile.as_str()), Some(profile));
        }
        assert_eq!(Profile::parse("asam99"), None);
    }
}
