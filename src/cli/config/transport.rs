//! `[partner.KEY.transport]`.

mod sftp;

use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use super::{Reader, line_of};
use crate::cli::raw::RawTransport;
use crate::exchange::{Schedule, TransportSettings, Way};
use crate::transport::folder;

/// For the OFTP server's group.
const FOLDER_MODE: u32 = 0o664;
/// A folder costs nothing to look at.
const FOLDER_EVERY: Duration = Duration::from_secs(60);
/// A server is somebody's.
const SFTP_EVERY: Duration = Duration::from_secs(900);
const SFTP_JITTER: Duration = Duration::from_secs(30);

/// A table being read, and what is wrong with it.
struct Table<'a> {
    raw: &'a RawTransport,
    base: &'a Path,
    problems: Vec<String>,
}

impl Reader<'_> {
    /// How the files of a partner come and go.
    pub(super) fn transport(
        &mut self,
        key: &str,
        raw: Option<&Spanned<RawTransport>>,
    ) -> Option<TransportSettings> {
        let raw = raw?;
        let line = line_of(self.text, raw.span().start);
        let place = format!("{}:{line}: [partner.{key}.transport]", self.path.display());
        let mut table = Table { raw: raw.get_ref(), base: self.base, problems: Vec::new() };
        let settings = table.settings();
        let problems = table.problems.iter().map(|text| format!("{place} {text}"));
        self.problems.extend(problems);
        settings
    }
}

impl Table<'_> {
    fn say(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    fn settings(&mut self) -> Option<TransportSettings> {
        let raw = self.raw;
        for (name, path) in [("inbox", &raw.inbox), ("outbox", &raw.outbox)] {
            if path.is_empty() {
                self.say(format!("{name} is empty"));
            }
        }
        let (every, jitter, way) = match raw.kind.as_str() {
            "folder" => (FOLDER_EVERY, Duration::ZERO, self.folder()),
            "sftp" => (SFTP_EVERY, SFTP_JITTER, self.sftp()),
            other => {
                self.say(format!("kind: there is no {other:?}; use \"folder\" or \"sftp\""));
                (FOLDER_EVERY, Duration::ZERO, None)
            }
        };
        let schedule = self.schedule(every);
        let jitter = match &raw.jitter {
            Some(text) => self.duration("jitter", text),
            None => Some(jitter),
        };
        Some(TransportSettings { way: way?, keep: raw.keep, schedule: schedule?, jitter: jitter? })
    }

    fn folder(&mut self) -> Option<Way> {
        let raw = self.raw;
        for key in sftp::keys(raw) {
            self.say(format!("{key} is a key of kind = \"sftp\""));
        }
        let mode = self.mode().map(|mode| mode.unwrap_or(FOLDER_MODE));
        let outbox = self.base.join(&raw.outbox);
        let outbox_tmp = raw.outbox_tmp.as_ref().map(|path| self.base.join(path));
        let outbox_tmp = outbox_tmp.unwrap_or_else(|| folder::Options::beside(&outbox));
        if outbox_tmp.starts_with(&outbox) {
            self.say("outbox_tmp is in the outbox: the OFTP server may send from it");
        }
        Some(Way::Folder(folder::Options {
            inbox: self.base.join(&raw.inbox),
            outbox,
            outbox_tmp,
            mode: mode?,
            group: raw.group.clone(),
            keep: raw.keep,
        }))
    }

    /// The mode, where there is one.
    fn mode(&mut self) -> Option<Option<u32>> {
        let Some(text) = &self.raw.mode else { return Some(None) };
        let mode = mode(text);
        if mode.is_none() {
            self.say(format!("mode is octal, as in \"0664\", not {text:?}"));
        }
        mode.map(Some)
    }

    fn duration(&mut self, key: &str, text: &str) -> Option<Duration> {
        let duration = duration(text);
        if duration.is_none() {
            self.say(format!("{key} is a number with s, m, h or d, as in \"15m\", not {text:?}"));
        }
        duration
    }

    fn schedule(&mut self, usual: Duration) -> Option<Schedule> {
        match (&self.raw.every, &self.raw.cron) {
            (None, None) => Some(Schedule::Every(usual)),
            (Some(_), Some(_)) => {
                self.say("every and cron: one of the two");
                None
            }
            (Some(text), None) => {
                let pause = self.duration("every", text)?;
                if pause.is_zero() {
                    self.say("every must be at least a second");
                    return None;
                }
                Some(Schedule::Every(pause))
            }
            (None, Some(text)) => match text.parse() {
                Ok(cron) => Some(Schedule::Cron(Box::new(cron))),
                Err(error) => {
                    self.say(format!(
                        "cron: {text:?}: {error}; it looks like \"*/15 6-20 * * 1-5\""
                    ));
                    None
                }
            },
        }
    }
}

/// `90s`, `15m`, `2h`, `1d`.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let number: u64 = text[..text.len() - unit.len_utf8()].parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    // A hundred years are enough for anybody.
    let seconds = number.checked_mul(seconds).filter(|seconds| *seconds < 100 * 366 * 86_400)?;
    Some(Duration::from_secs(seconds))
}

fn mode(text: &str) -> Option<u32> {
    let octal = text.strip_prefix("0o").unwrap_or(text);
    u32::from_str_radix(octal, 8).ok().filter(|mode| *mode <= 0o777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_modes_are_read_exactly() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs());
        let cases = [
            ("90s", Some(90)),
            ("15m", Some(900)),
            ("2h", Some(7200)),
            ("1d", Some(86_400)),
            ("15", None),
            ("m", None),
            ("", None),
            ("-1s", None),
            ("1.5h", None),
            ("9\u{b5}", None),
            ("99999999999999999999s", None),
            ("99999999d", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(seconds(text), wanted, "{text:?}");
        }
        let cases = [("0664", Some(0o664)), ("640", Some(0o640)), ("0o600", Some(0o600))];
        for (text, wanted) in cases.into_iter().chain([("", None), ("0888", None), ("7777", None)])
        {
            assert_eq!(mode(text), wanted, "{text:?}");
        }
    }
}
