//! An exchange with a partner, hour by hour.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::fs;
use std::io::{Cursor, Write};

use serde_json::Value;

use crate::common::{Defect, Ran, Site, answer, document, oem, package_of, supplier};

const TITLE: &str = r#"
[[partner.oem.rule]]
kind = "to_local"
local = "summary"
remote = "problem_synopsis"
"#;

/// A partner that exports issue 4711 hour by hour, and our site.
pub(crate) struct Exchange {
    pub(crate) site: Site,
    pub(crate) hour: u32,
}

impl Exchange {
    pub(crate) fn new(rules: &str) -> Self {
        Self { site: Site::with("settle_seconds = 0", &format!("{TITLE}{rules}")), hour: 8 }
    }

    /// One that both sides agreed on `value` in.
    pub(crate) fn agreed(rules: &str, value: &str) -> Self {
        let mut exchange = Self::new(rules);
        let report = exchange.delivers("first", value);
        assert_eq!(report["packages"][0]["issues"][0]["action"], "created", "{report:#}");
        exchange
    }

    /// Puts the next export into `incoming/`.
    pub(crate) fn exports(&mut self, title: &str, value: &str, files: &[(&str, &[u8])]) {
        let date = format!("2026/11/20T{:02}:00:00", self.hour);
        let defect = Defect {
            number: "4711",
            title,
            description: "d",
            date: &date,
            files,
            ..Defect::default()
        };
        let with = format!("</ISSUE-PRIORITY><REPRODUCIBILITY>{value}</REPRODUCIBILITY>");
        let text = document(&defect).replace("</ISSUE-PRIORITY>", &with);
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file("./4711.xml", options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
        for (name, bytes) in files {
            zip.start_file(format!("./4711/{name}"), options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        let zip = zip.finish().unwrap().into_inner();
        let name = format!("ENG261120{:02}000000MFA", self.hour);
        for (file, bytes) in package_of(&name, &oem(), &supplier(), &zip) {
            fs::write(self.site.path("spool/incoming").join(file), bytes).unwrap();
        }
        self.hour += 1;
    }

    /// The next export arrives and is taken in.
    pub(crate) fn delivers(&mut self, title: &str, value: &str) -> Value {
        self.exports(title, value, &[]);
        self.site.run()
    }

    pub(crate) fn set(&self, assignment: &str) {
        let done = self.site.engsync(&["tracker", "set", "ISS-1", assignment]);
        assert_eq!(done.code, 0, "{}", done.err);
    }

    pub(crate) fn field(&self, field: &str) -> String {
        self.site.issue("ISS-1")["fields"][field].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn conflict(&self, args: &[&str]) -> Ran {
        let done = self.site.engsync(&[&["conflicts"], args].concat());
        assert_eq!(done.code, 0, "{args:?}: {}", done.err);
        done
    }

    pub(crate) fn states(&self) -> Vec<String> {
        let rows = self.conflict(&["list", "--all", "--json"]).json();
        rows.as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap().into()).collect()
    }

    /// Runs; what the partner was told of the shared field: `None` where nothing was sent.
    pub(crate) fn told(&self) -> Option<String> {
        told(&self.site, &self.site.run())
    }
}

/// What a run told the partner of the shared field.
pub(crate) fn told(site: &Site, report: &Value) -> Option<String> {
    let reference = report["sent"][0]["name"].as_str()?;
    let text = answer(&site.path("spool/outgoing/oem"), reference, "ISS-1");
    let value = text.split_once("<REPRODUCIBILITY>").map_or("", |(_, rest)| rest);
    Some(value.split_once("</REPRODUCIBILITY>").map_or("", |(value, _)| value).to_owned())
}

pub(crate) fn issue(report: &Value) -> &Value {
    &report["packages"][0]["issues"][0]
}
