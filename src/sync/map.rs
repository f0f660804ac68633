//! Value maps of rules: keys are local values, values are the partner's.

use std::collections::BTreeMap;

/// How the values of one field translate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValueMap {
    to_remote: BTreeMap<String, String>,
    to_local: BTreeMap<String, String>,
}

impl ValueMap {
    /// From `map` (local = remote) and `inverse` (remote = local). Without `inverse` the map is
    /// turned round, which needs it to be one-to-one when `inward` values are translated.
    ///
    /// # Errors
    /// Names the two local values that share a remote one.
    pub fn new(
        map: Option<&BTreeMap<String, String>>,
        inverse: Option<&BTreeMap<String, String>>,
        inward: Direction,
    ) -> Result<Option<Self>, String> {
        if map.is_none() && inverse.is_none() {
            return Ok(None);
        }
        let to_remote = map.cloned().unwrap_or_default();
        let to_local = match inverse {
            Some(inverse) => inverse.clone(),
            None => turn(&to_remote, inward)?,
        };
        Ok(Some(Self { to_remote, to_local }))
    }

    /// The local value of a remote one.
    #[must_use]
    pub fn local(&self, remote: &str) -> Option<&str> {
        self.to_local.get(remote).map(String::as_str)
    }

    /// The remote value of a local one.
    #[must_use]
    pub fn remote(&self, local: &str) -> Option<&str> {
        self.to_remote.get(local).map(String::as_str)
    }

    /// The remote values it knows.
    pub fn remotes(&self) -> impl Iterator<Item = &str> {
        self.to_local.keys().map(String::as_str)
    }

    /// The local values it knows.
    pub fn locals(&self) -> impl Iterator<Item = &str> {
        self.to_remote.keys().map(String::as_str)
    }
}

/// Which way a rule translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Remote values become local ones.
    Inward,
    /// Local values become remote ones.
    Outward,
}

fn turn(
    map: &BTreeMap<String, String>,
    direction: Direction,
) -> Result<BTreeMap<String, String>, String> {
    let mut turned: BTreeMap<String, String> = BTreeMap::new();
    for (local, remote) in map {
        if let Some(first) = turned.insert(remote.clone(), local.clone())
            && direction == Direction::Inward
        {
            return Err(format!(
                "`map` gives {first:?} and {local:?} the same value {remote:?}; say with `inverse` which of them {remote:?} becomes"
            ));
        }
    }
    Ok(turned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn a_map_turns_round_when_it_is_one_to_one() {
        let map = pairs(&[("Major", "HIGH"), ("Minor", "MEDIUM")]);
        let map = ValueMap::new(Some(&map), None, Direction::Inward).unwrap().unwrap();
        assert_eq!(map.local("HIGH"), Some("Major"));
        assert_eq!(map.remote("Minor"), Some("MEDIUM"));
        assert_eq!(map.local("LOW"), None);
    }

    #[test]
    fn two_locals_for_one_remote_need_an_inverse_inwards_only() {
        let map = pairs(&[("Minor", "LOW"), ("Trivial", "LOW")]);
        let error = ValueMap::new(Some(&map), None, Direction::Inward).unwrap_err();
        assert!(error.contains("\"Minor\" and \"Trivial\""), "{error}");
        assert!(ValueMap::new(Some(&map), None, Direction::Outward).is_ok());
        let inverse = pairs(&[("LOW", "Minor")]);
        let map = ValueMap::new(Some(&map), Some(&inverse), Direction::Inward).unwrap().unwrap();
        assert_eq!((map.local("LOW"), map.remote("Trivial")), (Some("Minor"), Some("LOW")));
    }
}
