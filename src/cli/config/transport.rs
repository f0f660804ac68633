//! `[partner.KEY.transport]`.

use std::time::Duration;

use toml::Spanned;

use super::{Reader, line_of};
use crate::cli::raw::RawTransport;
use crate::exchange::{Schedule, TransportSettings, Way};
use crate::transport::folder;

/// Whole and readable by the OFTP server's group.
const FOLDER_MODE: u32 = 0o664;
/// A folder costs nothing to look at.
const FOLDER_EVERY: Duration = Duration::from_secs(60);

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
        let raw = raw.get_ref();
        let mut problems = Vec::new();
        let mut say = |text: String| problems.push(format!("{place} {text}"));
        for (name, path) in [("inbox", &raw.inbox), ("outbox", &raw.outbox)] {
            if path.is_empty() {
                say(format!("{name} is empty"));
            }
        }
        let schedule = schedule(raw, FOLDER_EVERY, &mut say);
        let jitter = raw.jitter.as_deref().map_or(Some(Duration::ZERO), duration);
        if jitter.is_none() {
            say(NO_DURATION.replace("{}", "jitter"));
        }
        let mode = raw.mode.as_deref().map_or(Some(FOLDER_MODE), mode);
        if mode.is_none() {
            say("mode is octal, as in \"0664\"".to_owned());
        }
        let way = match raw.kind.as_str() {
            "folder" => {
                let outbox = self.base.join(&raw.outbox);
                let outbox_tmp = raw.outbox_tmp.as_ref().map(|path| self.base.join(path));
                let outbox_tmp = outbox_tmp.unwrap_or_else(|| folder::Options::beside(&outbox));
                if outbox_tmp.starts_with(&outbox) {
                    say("outbox_tmp is in the outbox: the OFTP server may send from it".to_owned());
                }
                Some(Way::Folder(folder::Options {
                    inbox: self.base.join(&raw.inbox),
                    outbox,
                    outbox_tmp,
                    mode: mode.unwrap_or(FOLDER_MODE),
                    group: raw.group.clone(),
                    keep: raw.keep,
                }))
            }
            other => {
                say(format!("kind: there is no {other:?}; use \"folder\""));
                None
            }
        };
        self.problems.extend(problems);
        Some(TransportSettings { way: way?, keep: raw.keep, schedule: schedule?, jitter: jitter? })
    }
}

const NO_DURATION: &str = "{} is a number with s, m, h or d, as in \"15m\"";

fn schedule(raw: &RawTransport, usual: Duration, say: &mut impl FnMut(String)) -> Option<Schedule> {
    match (&raw.every, &raw.cron) {
        (None, None) => Some(Schedule::Every(usual)),
        (Some(_), Some(_)) => {
            say("every and cron: one of the two".to_owned());
            None
        }
        (Some(text), None) => {
            let pause = duration(text).filter(|pause| !pause.is_zero());
            if pause.is_none() {
                say(NO_DURATION.replace("{}", "every"));
            }
            pause.map(Schedule::Every)
        }
        (None, Some(text)) => match text.parse() {
            Ok(cron) => Some(Schedule::Cron(Box::new(cron))),
            Err(error) => {
                say(format!("cron: {text:?}: {error}; it looks like \"*/15 6-20 * * 1-5\""));
                None
            }
        },
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
