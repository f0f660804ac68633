//! A file system as a power cut may leave it: the tree a process sees, what of it was made
//! durable, and what hangs between.
//!
//! It is stricter than any journalled file system: the fsync of a file makes its content durable
//! and nothing else, that of a directory its own entries and nothing else. What was not fsynced
//! may be there or not, in any combination. One thing is taken from real ones: a rename is in
//! both directories or in neither, or, for a file and once the new one was fsynced, in both
//! places.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use engsync::disk::TEMPORARY;

type Bytes = Arc<[u8]>;
type Entries = BTreeMap<String, usize>;

/// A file or directory, whatever its names are.
#[derive(Clone)]
enum Node {
    /// Its bytes, as far as they are known, whether they are durable, and when it was written.
    File { bytes: Bytes, durable: bool, modified: Option<SystemTime> },
    /// What a process sees, and what was made durable.
    Dir { live: Entries, durable: Entries },
}

/// A change of directories that nobody fsynced yet.
#[derive(Clone)]
enum Hanging {
    Link { dir: usize, name: String, node: usize },
    Unlink { dir: usize, name: String },
    Move { from: (usize, String), to: (usize, String), node: usize },
}

/// A database: its file and its log.
pub(crate) type Database = [Option<Bytes>; 2];

#[derive(Clone)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    hanging: Vec<Hanging>,
    pub(crate) databases: BTreeMap<PathBuf, Database>,
}

/// A file as it is after the cut.
#[derive(Clone)]
pub(crate) struct Left {
    pub(crate) bytes: Bytes,
    modified: Option<SystemTime>,
}

/// Everything after the cut: files, and directories as `None`.
pub(crate) type Remains = BTreeMap<PathBuf, Option<Left>>;

const ROOT: usize = 0;

fn is_database(name: &str) -> bool {
    [".db", ".db-wal", ".db-shm"].iter().any(|end| name.ends_with(end))
}

/// Neither is a loss: the one is not there yet, the other holds nothing.
fn is_nothing(name: &str) -> bool {
    name.starts_with(TEMPORARY) || name.ends_with(".lock")
}

impl Tree {
    /// All of `dir`, durable.
    pub(crate) fn of(dir: &Path) -> Self {
        let mut tree = Self { nodes: Vec::new(), hanging: Vec::new(), databases: BTreeMap::new() };
        tree.read(dir, Path::new(""));
        tree
    }

    fn read(&mut self, dir: &Path, at: &Path) -> usize {
        let this = self.nodes.len();
        self.nodes.push(Node::Dir { live: Entries::new(), durable: Entries::new() });
        for entry in fs::read_dir(dir.join(at)).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let path = at.join(&name);
            let node = if entry.file_type().unwrap().is_dir() {
                self.read(dir, &path)
            } else if is_database(&name) {
                if name.ends_with(".db") {
                    let log = fs::read(dir.join(format!("{}-wal", path.display())));
                    let file = fs::read(dir.join(&path)).unwrap();
                    let both = [Some(file.into()), log.ok().map(Into::into)];
                    self.databases.insert(path, both);
                }
                continue;
            } else {
                let bytes = fs::read(entry.path()).unwrap().into();
                let modified = entry.metadata().unwrap().modified().ok();
                self.nodes.push(Node::File { bytes, durable: true, modified });
                self.nodes.len() - 1
            };
            self.dir(this).insert(name.clone(), node);
            let Node::Dir { durable, .. } = &mut self.nodes[this] else { unreachable!() };
            durable.insert(name, node);
        }
        this
    }

    fn dir(&mut self, node: usize) -> &mut Entries {
        match &mut self.nodes[node] {
            Node::Dir { live, .. } => live,
            Node::File { .. } => panic!("a file is no directory"),
        }
    }

    fn find(&self, path: &Path) -> Option<usize> {
        path.iter().try_fold(ROOT, |node, name| match &self.nodes[node] {
            Node::Dir { live, .. } => live.get(name.to_str().unwrap()).copied(),
            Node::File { .. } => None,
        })
    }

    /// The directory a name stands in, and the name.
    fn place(&self, path: &Path) -> (usize, String) {
        let dir = self.find(path.parent().unwrap());
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (dir.unwrap_or_else(|| panic!("{} has no directory", path.display())), name)
    }

    fn link(&mut self, path: &Path, node: Node) {
        if self.find(path).is_some() {
            return;
        }
        let (dir, name) = self.place(path);
        self.nodes.push(node);
        let node = self.nodes.len() - 1;
        self.dir(dir).insert(name.clone(), node);
        self.hanging.push(Hanging::Link { dir, name, node });
    }

    pub(crate) fn make_dir(&mut self, path: &Path) {
        self.link(path, Node::Dir { live: Entries::new(), durable: Entries::new() });
    }

    /// A new file; what is written to it is not known before it is fsynced.
    pub(crate) fn create(&mut self, path: &Path) {
        self.link(path, Node::File { bytes: Arc::new([]), durable: false, modified: None });
    }

    /// The whole content of a file is written.
    pub(crate) fn write(&mut self, path: &Path, content: Bytes) {
        let node = self.find(path).unwrap();
        self.nodes[node] = Node::File { bytes: content, durable: false, modified: None };
    }

    pub(crate) fn sync_file(&mut self, path: &Path) {
        let node = self.find(path).unwrap();
        if let Node::File { durable, .. } = &mut self.nodes[node] {
            *durable = true;
        }
    }

    pub(crate) fn remove(&mut self, path: &Path) {
        if self.find(path).is_some() {
            let (dir, name) = self.place(path);
            self.dir(dir).remove(&name);
            self.hanging.push(Hanging::Unlink { dir, name });
        }
    }

    /// Never over a name that is taken, unless it `replaces`.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path, replaces: bool) {
        let Some(node) = self.find(from) else { return };
        if self.find(to).is_some() && !replaces {
            return;
        }
        let (from, to) = (self.place(from), self.place(to));
        self.dir(from.0).remove(&from.1);
        self.dir(to.0).insert(to.1.clone(), node);
        self.hanging.push(Hanging::Move { from, to, node });
    }

    /// A second name for a file, never over one that is taken.
    pub(crate) fn second_name(&mut self, from: &Path, to: &Path) {
        let Some(node) = self.find(from).filter(|_| self.find(to).is_none()) else { return };
        let (dir, name) = self.place(to);
        self.dir(dir).insert(name.clone(), node);
        self.hanging.push(Hanging::Link { dir, name, node });
    }

    /// What changed in a directory is durable.
    pub(crate) fn sync_dir(&mut self, path: &Path) {
        let Some(synced) = self.find(path) else { return };
        let mut rest = Vec::new();
        for change in std::mem::take(&mut self.hanging) {
            match &change {
                Hanging::Link { dir, .. } | Hanging::Unlink { dir, .. } if *dir == synced => {
                    keep(&mut self.nodes, &change);
                }
                Hanging::Move { from, to, node } if to.0 == synced && from.0 != synced => {
                    if matches!(self.nodes[*node], Node::Dir { .. }) {
                        keep(&mut self.nodes, &change);
                        continue;
                    }
                    let Node::Dir { durable, .. } = &mut self.nodes[to.0] else { unreachable!() };
                    durable.insert(to.1.clone(), *node);
                    rest.push(Hanging::Unlink { dir: from.0, name: from.1.clone() });
                }
                Hanging::Move { from, to, .. } if to.0 == synced || from.0 == synced => {
                    keep(&mut self.nodes, &change);
                }
                _ => rest.push(change),
            }
        }
        self.hanging = rest;
    }

    /// What a cut now could still undo, apart from what is nothing yet.
    pub(crate) fn undurable(&self) -> Vec<String> {
        let mut found = Vec::new();
        for change in &self.hanging {
            let name = match change {
                Hanging::Link { name, .. } | Hanging::Unlink { name, .. } => name,
                Hanging::Move { to, .. } => &to.1,
            };
            found.extend((!is_nothing(name)).then(|| format!("the name {name}")));
        }
        for (name, node) in self.nodes.iter().flat_map(|node| match node {
            Node::Dir { live, .. } => live.iter().collect::<Vec<_>>(),
            Node::File { .. } => Vec::new(),
        }) {
            let soft = matches!(self.nodes[*node], Node::File { durable: false, .. });
            found.extend((soft && !is_nothing(name)).then(|| format!("the content of {name}")));
        }
        found
    }

    /// Whether another name durably has the content of `path`.
    pub(crate) fn is_elsewhere(&self, path: &Path) -> bool {
        let Some(Node::File { bytes, .. }) = self.find(path).map(|node| &self.nodes[node]) else {
            return true;
        };
        let (own, name) = self.place(path);
        self.nodes.iter().enumerate().any(|(dir, node)| {
            let Node::Dir { durable, .. } = node else { return false };
            durable.iter().any(|(other, node)| {
                let same = matches!(&self.nodes[*node],
                    Node::File { bytes: theirs, durable: true, .. } if theirs == bytes);
                same && !(dir == own && *other == name)
            })
        })
    }

    /// Everything as the process sees it.
    pub(crate) fn live(&self) -> Remains {
        let mut remains = Remains::new();
        self.walk(ROOT, Path::new(""), &mut remains, &|node| match node {
            Node::Dir { live, .. } => live,
            Node::File { .. } => unreachable!(),
        });
        remains
    }

    /// The power is cut: each hanging change is there if `keeps` says so, and what was not
    /// fsynced of a file is as `content` leaves it.
    pub(crate) fn cut(
        mut self,
        keeps: &mut dyn FnMut() -> bool,
        content: &mut dyn FnMut(&[u8]) -> Vec<u8>,
    ) -> Remains {
        for change in std::mem::take(&mut self.hanging) {
            if keeps() {
                keep(&mut self.nodes, &change);
            }
        }
        for node in &mut self.nodes {
            if let Node::File { bytes, durable: false, .. } = node {
                *bytes = content(bytes).into();
            }
        }
        let mut remains = Remains::new();
        self.walk(ROOT, Path::new(""), &mut remains, &|node| match node {
            Node::Dir { durable, .. } => durable,
            Node::File { .. } => unreachable!(),
        });
        for (path, [file, log]) in &self.databases {
            let wal = PathBuf::from(format!("{}-wal", path.display()));
            for (path, bytes) in [(path.clone(), file), (wal, log)] {
                if let Some(bytes) = bytes {
                    remains.insert(path, Some(Left { bytes: bytes.clone(), modified: None }));
                }
            }
        }
        remains
    }

    fn walk(
        &self,
        node: usize,
        at: &Path,
        remains: &mut Remains,
        entries: &dyn Fn(&Node) -> &Entries,
    ) {
        for (name, child) in entries(&self.nodes[node]) {
            let path = at.join(name);
            match &self.nodes[*child] {
                Node::File { bytes, modified, .. } => {
                    let left = Left { bytes: bytes.clone(), modified: *modified };
                    remains.insert(path, Some(left));
                }
                Node::Dir { .. } => {
                    remains.insert(path.clone(), None);
                    self.walk(*child, &path, remains, entries);
                }
            }
        }
    }
}

fn keep(nodes: &mut [Node], change: &Hanging) {
    match change {
        Hanging::Link { dir, name, node } => {
            entries(nodes, *dir).insert(name.clone(), *node);
        }
        Hanging::Unlink { dir, name } => {
            entries(nodes, *dir).remove(name);
        }
        Hanging::Move { from, to, node } => {
            entries(nodes, from.0).remove(&from.1);
            entries(nodes, to.0).insert(to.1.clone(), *node);
        }
    }
}

fn entries(nodes: &mut [Node], dir: usize) -> &mut Entries {
    match &mut nodes[dir] {
        Node::Dir { durable, .. } => durable,
        Node::File { .. } => unreachable!(),
    }
}

/// Puts what remains into `dir`.
pub(crate) fn lay_down(remains: &Remains, dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    for (path, left) in remains {
        let path = dir.join(path);
        let Some(left) = left else {
            fs::create_dir(&path).unwrap();
            continue;
        };
        fs::write(&path, &left.bytes).unwrap();
        if let Some(modified) = left.modified {
            fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        }
    }
}

/// What tells one set of remains from another.
pub(crate) fn fingerprint(remains: &Remains) -> String {
    let mut all = String::new();
    for (path, left) in remains {
        let digest = left.as_ref().map(|left| engsync::Digest::of(&left.bytes).to_string());
        all.push_str(&format!("{}\t{}\n", path.display(), digest.unwrap_or_default()));
    }
    engsync::Digest::of(all.as_bytes()).to_string()
}
