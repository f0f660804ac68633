//! What `check` and `schema` see of a tracker behind a network.

use std::io::{Read as _, Write as _};

use super::*;

/// What a rule author needs to know, for people and for scripts.
#[test]
fn the_schema_of_a_jira_is_printed() {
    let stub = Stub::server();
    let site = site(&stub);
    let text = good(site.engsync(&["schema"])).out;
    let line = |name: &str| {
        let found = text.lines().find(|line| line.starts_with(name));
        let words: Vec<&str> =
            found.unwrap_or_else(|| panic!("{name}: {text}")).split_whitespace().collect();
        words.join(" ")
    };
    assert_eq!(
        line("External Issue Reference"),
        "External Issue Reference customfield_12600 string at most 255 characters"
    );
    assert_eq!(line("summary "), "summary string required, at most 255 characters");
    assert_eq!(
        line("fix_versions "),
        "fix_versions fixVersions array of version Default-Release, R1.0, R1.1, R2.0"
    );
    assert_eq!(line("updated "), "updated datetime set by the tracker");
    let json = good(site.engsync(&["schema", "--json"])).json();
    let fields = json["fields"].as_array().unwrap();
    let of = |name: &str| fields.iter().find(|field| field["name"] == name).unwrap().clone();
    assert_eq!(
        of("Place"),
        json!({
            "name": "Place", "id": "customfield_12804", "type": "option-with-child", "list": false,
            "read_only": false, "required": false, "allowed": ["front", "rear"], "longest": null,
        })
    );
    let summary = of("summary");
    assert_eq!((&summary["required"], &summary["longest"]), (&json!(true), &json!(255)));
}

/// Every rule's field exists and fits, or `check` says which does not.
#[test]
fn check_holds_the_rules_against_the_fields_of_a_jira() {
    let stub = Stub::server();
    let site = site(&stub);
    let path = site.path("engsync.toml");
    let config = fs::read_to_string(&path).unwrap();
    let rule = |text: &str| format!("{config}\n[[partner.oem.rule]]\n{text}\n");
    for (text, code, words) in [
        (
            "kind = \"to_local\"\nlocal = \"Severity Levle\"\nremote = \"priority\"",
            1,
            "Severity Levle",
        ),
        ("kind = \"to_local\"\nlocal = \"Twin\"\nremote = \"priority\"", 1, "Twin"),
        ("kind = \"to_local\"\nlocal = \"updated\"\nremote = \"priority\"", 1, "updated"),
        ("kind = \"to_local\"\nlocal = \"severity\"\nremote = \"prioriti\"", 0, "prioriti"),
        ("kind = \"fill_local\"\nlocal = \"Reproducible\"\ndefault = \"perhaps\"", 0, "perhaps"),
        ("kind = \"to_local\"\nlocal = \"severity\"\nremote = \"priority\"", 0, ""),
    ] {
        fs::write(&path, rule(text)).unwrap();
        let ran = site.engsync(&["check"]);
        assert!(ran.code == code && ran.out.contains(words), "{text}: {} {}", ran.code, ran.out);
    }
    fs::write(&path, config.replace("\"TST\"", "\"NOPE\"")).unwrap();
    let ran = site.engsync(&["check"]);
    assert!(ran.code == 1 && ran.out.contains("\"NOPE\""), "{} {}", ran.code, ran.out);
    fs::write(&path, config.replace("\"Defect\"", "\"Bug\"")).unwrap();
    let ran = site.engsync(&["check"]);
    assert!(ran.code == 1 && ran.out.contains("it has: Defect, Task"), "{} {}", ran.code, ran.out);
    fs::write(&path, &config).unwrap();
    let out = good(site.engsync(&["check"])).out;
    for what in [
        "login: as Sync Robot",
        "project TST: ",
        "permission to edit issues: yes",
        "marker: in the field",
    ] {
        assert!(out.contains(what), "{what}: {out}");
    }
}

/// Answers each request with 401, until it is dropped.
fn closed_door() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
                head.push(byte[0]);
            }
            let no = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(no);
        }
    });
    url
}

#[test]
fn a_tracker_that_cannot_be_looked_at_ends_check_with_2() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{nobody}");
    let door = closed_door();
    let unseen = |kind: &str, url: &str, words: &str| {
        let stub = Stub::server();
        let site = site(&stub);
        let config = fs::read_to_string(site.path("engsync.toml")).unwrap();
        let mut config = config.replace(&stub.url(), url);
        if kind == "roundup" {
            let own = ["project = \"TST\"", "issue_type =", "marker_field ="];
            let lines = config.lines().filter(|line| !own.iter().any(|key| line.starts_with(key)));
            config = lines.collect::<Vec<_>>().join("\n").replace("\"jira\"", "\"roundup\"");
        }
        fs::write(site.path("engsync.toml"), config).unwrap();
        // Nothing is hidden: the spool is not there, either.
        fs::remove_dir_all(site.path("spool")).unwrap();
        let ran = site.engsync(&["check", "--json"]);
        let json = ran.json();
        assert_eq!((ran.code, json["problems"].as_array().unwrap().len()), (2, 2), "{json:#}");
        assert!(json["problems"][0].as_str().unwrap().contains("is not there"), "{json:#}");
        assert!(json["problems"][1].as_str().unwrap().contains(words), "{kind} {url}: {json:#}");
        assert!(json["error"]["message"].as_str().unwrap().contains(words), "{json:#}");
        assert!(ran.err.contains("error: the tracker") && ran.err.contains(words), "{}", ran.err);
    };
    // They try for a while; all at once it takes no longer than one.
    std::thread::scope(|scope| {
        for kind in ["jira", "roundup"] {
            scope.spawn(|| unseen(kind, &nobody, "cannot be reached"));
            scope.spawn(|| unseen(kind, "https://no-such-host.invalid", "cannot be reached"));
            scope.spawn(|| unseen(kind, &door, "does not let us in"));
        }
    });
    // What it can see and does not like is a problem.
    let stub = Stub::server();
    let site = site(&stub);
    stub.world().denied_permissions = vec!["EDIT_ISSUES"];
    let ran = site.engsync(&["check"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(ran.out.contains("may not edit issues"), "{}", ran.out);
}

#[test]
fn keys_that_do_not_fit_the_kind_are_problems() {
    let stub = Stub::server();
    let site = site(&stub);
    let path = site.path("engsync.toml");
    let config = fs::read_to_string(&path).unwrap();
    let cases = [
        ("project = \"TST\"", "", "project is missing"),
        (
            "project = \"TST\"",
            "project = \"TST\"\nkey_prefix = \"ISS\"",
            "key_prefix is for kind = embedded",
        ),
        (
            "project = \"TST\"",
            "project = \"TST\"\nmessage_keyword = \"x\"",
            "message_keyword is for kind = roundup",
        ),
        ("project = \"TST\"", "project = \"TST\"\napi = \"v4\"", "api takes"),
        ("project = \"TST\"", "project = \"TST\"\ntoken_env = \"T\"", "a password or a token"),
        (
            "project = \"TST\"",
            "project = \"TST\"\npassword_env = \"T\"",
            "password_env and password_file",
        ),
        ("user = \"sync\"", "", "a password needs user"),
        ("url = \"http", "url = \"ftp", "url starts with https://"),
        ("project = \"TST\"", "project = \"TST\"\nparallel = 0", "parallel must be between"),
        (
            "project = \"TST\"",
            "project = \"TST\"\nclient_key_file = \"k\"",
            "needs client_cert_file",
        ),
        ("kind = \"jira\"", "kind = \"mantis\"", "there is no \"mantis\""),
    ];
    for (from, to, problem) in cases {
        assert!(config.contains(from));
        fs::write(&path, config.replacen(from, to, 1)).unwrap();
        let ran = site.engsync(&["check"]);
        let told = format!("{}{}", ran.out, ran.err);
        assert!(ran.code == 1 && told.contains(problem), "{problem}: {} {told}", ran.code);
    }
}
