//! Dates as documents write them.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::Timestamp;

/// How a date was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `YYYY/MM/DDTHH:MM:SS`, without a zone: the PFIFF profile.
    Slashes,
    /// `xs:dateTime`: all other versions.
    Iso,
}

const SLASHES: &str = "%Y/%m/%dT%H:%M:%S";
const ISO: &str = "%Y-%m-%dT%H:%M:%S%.f";

/// Version 2.1.0 writes this where there is no date.
const NO_DATE: &str = "1970-01-01T00:00:00";

/// Reads a date; one without a zone is a local time in `zone`. `None`: it cannot be read.
pub(super) fn parse(text: &str, zone: Tz) -> Option<(Timestamp, Form)> {
    let text = text.trim();
    let slashes = exact(text).or_else(|| NaiveDateTime::parse_from_str(text, SLASHES).ok());
    if let Some(local) = slashes {
        return Some((resolve(local, zone)?, Form::Slashes));
    }
    let time = if let Ok(with_offset) = DateTime::parse_from_rfc3339(text) {
        with_offset.with_timezone(&Utc)
    } else if let Ok(local) = NaiveDateTime::parse_from_str(text, ISO) {
        resolve(local, zone)?
    } else {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        resolve(day.and_hms_opt(0, 0, 0)?, zone)?
    };
    Some((time, Form::Iso))
}

/// The form with slashes where it is kept to the letter, as nearly all documents do; what else
/// may count as it, the calendar knows.
fn exact(text: &str) -> Option<NaiveDateTime> {
    let text: &[u8; 19] = text.as_bytes().try_into().ok()?;
    let marks = [(4, b'/'), (7, b'/'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| text[*at] != *mark) {
        return None;
    }
    let number = |digits: &[u8]| {
        let add = |number: u32, digit: &u8| {
            digit.is_ascii_digit().then(|| 10 * number + u32::from(digit - b'0'))
        };
        digits.iter().try_fold(0, add)
    };
    let year = i32::try_from(number(&text[..4])?).ok()?;
    let day = NaiveDate::from_ymd_opt(year, number(&text[5..7])?, number(&text[8..10])?)?;
    day.and_hms_opt(number(&text[11..13])?, number(&text[14..16])?, number(&text[17..])?)
}

/// Whether `text` says that there is no date.
pub(super) fn is_no_date(text: &str) -> bool {
    text.is_empty() || text == NO_DATE
}

/// The local time `zone` shows at `time`, as the PFIFF profile writes it.
pub(super) fn write(time: Timestamp, zone: Tz) -> String {
    time.with_timezone(&zone).format(SLASHES).to_string()
}

/// When clocks go back a time exists twice: the first. When they go forward it does not exist:
/// an hour later does.
fn resolve(local: NaiveDateTime, zone: Tz) -> Option<Timestamp> {
    let found = match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => time,
        LocalResult::None => {
            zone.from_local_datetime(&(local + chrono::TimeDelta::hours(1))).earliest()?
        }
    };
    Some(found.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_all_shapes() {
        let zone = chrono_tz::Europe::Berlin;
        let cases = [
            ("2024/03/07T09:15:00", Some(("2024-03-07T08:15:00Z", Form::Slashes))),
            ("2024-03-07T09:15:00", Some(("2024-03-07T08:15:00Z", Form::Iso))),
            (" 2024-07-07T09:15:00 ", Some(("2024-07-07T07:15:00Z", Form::Iso))),
            ("2024-03-07T09:15:00.5", Some(("2024-03-07T08:15:00.5Z", Form::Iso))),
            ("2024-03-07T09:15:00+05:00", Some(("2024-03-07T04:15:00Z", Form::Iso))),
            ("2024-03-07T09:15:00Z", Some(("2024-03-07T09:15:00Z", Form::Iso))),
            ("2024-03-07", Some(("2024-03-06T23:00:00Z", Form::Iso))),
            ("2024/03/31T02:30:00", Some(("2024-03-31T01:30:00Z", Form::Slashes))),
            ("2024/10/27T02:30:00", Some(("2024-10-27T00:30:00Z", Form::Slashes))),
            ("2024/13/07T09:15:00", None),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(time, form)| (time.parse::<Timestamp>().unwrap(), form));
            assert_eq!(parse(text, zone), expected, "{text}");
        }
        assert_eq!(write("2024-03-07T08:15:00Z".parse().unwrap(), zone), "2024/03/07T09:15:00");
        for text in ["2024/02/29T23:59:60", "2023/02/29T00:00:00", "0000/01/01T00:00:00"] {
            let known = NaiveDateTime::parse_from_str(text, SLASHES).ok();
            assert_eq!(exact(text), known.filter(|_| !text.ends_with("60")), "{text}");
        }
        assert!(is_no_date("1970-01-01T00:00:00") && is_no_date(""));
    }
}
