//! Value maps of rules: keys are local values, values are the partner's.

use std::collections::BTreeMap;

use super::{UNMAPPED_USER, UNMAPPED_VALUE};
use crate::Code;

/// How the values of one field translate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValueMap {
    to_remote: BTreeMap<String, String>,
    to_local: BTreeMap<String, String>,
    users: bool,
}

impl ValueMap {
    /// From a CSV file of the partner's users and ours: header `partner id,local user`. Several
    /// ids may be one user of ours; outwards the first of them counts.
    ///
    /// # Errors
    /// Says what is wrong in which line.
    pub fn users(csv: &[u8]) -> Result<Self, String> {
        let csv = csv.strip_prefix(b"\xef\xbb\xbf").unwrap_or(csv);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(csv);
        let header = reader.headers().map_err(|error| error.to_string())?;
        if !header.iter().eq(["partner id", "local user"]) {
            return Err("the header must be \"partner id,local user\"".to_owned());
        }
        let mut map = Self { users: true, ..Self::default() };
        for (row, record) in reader.records().enumerate() {
            let record = record.map_err(|error| error.to_string())?;
            let (id, user) = (record[0].to_owned(), record[1].to_owned());
            if id.is_empty() || user.is_empty() {
                return Err(format!("line {}: a user has two names", row + 2));
            }
            map.to_remote.entry(user.clone()).or_insert_with(|| id.clone());
            if map.to_local.insert(id.clone(), user).is_some() {
                return Err(format!("line {}: {id:?} stands there twice", row + 2));
            }
        }
        Ok(map)
    }

    /// It translates users: there is no default for one it does not know.
    #[must_use]
    pub fn is_of_users(&self) -> bool {
        self.users
    }

    /// What a value without an entry is called.
    #[must_use]
    pub fn unmapped(&self) -> Code {
        if self.users { UNMAPPED_USER } else { UNMAPPED_VALUE }
    }

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
        Ok(Some(Self { to_remote, to_local, users: false }))
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
    fn users_come_from_csv_and_have_no_default() {
        let map = ValueMap::users(b"partner id,local user\nU1, erika\nU2,erika\n").unwrap();
        assert_eq!((map.local("U2"), map.remote("erika")), (Some("erika"), Some("U1")));
        assert_eq!(map.unmapped(), UNMAPPED_USER);
        for (csv, wanted) in [
            ("id,user\n", "the header must be"),
            ("partner id,local user\nU1,a\nU1,b\n", "line 3: \"U1\" stands there twice"),
            ("partner id,local user\nU1,\n", "line 2: a user has two names"),
        ] {
            let error = ValueMap::users(csv.as_bytes()).unwrap_err();
            assert!(error.contains(wanted), "{csv}: {error}");
        }
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
