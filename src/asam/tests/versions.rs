//! The other versions of the format are read into the same fields.

use super::*;

fn fields(delivered: &Delivered) -> Vec<(&str, String)> {
    delivered.issue.fields.iter().map(|(field, value)| (field, value.to_string())).collect()
}

fn only_issue(name: &str) -> (Archive, Delivered) {
    let archive = open(sample(name)).unwrap();
    let (mut issues, findings) = issues(&archive, &view(Render::Clean, Pudis::Issue));
    assert_eq!((issues.len(), findings.len()), (1, 0));
    (archive, issues.remove(0))
}

#[test]
fn version_3_1_0() {
    let (archive, delivered) = only_issue("s6_asam310_namespaced.zip");
    let document = archive.documents().next().unwrap();
    assert_eq!((document.profile, document.version.as_str()), (Profile::Asam31, "issue310"));
    assert_eq!(
        fields(&delivered),
        [
            ("action_points", "Parameter P_INT anpassen."),
            ("bug_classification", "CHANGE-REQUEST"),
            ("crstatus", "REQUESTED"),
            ("in_analyse_comments", "Eilt."),
            ("owner_fp", "Muster, Erika email: erika.muster@musterfahrzeug.example"),
            ("owner_id", "TM1"),
            ("priority", "MEDIUM"),
            ("problem_description", "Intervall von 6 s auf 4 s ändern."),
            ("problem_number", "600001"),
            ("problem_synopsis", "Wischer: Intervall zu lang"),
            ("project_id", "9X1"),
            ("pudis_component_name_1", "WSG"),
            ("pudis_sw_version_1", "0201"),
            ("release_wanted", "I24-07"),
            ("reproducibility", "REPEATABLE"),
            ("severity", "LOW"),
        ]
        .map(|(field, value)| (field, value.to_owned()))
    );
    assert_eq!(delivered.revision, Some("2024-03-07T08:15:00Z".parse().unwrap()));
    let comment = &delivered.issue.comments[0];
    assert_eq!(comment.author.as_ref().unwrap().name, "Muster, Erika");
    assert_eq!(comment.created, Some("2024-03-07T08:14:00Z".parse().unwrap()));
    let file = &delivered.issue.attachments[0];
    assert_eq!((file.name.as_str(), file.size), ("Lastenheft", Some(14)));
    assert_eq!(content(file).unwrap().len(), 14);
    assert_eq!(codes(&delivered.findings), [""; 0]);
    assert_eq!(codes(archive.findings()), [""; 0]);
}

#[test]
fn version_2_1_0() {
    let (archive, delivered) = only_issue("s7_msr210_companies.zip");
    assert_eq!(archive.documents().next().unwrap().profile, Profile::Asam21);
    assert_eq!(
        fields(&delivered),
        [
            ("component_hw_version", "H1"),
            ("component_name", "HU"),
            ("component_sw_version", "S9"),
            ("crstatus", "04-Under work"),
            ("desc.category-1", "Software"),
            ("desc.error-occurrence", "03-sporadisch"),
            ("desc.recorded-date", "2012-02-01T00:00:00"),
            ("owner_fp", "Muster, Erika email: erika.muster@musterfahrzeug.example"),
            ("owner_id", "team1"),
            ("problem_description", "Neustart nach 20 min."),
            ("problem_number", "70001"),
            ("problem_synopsis", "Radio startet neu"),
            ("project_id", "F77"),
            ("release_wanted", "I12-03"),
            ("severity", "03"),
        ]
        .map(|(field, value)| (field, value.to_owned()))
    );
    let file = &delivered.issue.attachments[0];
    assert_eq!((file.name.as_str(), content(file).unwrap().len()), ("log.txt", 4));
    assert_eq!(codes(&delivered.findings), [""; 0]);
    assert_eq!(codes(archive.findings()), [""; 0]);
}

/// Version 3.0.1 has the old names of companies and the new ones of documents and annotations.
#[test]
fn version_3_0_1() {
    let document = document(&issue_with_file("9", "a.txt", "a.txt"))
        .replace("COMPANY-DATAS", "COMPANIES")
        .replace("COMPANY-DATA-REF", "COMPANY-REF")
        .replace("COMPANY-DATA", "COMPANY")
        .replace(
            "<MSR-ISSUE>",
            "<MSR-ISSUE xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
             xsi:noNamespaceSchemaLocation='msr-issue_3_0_1.xsd'>",
        );
    let archive = open(document.into_bytes()).unwrap();
    assert_eq!(archive.documents().next().unwrap().profile, Profile::Asam30);
    assert_eq!(archive.companies().len(), 2);
    let (issues, _) = issues(&archive, &view(Render::Clean, Pudis::Issue));
    assert_eq!((issues[0].issue.id.as_str(), issues[0].peer_short.as_str()), ("9", "MFAG"));
}

#[test]
fn companies_may_be_named_by_reference_only() {
    let document = document(&issue("9", ""))
        .replace("<COMPANY-DATA><LONG-NAME>Dr", "<COMPANY-DATA ID='C1'><LONG-NAME>Dr")
        .replace("<COMPANY-DATA-REF>MFAG<", "<COMPANY-DATA-REF ID-REF='C1'><")
        .replace(
            "<MSR-ISSUE>",
            "<m:MSR-ISSUE xmlns:m='http://www.asam.net/schemas/issue/issue320'>",
        )
        .replace("</MSR-ISSUE>", "</m:MSR-ISSUE>");
    let archive = open(document.into_bytes()).unwrap();
    let (issues, _) = issues(&archive, &view(Render::Clean, Pudis::Issue));
    assert_eq!(issues[0].issue.id, "9");
    assert_eq!(issues[0].numbers, [("MFAG".to_owned(), "9".to_owned())]);
}

#[test]
fn embedded_files_are_read() {
    let embedded = |base64: &str| {
        format!(
            "<ISSUE-RELATED-DOCUMENT><LABEL>log.txt</LABEL><URL></URL><CONTENT>{base64}\
             </CONTENT></ISSUE-RELATED-DOCUMENT>"
        )
    };
    let related = |files: &str| {
        issue("1", &format!("<ISSUE-RELATED-DOCUMENTS>{files}</ISSUE-RELATED-DOCUMENTS>"))
    };
    let files = embedded("Zm9v\nYmFy") + &embedded("YWI=") + &embedded("*");
    let text = document(&(issue("0", "") + &related(&files)));
    let archive = open(text.into_bytes()).unwrap();
    let (issues, _) = issues(&archive, &view(Render::Clean, Pudis::Issue));
    let files = &issues[1].issue.attachments;
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["log.txt", "log (2).txt", "log (3).txt"]);
    assert_eq!(content(&files[0]).unwrap(), b"foobar");
    assert_eq!(content(&files[1]).unwrap(), b"ab");
    assert!(content(&files[2]).unwrap_err().to_string().contains("base64"));
}
