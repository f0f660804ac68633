//! STUB
#![allow(missing_docs, dead_code)]
use crate::issue::*;
use crate::{Finding, Result, Timestamp};
use std::io::*;
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub entry: u64,
    pub total: u64,
    pub entries: usize,
    pub ratio: u64,
    pub x: u8,
}
#[derive(Clone, Copy, Debug, Default)]
pub enum Render {
    #[default]
    Clean,
    Compat,
    Wiki,
}
#[derive(Clone, Copy, Debug, Default)]
pub enum Pudis {
    #[default]
    Issue,
    Archive,
}
#[derive(Clone, Copy, Debug, Default)]
pub enum DocumentName {
    #[default]
    LongName1,
    LongName,
}
#[derive(Clone, Debug)]
pub struct Style {
    pub zone: chrono_tz::Tz,
    pub document_name_element: DocumentName,
    pub y: u8,
}
impl Default for Style {
    fn default() -> Self {
        todo!()
    }
}
#[derive(Clone, Debug)]
pub struct Company {
    pub long_name: String,
    pub short_name: String,
}
pub struct View {
    pub peer_name: String,
    pub peer_short: String,
    pub own_short: String,
    pub zone: chrono_tz::Tz,
    pub render: Render,
    pub pudis: Pudis,
}
pub struct Delivered {
    pub issue: Issue,
    pub peer_short: String,
    pub revision: Option<Timestamp>,
    pub own_key: Option<String>,
    pub findings: Vec<Finding>,
    pub unreadable: Option<crate::Error>,
    pub document: String,
}
pub struct Answer {
    pub peer: Company,
    pub own: Company,
    pub key: String,
    pub number: String,
    pub transaction_id: String,
    pub updated: Timestamp,
    pub assignee_key: String,
    pub assignee_name: String,
    pub fields: Record,
    pub comments: Vec<Comment>,
    pub files: Vec<Attachment>,
}
pub struct Doc {
    pub issues: usize,
}
pub struct Archive;
impl Archive {
    pub fn open<R: Read + Seek + Send + 'static>(_: R, _: &str, _: &Limits) -> Result<Self> {
        todo!()
    }
    pub fn findings(&self) -> &[Finding] {
        &[]
    }
    pub fn companies(&self) -> &[Company] {
        &[]
    }
    pub fn documents(&self) -> impl Iterator<Item = &Doc> {
        [].iter()
    }
    pub fn deliver(
        &self,
        _: &View,
        _: &mut dyn FnMut(Delivered) -> Result<()>,
    ) -> Result<Vec<Finding>> {
        todo!()
    }
}
pub fn pack<W: Write + Seek>(_: &[Answer], _: &Style, _: Timestamp, _: W) -> Result<W> {
    todo!()
}
pub fn is_known_field(_: &str) -> bool {
    true
}
pub mod code {
    crate::codes! { NO_DOCUMENTS = "no-documents": "x"; }
}
