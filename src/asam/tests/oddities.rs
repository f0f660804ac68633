//! What the older program dies of costs at most the element it is in, and leaves a finding.

use super::*;

/// The sample with every element, with `from` replaced by `to`.
fn changed(from: &str, to: &str) -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(Cursor::new(sample("s1_single_full.zip"))).unwrap();
    let mut text = String::new();
    let mut member = zip.by_name("PFIFF_100234.xml").unwrap();
    std::io::Read::read_to_string(&mut member, &mut text).unwrap();
    // Without the white space between tags, so that the cases below are short.
    let text = text.split('<').map(str::trim_end).collect::<Vec<_>>().join("<");
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

struct Outcome {
    fields: crate::issue::Record,
    comments: usize,
    files: usize,
    findings: Vec<&'static str>,
    delivered: Delivered,
}

fn outcome(document: Vec<u8>) -> Outcome {
    let archive = open(document).unwrap();
    let (mut issues, ends) = issues(&archive, &view(Render::Clean, Pudis::Issue));
    assert_eq!(issues.len(), 1);
    let delivered = issues.remove(0);
    let mut findings = codes(archive.findings());
    findings.extend(codes(&delivered.findings));
    findings.extend(codes(&ends));
    // The document stands alone here, so its files are missing.
    findings.retain(|code| *code != "attachment-missing");
    Outcome {
        fields: delivered.issue.fields.clone(),
        comments: delivered.issue.comments.len(),
        files: delivered.issue.attachments.len(),
        findings,
        delivered,
    }
}

/// The fields, comments and files that a change costs, and the findings it leaves.
fn costs(from: &str, to: &str) -> (Vec<String>, Vec<&'static str>) {
    let whole = outcome(changed("<MSR-ISSUE", "<MSR-ISSUE"));
    assert_eq!(whole.findings, [""; 0]);
    let now = outcome(changed(from, to));
    let mut lost: Vec<String> = whole
        .fields
        .iter()
        .filter(|(field, value)| now.fields.get(field) != Some(value))
        .map(|(field, _)| field.to_owned())
        .collect();
    lost.extend((now.comments < whole.comments).then(|| "a comment".to_owned()));
    lost.extend((now.files < whole.files).then(|| "a file".to_owned()));
    lost.extend(now.delivered.unreadable.map(|error| format!("!{}", error.code)));
    (lost, now.findings)
}

#[test]
fn each_costs_its_element() {
    let owner = "<LONG-NAME>Muster, Erika</LONG-NAME>";
    let phone = "<PHONE>+49 711 5550-100</PHONE>";
    let email = "<EMAIL>erika.muster@musterfahrzeug.example</EMAIL>";
    let date = "<DATE>2024/03/07T09:15:00</DATE>";
    let peer_long = "<LONG-NAME>Dr.-Ing. Musterfahrzeug AG</LONG-NAME>";
    let requested = "<CATEGORY>REQUESTED</CATEGORY>";
    let trace = "<XDOC><LONG-NAME-1>Trace_Tür_links.asc</LONG-NAME-1>\
                 <URL>./100234/Trace_Tür_links.asc</URL></XDOC>";
    let trace_name = "<LONG-NAME-1>Trace_Tür_links.asc</LONG-NAME-1>";
    let trace_url = "<URL>./100234/Trace_Tür_links.asc</URL>";
    let info = "<COMPANY-DATA-REF>MFAG</COMPANY-DATA-REF><ISSUE-ID>100234";
    let incomplete = "element-incomplete";
    let cases: &[(&str, &str, &[&str], &[&str])] = &[
        // 1, 2: the companies. The partner is then known by its configured short name only.
        ("<LONG-NAME>Beispiel Elektronik GmbH</LONG-NAME>", "", &[], &["company-incomplete"]),
        ("<SHORT-NAME>BEG</SHORT-NAME>", "<SHORT-NAME/>", &[], &["company-incomplete"]),
        // 3, 4, 5: the team.
        (owner, "", &["owner_fp"], &[incomplete]),
        (owner, "<LONG-NAME/>", &["owner_fp"], &[incomplete]),
        (phone, "", &["owner_fp"], &[]),
        (phone, "<PHONE/>", &["owner_fp"], &[]),
        (email, "<EMAIL/>", &["owner_fp"], &[]),
        // 6: the date of the document.
        (date, "", &[], &["bad-date"]),
        (date, "<DATE/>", &[], &["bad-date"]),
        (date, "<DATE>gestern</DATE>", &[], &["bad-date"]),
        // 8, 9: whose number it is.
        (
            info,
            "<ISSUE-ID>100234",
            &["owner_fp", "owner_id", "problem_number", "!no-number"],
            &[incomplete],
        ),
        (
            info,
            "<COMPANY-DATA-REF/><ISSUE-ID>100234",
            &["owner_fp", "owner_id", "problem_number", "!no-number"],
            &[incomplete],
        ),
        ("<ISSUE-ID>100234</ISSUE-ID>", "", &["problem_number", "!no-number"], &[]),
        (
            "<ISSUE-ID>100234</ISSUE-ID>",
            "<ISSUE-ID> </ISSUE-ID>",
            &["problem_number", "!no-number"],
            &[],
        ),
        // 10: milestones.
        ("<SHORT-LABEL>I450 KW 24/30</SHORT-LABEL>", "", &["release_wanted"], &[incomplete]),
        (requested, "<CATEGORY/>", &[], &[incomplete]),
        (requested, "", &[], &[]),
        // 11, 12, 13: documents.
        (trace, "", &["a file"], &[incomplete]),
        (trace_name, "", &[], &[incomplete]),
        (trace_name, "<LONG-NAME-1/>", &[], &[]),
        (trace_url, "", &["a file"], &[incomplete]),
        (trace_url, "<URL/>", &["a file"], &[incomplete]),
        // 14: engineering objects.
        ("<SHORT-LABEL>TSG-FA</SHORT-LABEL>", "", &["component_name"], &[incomplete]),
        ("<CATEGORY>COMPONENT</CATEGORY>", "", &["component_name"], &[incomplete]),
        ("<CATEGORY>COMPONENT</CATEGORY>", "<CATEGORY> </CATEGORY>", &["component_name"], &[]),
        (
            "<CATEGORY>COMPONENT</CATEGORY>",
            "<CATEGORY>X</CATEGORY>",
            &["component_name"],
            &["unknown-category"],
        ),
        // 15: revisions.
        ("<REVISION-LABEL>H07</REVISION-LABEL>", "", &["component_hw_version"], &[incomplete]),
        // 16: solutions.
        ("<CATEGORY>PROPOSAL</CATEGORY>", "", &["action_points", "a file"], &[incomplete]),
        (
            "<CATEGORY>PROPOSAL</CATEGORY>",
            "<CATEGORY/>",
            &["action_points", "a file"],
            &[incomplete],
        ),
        // Tolerated by the older program, too.
        ("<REPRODUCIBILITY>SPORADIC</REPRODUCIBILITY>", "", &["reproducibility"], &[]),
        ("<ISSUE-PRIORITY>HIGH</ISSUE-PRIORITY>", "<ISSUE-PRIORITY/>", &["priority"], &[]),
        ("<ISSUE-STATE>REQUESTED</ISSUE-STATE>", "", &["crstatus"], &[]),
        ("<ISSUES>", "<ISSUES><!-- x -->", &[], &[]),
        (
            "<CATEGORY>PROBLEM-REPORT",
            "<NEW>1</NEW><CATEGORY>PROBLEM-REPORT",
            &[],
            &["unknown-element"],
        ),
        (peer_long, &peer_long.replace("Muster", "Neuer Name Muster"), &[], &[]),
    ];
    for (from, to, lost, findings) in cases {
        let (lost_now, findings_now) = costs(from, to);
        assert_eq!(
            (lost_now.as_slice(), findings_now.as_slice()),
            (lost.map_owned().as_slice(), *findings),
            "{from} -> {to}"
        );
    }
}

trait MapOwned {
    fn map_owned(&self) -> Vec<String>;
}

impl MapOwned for &[&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|s| (*s).to_owned()).collect()
    }
}

/// 1, 2 for the partner itself.
#[test]
fn a_nameless_partner_is_the_configured_one() {
    for (from, to) in [
        ("<LONG-NAME>Dr.-Ing. Musterfahrzeug AG</LONG-NAME>", ""),
        ("<SHORT-NAME> MFAG</SHORT-NAME>", "<SHORT-NAME/>"),
    ] {
        let archive = open(changed(from, to)).unwrap();
        assert_eq!(codes(archive.findings()), ["company-incomplete"]);
        let view = View { peer_short: "MFAG".to_owned(), ..view(Render::Clean, Pudis::Issue) };
        let (issues, _) = issues(&archive, &view);
        assert_eq!(issues[0].issue.id, "100234");
        assert!(issues[0].unreadable.is_none());
    }
}

/// 7: a document without issues is a document.
#[test]
fn no_issues_at_all() {
    let text = document("").replace("<ISSUES></ISSUES>", "");
    let archive = open(text.into_bytes()).unwrap();
    assert_eq!(archive.documents().next().unwrap().issues, 0);
    let (issues, findings) = issues(&archive, &view(Render::Clean, Pudis::Issue));
    assert!(issues.is_empty() && findings.is_empty());
}

/// 16, 17: solutions without a description, annotations without a text or with an empty label.
#[test]
fn solutions_and_annotations() {
    let annotation =
        |label: &str, text: &str| format!("<ANNOTATION>{label}<DATE>x</DATE>{text}</ANNOTATION>");
    let text = "<ANNOTATION-TEXT><P>hallo</P></ANNOTATION-TEXT>";
    let children = format!(
        "<ISSUE-SOLUTIONS><ISSUE-SOLUTION><CATEGORY>PROPOSAL</CATEGORY></ISSUE-SOLUTION>\
         <ISSUE-SOLUTION><CATEGORY>PROPOSAL</CATEGORY><ISSUE-SOLUTION-DESC>tu es\
         </ISSUE-SOLUTION-DESC></ISSUE-SOLUTION></ISSUE-SOLUTIONS><ANNOTATIONS>{}{}{}{}\
         </ANNOTATIONS>",
        annotation("", ""),
        annotation("<LABEL/>", text),
        annotation("<LABEL>BEG</LABEL>", text),
        annotation("<LABEL> MFAG </LABEL>", text),
    );
    let archive = open(document(&issue("1", &children)).into_bytes()).unwrap();
    let (issues, _) = issues(&archive, &view(Render::Clean, Pudis::Issue));
    let delivered = &issues[0];
    assert_eq!(delivered.issue.fields.text("action_points").trim(), "tu es");
    assert_eq!(delivered.issue.fields.text("in_analyse_comments"), "hallo\nhallo");
    assert_eq!((delivered.issue.comments.len(), delivered.annotations), (2, 3));
    assert_eq!(
        codes(&delivered.findings),
        ["element-incomplete", "element-incomplete", "element-incomplete", "bad-date", "bad-date"]
    );
}

#[test]
fn one_issue_never_costs_another() {
    let text = document(&(issue("1", "") + &issue("", "") + "<OTHER/>" + &issue("4", "")));
    let archive = open(text.into_bytes()).unwrap();
    let (issues, _) = issues(&archive, &view(Render::Clean, Pudis::Issue));
    let usable: Vec<bool> = issues.iter().map(|issue| issue.unreadable.is_none()).collect();
    assert_eq!(usable, [true, false, false, true]);
}

#[test]
fn of_an_issue_twice_the_newer_document_counts() {
    let (old, new) = ("2024/03/07T09:15:00", "2024/03/08T09:15:00");
    let (first, second) =
        (issue("1", "<CATEGORY>A</CATEGORY>"), issue("1", "<CATEGORY>B</CATEGORY>"));
    for (dates, wins) in [([old, new], "B"), ([new, old], "A"), ([old, old], "B")] {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (at, (date, issues)) in dates.iter().zip([&first, &second]).enumerate() {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(format!("{at}.xml"), options).unwrap();
            let other = issue(&format!("other-{at}"), "");
            let document = document_of(date, &format!("{other}{issues}"));
            std::io::Write::write_all(&mut zip, document.as_bytes()).unwrap();
        }
        let archive = open(zip.finish().unwrap().into_inner()).unwrap();
        let (issues, findings) = issues(&archive, &view(Render::Clean, Pudis::Issue));
        assert_eq!(codes(&findings), ["same-issue-twice"]);
        let of = |id: &str| issues.iter().filter(|d| d.issue.id == id).collect::<Vec<_>>();
        assert_eq!((issues.len(), of("1").len()), (3, 1));
        assert_eq!(of("1")[0].issue.fields.text("bug_classification"), wins);
    }
    // Twice in one document: the later one.
    let archive = open(document(&(first + &second)).into_bytes()).unwrap();
    let (issues, findings) = issues(&archive, &view(Render::Clean, Pudis::Issue));
    assert_eq!(codes(&findings), ["same-issue-twice"]);
    assert_eq!(issues[0].issue.fields.text("bug_classification"), "B");
}

/// XML 1.0, section 2.11, wherever in the document the first carriage return stands.
#[test]
fn line_ends_are_normalised() {
    for before in [0, 10, 1000, 4000] {
        let issues: String = (0..before).map(|n| issue(&format!("n{n}"), "")).collect();
        let last = issue("1", "<ISSUE-DESC>a\r\nb\rc&#13;d</ISSUE-DESC>");
        let archive = open(document(&(issues + &last)).into_bytes()).unwrap();
        let (issues, _) = super::issues(&archive, &view(Render::Compat, Pudis::Issue));
        let text = issues.last().unwrap().issue.fields.text("problem_description");
        assert_eq!(text, "a\nb\nc\rd", "{before}");
    }
}
