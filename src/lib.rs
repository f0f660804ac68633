//! engsync keeps a supplier's issue tracker and its OEM customers' trackers in step over
//! ENGDAT packages: an EDIFACT description plus ZIP files of MSR-ISSUE XML with attachments.
//!
//! The modules, from the wire inwards (each may use only what stands left of it in its row):
//!
//! | module | one sentence | may use |
//! |---|---|---|
//! | this file | the words everyone shares: [`Timestamp`], [`Fault`], [`Error`], [`Finding`], [`Code`], [`Clock`], [`Stop`] | nothing |
//! | [`disk`] | the only place that creates, replaces, renames, fsyncs or locks a file | root |
//! | [`db`] | the SQLite connection: opening, pragmas, transactions, migrations | root |
//! | [`edifact`] | ISO 9735: bytes to [`edifact::Interchange`] and back; knows no message type | root |
//! | [`engdat`] | VDA 4951: file names, the description message, package assembly | `edifact` |
//! | [`issue`] | the neutral model: an issue as two trackers would tell it to each other | root |
//! | [`asam`] | the ZIP of MSR-ISSUE XML and attachments to and from `issue` | `issue` |
//! | [`tracker`] | the [`tracker::Tracker`] contract and its adapters | `issue`, `db`, `disk` |
//! | [`state`] | what both sides last agreed on, what was seen, what is owed | `issue`, `engdat`, `db`, `disk` |
//! | [`spool`] | a directory of packages in states, and the moves between them | `disk`, `engdat` |
//! | [`transport`] | files in and out of the OFTP server: folders, SFTP | `engdat`, `disk` |
//! | [`sync`] | decide (pure) and apply (one door) | `issue`, `tracker`, `state` |
//! | [`exchange`] | one run: fetch, claim, decode, sync, answer, publish, deliver | all above |
//! | [`cli`] | arguments, configuration, messages, exit codes | all above |
//!
//! The invariants behind the table are in `docs/architecture.md`, and `tests/architecture.rs`
//! holds them.

pub mod asam;
pub mod cli;
pub mod db;
pub mod disk;
pub mod edifact;
pub mod engdat;
pub mod exchange;
pub mod issue;
pub mod spool;
pub mod state;
pub mod sync;
pub mod tracker;
pub mod transport;

mod words;

pub(crate) use words::codes;
pub use words::{
    CODES, CONFIG, Checked, Clock, Code, DATABASE, DISK, Digest, Error, Fault, Finding, Hasher,
    LOCKED, NOT_FOUND, Place, Result, STOPPED, Severity, Stop, Timestamp, USAGE, stamp,
};
