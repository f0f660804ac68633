//! `pack`: the options of an ENGDAT package made by hand.

use std::path::{Path, PathBuf};

use clap::Args;

use super::app::{App, SystemClock};
use super::args::Global;
use super::style::Tone;
use super::{Exit, absolute, operator, out_style, print, print_json, progress};
use crate::engdat::FileEntry;
use crate::exchange::Parcel;

#[derive(Clone, Debug, Args)]
pub(super) struct PackArgs {
    /// The files to send
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The partner to send them to
    #[arg(long, value_name = "P")]
    pub partner: String,
    /// Into this directory instead of the spool's outgoing/P/
    #[arg(long, value_name = "DIR")]
    pub dest: Option<PathBuf>,
    /// The file format: a code, a text, or CODE:TEXT (IGS:IGES) [default: by the file's name]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// The data code: 646, 885, OTH or CODE:TEXT [default: by the file's name]
    #[arg(long, value_name = "CODE")]
    pub data_code: Option<String>,
    /// The status: INF, TOD, a text or CODE:TEXT [default: INF]
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// A text to go with each file
    #[arg(long)]
    pub text: Option<String>,
}

pub(super) fn run(args: &PackArgs, global: &Global) -> anyhow::Result<Exit> {
    let app = App::open(global, operator(global), "engsync")?;
    let files = args.files.iter().map(|path| (path.clone(), entry(path, args))).collect();
    let dest = args.dest.as_deref().map(absolute).transpose()?;
    let parcel = Parcel { partner: args.partner.clone(), files, dest };
    let bars = progress::Bars::new(false);
    let wall = SystemClock(None);
    let sent = parcel.send(&app.tools(global, &wall, &bars))?;
    if global.json {
        print_json(&sent)?;
    } else {
        let verb = if global.dry_run { "would pack" } else { "packed" };
        let name = out_style(global).paint(Tone::Strong, &sent.name);
        print(&format!("{verb} {name} for {}: {}\n", sent.partner, sent.files.join(", ")))?;
    }
    Ok(Exit::Done)
}

/// What is said of a file: what its name suggests, unless an option says otherwise.
fn entry(path: &Path, args: &PackArgs) -> FileEntry {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut entry = FileEntry::guess(&name.unwrap_or_default());
    if let Some(format) = &args.format {
        (entry.format_code, entry.format) = coded(format);
    }
    if let Some(code) = &args.data_code {
        (entry.data_code, entry.data_text) = coded(code);
    }
    if let Some(status) = &args.status {
        (entry.status_code, entry.status) = coded(status);
    }
    match &args.text {
        Some(text) => entry.with_text(text),
        None => entry,
    }
}

/// `CODE:TEXT`; a word of up to three capitals and digits alone is a code, else a text.
fn coded(given: &str) -> (String, String) {
    if let Some((code, text)) = given.split_once(':') {
        return (code.to_owned(), text.to_owned());
    }
    let is_code =
        given.len() <= 3 && given.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if is_code { (given.to_owned(), String::new()) } else { (String::new(), given.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::coded;

    #[test]
    fn a_code_a_text_or_both() {
        let cases = [
            ("IGS", ("IGS", "")),
            ("646", ("646", "")),
            ("IGS:IGES", ("IGS", "IGES")),
            (":Einbauuntersuchung", ("", "Einbauuntersuchung")),
            ("Einbauuntersuchung", ("", "Einbauuntersuchung")),
        ];
        for (given, (code, text)) in cases {
            assert_eq!(coded(given), (code.to_owned(), text.to_owned()), "{given}");
        }
    }
}
