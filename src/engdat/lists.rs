//! Codes that messages were seen to use, with what they mean. Any other code is read and written
//! as well: the lists of the standard are longer.

/// A code and its meaning.
pub type CodeList = &'static [(&'static str, &'static str)];

/// EFC format codes.
pub const FORMATS: CodeList = &[("IGS", "IGES"), ("NAT", "native format")];

/// EFC data codes.
pub const DATA_CODES: CodeList =
    &[("646", "ISO 646, US-ASCII 7 bit"), ("885", "ISO 8859, 8 bit"), ("OTH", "other")];

/// EFC file status codes.
pub const STATUSES: CodeList = &[("INF", "for information"), ("TOD", "offer")];

/// DAN document type codes (UN/EDIFACT data element 1001).
pub const DOCUMENTS: CodeList = &[("310", "offer")];

/// LOF relation codes.
pub const RELATIONS: CodeList = &[("LAY", "layer conventions")];

/// The meaning of `code`, if it is known.
#[must_use]
pub fn meaning(list: CodeList, code: &str) -> Option<&'static str> {
    list.iter().find(|(known, _)| *known == code).map(|(_, meaning)| *meaning)
}

impl super::FileEntry {
    /// The entry of any file an engineer sends: format and data code guessed by the extension of
    /// its name, for information. Change what is known better.
    #[must_use]
    pub fn guess(name: &str) -> Self {
        let extension =
            name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
        let (format_code, format, data_code) = match extension.as_str() {
            "igs" | "iges" => ("IGS", "IGES", "646"),
            "stp" | "step" => ("", "STEP", "646"),
            "dxf" => ("", "DXF", "646"),
            "vda" => ("", "VDAFS", "646"),
            "txt" | "csv" | "log" => ("", "Text", "885"),
            "xml" => ("", "XML", "OTH"),
            "pdf" => ("", "PDF", "OTH"),
            "tif" | "tiff" => ("", "TIFF", "OTH"),
            "png" | "jpg" | "jpeg" | "gif" => ("", "Image", "OTH"),
            "zip" => ("NAT", "PKZIP-Archive", "OTH"),
            _ => ("NAT", "Native", "OTH"),
        };
        let data_text = match data_code {
            "646" => "US ASCII 7BIT",
            "885" => "ISO 8859",
            _ => "Other",
        };
        Self {
            name: name.to_owned(),
            format_code: format_code.to_owned(),
            format: format.to_owned(),
            data_code: data_code.to_owned(),
            data_text: data_text.to_owned(),
            system: "engsync".to_owned(),
            status_code: "INF".to_owned(),
            ..Self::default()
        }
    }
}
