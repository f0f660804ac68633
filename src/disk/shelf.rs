//! Lists that may be long: the first few things are kept in memory, the others in a file without a
//! name, so that memory does not grow with their number.

use std::cell::{Cell, OnceCell};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::rc::Rc;

use serde::de::DeserializeOwned;
use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};

use super::Disk;

/// How many things the lists of one shelf keep in memory together.
const MOST: usize = 500;

/// Where lists put what they do not keep in memory.
#[derive(Debug)]
pub struct Shelf {
    dir: PathBuf,
    file: OnceCell<Option<File>>,
    end: Cell<u64>,
    kept: Cell<usize>,
}

impl Shelf {
    /// A shelf whose file, if it comes to need one, lies in `dir`.
    #[must_use]
    pub fn new(dir: PathBuf) -> Rc<Self> {
        let (file, end, kept) = (OnceCell::new(), Cell::new(0), Cell::new(0));
        Rc::new(Self { dir, file, end, kept })
    }

    /// Writes at the end; answers where. `None`: it cannot be done here.
    fn put(&self, bytes: &[u8]) -> Option<Span> {
        let file = self.file.get_or_init(|| Disk::scratch(&self.dir).ok()).as_ref()?;
        let start = self.end.get();
        file.write_all_at(bytes, start).ok()?;
        let end = start + bytes.len() as u64;
        self.end.set(end);
        Some(Span { start, end })
    }

    /// Whether there is room for one thing more in memory, which it then takes.
    fn has_room(&self) -> bool {
        let kept = self.kept.get();
        let room = kept < MOST;
        self.kept.set(kept + usize::from(room));
        room
    }
}

/// A part of the file, in bytes.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    end: u64,
}

/// A list whose end lies on a shelf.
#[derive(Clone, Debug)]
pub struct Shelved<T> {
    shelf: Option<Rc<Shelf>>,
    kept: Vec<T>,
    /// What lies on the shelf, behind those that are kept: one line of JSON each.
    spans: Vec<Span>,
}

impl<T> Default for Shelved<T> {
    /// A list that keeps everything in memory.
    fn default() -> Self {
        Self { shelf: None, kept: Vec::new(), spans: Vec::new() }
    }
}

impl<T: Serialize + DeserializeOwned> Shelved<T> {
    /// An empty list on `shelf`.
    #[must_use]
    pub fn on(shelf: &Rc<Shelf>) -> Self {
        Self { shelf: Some(Rc::clone(shelf)), ..Self::default() }
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.spans.is_empty()
    }

    /// Adds some at the end.
    pub fn extend(&mut self, more: impl IntoIterator<Item = T>) {
        let mut bytes = Vec::new();
        let mut over = Vec::new();
        for thing in more {
            let shelf = self.shelf.as_ref();
            let on_shelf = !over.is_empty() || !self.spans.is_empty();
            if shelf.is_none_or(|shelf| !on_shelf && shelf.has_room()) {
                self.kept.push(thing);
            } else if serde_json::to_writer(&mut bytes, &thing).is_ok() {
                bytes.push(b'\n');
                over.push(thing);
            }
        }
        if over.is_empty() {
            return;
        }
        match (self.shelf.as_ref().and_then(|shelf| shelf.put(&bytes)), self.spans.last_mut()) {
            (Some(span), Some(last)) if last.end == span.start => last.end = span.end,
            (Some(span), _) => self.spans.push(span),
            // No such file can be had here: then memory grows after all.
            (None, _) => self.kept.extend(over),
        }
    }

    /// Hands over one after the other.
    ///
    /// # Errors
    /// When they cannot be read back, and those of `each`.
    pub fn each(&self, each: &mut dyn FnMut(&T) -> io::Result<()>) -> io::Result<()> {
        self.kept.iter().try_for_each(&mut *each)?;
        let file = self.shelf.as_ref().and_then(|shelf| shelf.file.get()?.as_ref());
        let Some(file) = file else { return Ok(()) };
        for &Span { start, end } in &self.spans {
            for line in BufReader::new(Reader { file, at: start, end }).lines() {
                each(&serde_json::from_str(&line?)?)?;
            }
        }
        Ok(())
    }
}

impl<T: Serialize + DeserializeOwned> Serialize for Shelved<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_each(serializer, |each| self.each(each))
    }
}

/// Serialises as a list what `each` hands over, one after the other.
///
/// # Errors
/// Those of the serializer and of `each`.
pub fn serialize_each<T: Serialize, S: Serializer>(
    serializer: S,
    each: impl FnOnce(&mut dyn FnMut(&T) -> io::Result<()>) -> io::Result<()>,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(None)?;
    let mut refused = None;
    let done = each(&mut |thing| {
        list.serialize_element(thing).map_err(|error| {
            let told = io::Error::other(error.to_string());
            refused = Some(error);
            told
        })
    });
    match (refused, done) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(S::Error::custom(error)),
        (None, Ok(())) => list.end(),
    }
}

/// Reads a part of a file.
struct Reader<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(list: &Shelved<String>) -> Vec<String> {
        let mut texts = Vec::new();
        list.each(&mut |text| {
            texts.push(text.clone());
            Ok(())
        })
        .unwrap();
        texts
    }

    #[test]
    fn what_lies_on_the_shelf_comes_back_as_it_was_and_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let wanted: Vec<String> = (0..1300).map(|n| format!("Tür\n\"{n}\"")).collect();
        // With a shelf, without one, and where none can be had.
        let places = [Some(dir.path().to_owned()), None, Some("/dev/null/none".into())];
        for (place, shelved) in places.into_iter().zip([true, false, false]) {
            let shelf = place.map(Shelf::new);
            let make = || shelf.as_ref().map_or_else(Shelved::default, Shelved::on);
            let (mut first, mut second) = (make(), make());
            assert!(first.is_empty());
            for some in wanted[..1199].chunks(100) {
                first.extend(some.to_vec());
            }
            second.extend(wanted[1200..].to_vec());
            first.extend([wanted[1199].clone()]);
            assert_eq!(first.kept.len() < 1200, shelved);
            assert!(!first.is_empty() && !second.is_empty());
            assert_eq!(all(&first), wanted[..1200]);
            assert_eq!(all(&second), wanted[1200..]);
            let json = serde_json::to_string(&second).unwrap();
            assert_eq!(json, serde_json::to_string(&wanted[1200..]).unwrap());
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "it has no name");
    }
}
