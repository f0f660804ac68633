//! What the adapter asks of either interface.

use std::sync::Arc;

use super::data::{Classes, Item, Values, Where};
use crate::Result;
use crate::issue::{Attachment, Content};

/// An interface of Roundup: REST, or XML-RPC.
pub(super) trait Api: Send + Sync {
    /// What the instance consists of.
    fn classes(&self) -> Result<Classes>;

    /// The items that fit, by id; `properties` are known to the class. A property that the
    /// account must not see is left out.
    fn select(&self, class: &str, which: &Where, properties: &[&str]) -> Result<Vec<Item>>;

    /// How many items of the class there are, without those that were retired, and the number of
    /// the last of them (where the release sorts; else of any).
    fn count(&self, class: &str) -> Result<(u64, u64)>;

    /// One item and the mark of its present state, where the interface has such marks; `None`
    /// where it does not exist.
    fn look(
        &self,
        class: &str,
        id: &str,
        properties: &[&str],
    ) -> Result<Option<(Item, Option<String>)>>;

    /// Makes an item; answers its id.
    fn create(&self, class: &str, values: &Values) -> Result<String>;

    /// Writes an item, unless its state is no longer that of `mark`: then nothing is done, and
    /// the answer is `false`.
    fn set(&self, class: &str, id: &str, values: &Values, mark: Option<&str>) -> Result<bool>;

    /// Adds to or takes from a Multilink, whatever else it has.
    fn relink(&self, class: &str, id: &str, property: &str, relink: Relink<'_>) -> Result<()>;

    /// Makes an item of class `file`; answers its id.
    fn upload(&self, file: &Attachment, kind: &str) -> Result<String>;

    /// The content of an item of class `file`.
    fn content(&self, id: &str) -> Arc<dyn Content>;

    /// Its name, for messages.
    fn name(&self) -> &'static str;
}

/// A change of a Multilink.
#[derive(Clone, Copy, Debug)]
pub(super) enum Relink<'a> {
    Add(&'a str),
    Remove(&'a str),
}
