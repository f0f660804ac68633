//! Linked items by the names people know them by.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use super::api::Api;
use super::data::{Classes, Item, Where};
use crate::Result;

/// Classes that may have any number of items: only those that are met are read.
const LARGE: [&str; 4] = ["user", "issue", "msg", "file"];

/// What is known of the items of a class.
#[derive(Default)]
struct Table {
    items: HashMap<String, Item>,
    /// All of them were read.
    whole: bool,
    /// Those that were retired: they have names, but nothing is to be linked to them.
    retired: HashMap<String, Item>,
    /// Ids that were asked for and are not there.
    missing: HashSet<String>,
}

/// The items of the classes that issues link to, as far as they were met.
#[derive(Default)]
pub(super) struct Names {
    tables: Mutex<HashMap<String, Table>>,
    /// Further properties of these classes that somebody asks for.
    extra: Mutex<HashMap<String, BTreeSet<String>>>,
}

impl Names {
    /// Also reads this property of the class.
    pub(super) fn also(&self, class: &str, property: &str) {
        let mut extra = self.extra.lock().unwrap_or_else(PoisonError::into_inner);
        extra.entry(class.to_owned()).or_default().insert(property.to_owned());
    }

    fn properties(&self, classes: &Classes, class: &str) -> Vec<String> {
        let extra = self.extra.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted: BTreeSet<String> = extra.get(class).cloned().unwrap_or_default();
        wanted.extend(classes.label(class).map(str::to_owned));
        if class == "user" && classes.kind("user", "realname").is_some() {
            wanted.insert("realname".to_owned());
        }
        wanted.into_iter().collect()
    }

    fn read(
        &self,
        api: &dyn Api,
        classes: &Classes,
        class: &str,
        which: &Where,
    ) -> Result<Vec<Item>> {
        let properties = self.properties(classes, class);
        let properties: Vec<&str> = properties.iter().map(String::as_str).collect();
        api.select(class, which, &properties)
    }

    /// Makes sure that these items are known, as far as they exist.
    fn ensure(&self, api: &dyn Api, classes: &Classes, class: &str, ids: &[&str]) -> Result<()> {
        let wanted: Vec<String> = {
            let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
            let table = tables.entry(class.to_owned()).or_default();
            let unknown = |id: &&&str| {
                let known = table.items.contains_key(**id) || table.retired.contains_key(**id);
                !id.is_empty() && !known && !table.missing.contains(**id)
            };
            let unknown: BTreeSet<&str> = ids.iter().filter(unknown).copied().collect();
            unknown.into_iter().map(str::to_owned).collect()
        };
        if wanted.is_empty() {
            return Ok(());
        }
        if !LARGE.contains(&class) {
            self.read_all(api, classes, class)?;
        }
        for chunk in wanted.chunks(200) {
            let still: Vec<String> = {
                let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
                let known = |id: &&String| {
                    tables.get(class).is_some_and(|table| table.items.contains_key(*id))
                };
                chunk.iter().filter(|id| !known(id)).cloned().collect()
            };
            if still.is_empty() {
                continue;
            }
            let found = self.read(api, classes, class, &Where::Ids(still.clone()))?;
            let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
            let table = tables.entry(class.to_owned()).or_default();
            table.items.extend(found.into_iter().map(|item| (item.id.clone(), item)));
            let missing = still.into_iter().filter(|id| !table.items.contains_key(id));
            let missing: Vec<String> = missing.collect();
            drop(tables);
            self.read_retired(api, classes, class, missing)?;
        }
        Ok(())
    }

    /// What was retired is in no list any more, but issues may still link to it.
    fn read_retired(
        &self,
        api: &dyn Api,
        classes: &Classes,
        class: &str,
        ids: Vec<String>,
    ) -> Result<()> {
        let properties = self.properties(classes, class);
        let properties: Vec<&str> = properties.iter().map(String::as_str).collect();
        for id in ids {
            let found = match is_numbered(class) {
                true => None,
                false => api.look(class, &id, &properties)?,
            };
            let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
            let table = tables.entry(class.to_owned()).or_default();
            match found {
                Some((item, _)) => drop(table.retired.insert(id, item)),
                None => drop(table.missing.insert(id)),
            }
        }
        Ok(())
    }

    fn read_all(&self, api: &dyn Api, classes: &Classes, class: &str) -> Result<()> {
        let found = self.read(api, classes, class, &Where::All)?;
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let items = found.into_iter().map(|item| (item.id.clone(), item)).collect();
        tables.insert(class.to_owned(), Table { items, whole: true, ..Table::default() });
        Ok(())
    }

    /// What `property` says of these items; `None` for one that is not there any more.
    pub(super) fn texts(
        &self,
        api: &dyn Api,
        classes: &Classes,
        class: &str,
        ids: &[&str],
        property: &str,
    ) -> Result<Vec<Option<String>>> {
        self.ensure(api, classes, class, ids)?;
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let table = tables.get(class);
        let text = |id: &&str| {
            let item = table.and_then(|table| table.items.get(*id).or(table.retired.get(*id)))?;
            Some(item.text(property).to_owned())
        };
        Ok(ids.iter().map(text).collect())
    }

    /// How people call this item; its id where nothing else is known.
    pub(super) fn label(
        &self,
        api: &dyn Api,
        classes: &Classes,
        class: &str,
        id: &str,
    ) -> Result<String> {
        let Some(label) = classes.label(class).filter(|_| !is_numbered(class)) else {
            return Ok(id.to_owned());
        };
        let texts = self.texts(api, classes, class, &[id], label)?;
        let text = texts.into_iter().next().flatten().filter(|text| !text.is_empty());
        Ok(text.unwrap_or_else(|| id.to_owned()))
    }

    /// The id of the item whose `property` is exactly `text`.
    pub(super) fn id(
        &self,
        api: &dyn Api,
        classes: &Classes,
        class: &str,
        property: &str,
        text: &str,
    ) -> Result<Option<String>> {
        if let Some(id) = self.known(class, property, text) {
            return Ok(Some(id));
        }
        if LARGE.contains(&class) {
            let which = Where::is(property, text);
            let found = self.read(api, classes, class, &which)?;
            let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
            let table = tables.entry(class.to_owned()).or_default();
            let exact = found.iter().find(|item| item.text(property) == text);
            let id = exact.map(|item| item.id.clone());
            table.items.extend(found.into_iter().map(|item| (item.id.clone(), item)));
            return Ok(id);
        }
        // It may be new.
        self.read_all(api, classes, class)?;
        Ok(self.known(class, property, text))
    }

    fn known(&self, class: &str, property: &str, text: &str) -> Option<String> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let items = &tables.get(class)?.items;
        let mut ids: Vec<&Item> =
            items.values().filter(|item| item.text(property) == text).collect();
        ids.sort_by_key(|item| item.id.parse::<u64>().unwrap_or(u64::MAX));
        ids.first().map(|item| item.id.clone())
    }

    /// What `property` can be, in the order of the ids; `None` where there may be too many.
    pub(super) fn all(
        &self,
        api: &dyn Api,
        classes: &Classes,
        class: &str,
        property: &str,
    ) -> Result<Option<Vec<String>>> {
        if LARGE.contains(&class) {
            return Ok(None);
        }
        let whole = |names: &Self| {
            let tables = names.tables.lock().unwrap_or_else(PoisonError::into_inner);
            tables.get(class).is_some_and(|table| table.whole)
        };
        if !whole(self) {
            self.read_all(api, classes, class)?;
        }
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(table) = tables.get(class) else { return Ok(None) };
        let mut items: Vec<&Item> = table.items.values().collect();
        items.sort_by_key(|item| item.id.parse::<u64>().unwrap_or(u64::MAX));
        let texts = items.iter().map(|item| item.text(property).to_owned());
        Ok(Some(texts.filter(|text| !text.is_empty()).collect()))
    }

    /// Forgets a class: something was made in it.
    pub(super) fn forget(&self, class: &str) {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).remove(class);
    }
}

/// Classes whose items people know by their numbers.
pub(super) fn is_numbered(class: &str) -> bool {
    matches!(class, "issue" | "msg" | "file")
}
