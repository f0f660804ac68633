use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;

use ureq::http::HeaderMap;

use super::*;
use crate::Fault;

/// Answers each connection's one request with the next of `answers` ("" hangs up); hands back
/// what was asked.
fn server(answers: Vec<String>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            asked.push(read(&mut stream));
            stream.write_all(answer.as_bytes()).unwrap();
        }
        asked
    });
    (url, thread)
}

fn read(stream: &mut TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).unwrap() > 2 {}
    let length = head.to_lowercase().lines().find_map(|line| {
        line.strip_prefix("content-length: ").map(|n| n.trim().parse::<usize>().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    head + &String::from_utf8_lossy(&body)
}

fn reply(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

fn client(url: &str) -> (Http, Arc<Mutex<Vec<Duration>>>) {
    let slept = Arc::new(Mutex::new(Vec::new()));
    let diary = slept.clone();
    let patience = Patience {
        sleep: Arc::new(move |pause| diary.lock().unwrap().push(pause)),
        ..Patience::default()
    };
    let auth = Auth::Basic { user: "sync".into(), password: Secret::new("geheim\n") };
    let options = Options { url: url.to_owned(), auth, patience, ..Options::default() };
    (Http::new(&options).unwrap(), slept)
}

#[test]
fn what_a_status_means() {
    let cases = [
        (400, Fault::Item, "refused"),
        (401, Fault::Wait, "denied"),
        (403, Fault::Wait, "denied"),
        (404, Fault::Item, "refused"),
        (302, Fault::Wait, "denied"),
        (409, Fault::Item, "refused"),
        (429, Fault::Wait, "busy"),
        (500, Fault::Wait, "in doubt"),
        (503, Fault::Wait, "in doubt"),
        (504, Fault::Wait, "in doubt"),
    ];
    for (status, fault, class) in cases {
        let failure = Failure::status(status, &HeaderMap::new(), b"words".to_vec(), "POST /x");
        let is = match &failure {
            Failure::NotSent { .. } => "not sent",
            Failure::Refused(_) => "refused",
            Failure::Denied { .. } => "denied",
            Failure::Busy { .. } => "busy",
            Failure::InDoubt { .. } => "in doubt",
        };
        assert_eq!(is, class, "{status}");
        assert_eq!(Error::from(failure).fault, fault, "{status}");
    }
}

#[test]
fn a_pause_is_at_least_a_second_and_never_shortened() {
    let headers = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", value.parse().unwrap());
        headers.insert("date", "Mon, 10 Mar 2025 08:00:00 GMT".parse().unwrap());
        Failure::status(429, &headers, vec![], "GET /").retry_after().unwrap().as_secs()
    };
    let cases = [
        ("0", 1),
        ("5", 5),
        ("3600", 3600),
        ("Mon, 10 Mar 2025 08:00:07 GMT", 7),
        ("Mon, 10 Mar 2025 07:00:00 GMT", 1),
        ("soon", 1),
        ("99999999999", 86400),
    ];
    for (value, seconds) in cases {
        assert_eq!(headers(value), seconds, "{value}");
    }
    let patience = Patience::default();
    for attempt in 0..patience.retries {
        let asked = Duration::from_secs(2);
        let pause = patience.pause(attempt, Some(asked), Duration::ZERO).unwrap();
        assert!(pause >= asked && pause <= patience.most);
        assert!(patience.pause(attempt, None, Duration::ZERO).unwrap() >= patience.pause);
    }
    assert_eq!(patience.pause(0, Some(Duration::from_secs(3600)), Duration::ZERO), None);
    assert_eq!(patience.pause(patience.retries, None, Duration::ZERO), None);
}

#[test]
fn too_many_calls_are_tried_again_whatever_the_method() {
    let (url, thread) = server(vec![
        reply(429, "Retry-After: 0\r\n", ""),
        reply(429, "Retry-After: 2\r\n", ""),
        reply(201, "", "{\"a\":1}"),
    ]);
    let (http, slept) = client(&url);
    let answer = http.call(Request::post("/make").json(&serde_json::json!({"x": 1}))).unwrap();
    assert_eq!(answer.json().unwrap()["a"], 1);
    let slept = slept.lock().unwrap().clone();
    assert!(slept[0] >= Duration::from_secs(1) && slept[1] >= Duration::from_secs(2), "{slept:?}");
    let asked = thread.join().unwrap();
    assert!(asked.iter().all(|request| request.ends_with("{\"x\":1}")), "the body each time");
    assert!(asked[0].to_lowercase().contains("authorization: basic c3luyzpnzwhlaw0="));
}

#[test]
fn in_doubt_only_what_may_be_repeated_is() {
    for (request, calls) in [
        (Request::post("/make").json(&serde_json::json!({})), 1),
        (Request::post("/search").json(&serde_json::json!({})).repeatable(), 2),
        (Request::put("/set").json(&serde_json::json!({})), 2),
        (Request::get("/read"), 2),
    ] {
        for bad in [String::new(), reply(500, "", "oops"), reply(503, "Retry-After: 1\r\n", "")] {
            let mut answers = vec![bad];
            answers.resize(calls, reply(200, "", "{}"));
            let (url, thread) = server(answers);
            let (http, _) = client(&url);
            let request = Request {
                method: request.method.clone(),
                target: request.target.clone(),
                headers: vec![],
                body: match &request.body {
                    Body::Bytes(kind, bytes) => Body::Bytes(kind, bytes.clone()),
                    _ => Body::None,
                },
                repeatable: request.repeatable,
            };
            let what = request.what();
            match http.call(request) {
                Ok(_) => assert_eq!(calls, 2, "{what}"),
                Err(failure) => {
                    assert_eq!(calls, 1, "{what}: {failure}");
                    assert!(matches!(failure, Failure::InDoubt { .. }), "{failure:?}");
                }
            }
            assert_eq!(thread.join().unwrap().len(), calls);
        }
    }
}

#[test]
fn a_server_that_is_not_there_was_sent_nothing() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (http, slept) = client(&format!("http://{free}"));
    let failure = http.call(Request::post("/make").json(&serde_json::json!({}))).unwrap_err();
    assert!(matches!(failure, Failure::NotSent { .. }), "{failure:?}");
    assert_eq!(slept.lock().unwrap().len(), 3);
}

#[test]
fn a_login_goes_to_no_other_server() {
    let (other, elsewhere) = server(vec![reply(200, "", "content")]);
    let moved = reply(303, &format!("Location: {other}/media\r\n"), "");
    let (url, thread) = server(vec![moved]);
    let (http, _) = client(&url);
    let mut got = String::new();
    http.download("/content", &mut |reader| reader.read_to_string(&mut got).map(drop)).unwrap();
    assert_eq!(got, "content");
    assert!(thread.join().unwrap()[0].to_lowercase().contains("authorization:"));
    assert!(!elsewhere.join().unwrap()[0].to_lowercase().contains("authorization:"));
}

#[test]
fn a_file_is_sent_as_a_form() {
    let (url, thread) = server(vec![reply(200, "", "[]")]);
    let (http, _) = client(&url);
    let mut content = &b"bytes"[..];
    let upload = Upload::new("file", "Gr\u{f6}\"\u{df}e.bin", 5, &mut content);
    let request = Request::post("/attach").header("X-Atlassian-Token", "no-check").upload(upload);
    http.call(request).unwrap();
    let asked = thread.join().unwrap().remove(0);
    assert!(asked.contains("filename=\"Grö%22ße.bin\""), "{asked}");
    assert!(asked.contains("\r\n\r\nbytes\r\n--engsync-"), "{asked}");
    let mut short = &b"byt"[..];
    let mut upload = Upload::new("file", "a", 5, &mut short);
    assert!(upload.read_to_end(&mut Vec::new()).is_err());
}

#[test]
fn addresses_and_secrets() {
    for bad in [
        "",
        "jira.example",
        "ftp://x",
        "https://",
        "https://u:geheim@x",
        "https://x?y=1",
        "https://x#y",
    ] {
        let error = Http::new(&Options { url: bad.into(), ..Options::default() }).unwrap_err();
        assert_eq!((error.fault, error.code), (Fault::Setup, CONFIG), "{bad}");
        assert!(!error.line().contains("geheim"));
    }
    let base = Url::base("https://Host.example/jira/").unwrap();
    assert_eq!(base.join("/rest"), "https://Host.example/jira/rest");
    for (url, own) in [
        ("https://host.example/x", true),
        ("https://host.example:443/x", true),
        ("http://host.example/x", false),
        ("https://host.example:8443/x", false),
        ("https://host.example.evil.example/x", false),
    ] {
        assert_eq!(base.is_origin_of(url), own, "{url}");
    }
    let from = "https://a.example/x/y";
    for (to, leads) in [
        ("/z", Some("https://a.example/z")),
        ("https://b.example/z?q=1", Some("https://b.example/z?q=1")),
        ("http://a.example/z", None),
        ("file:///etc/passwd", None),
    ] {
        assert_eq!(Url::resolve(from, to).as_deref(), leads, "{to}");
    }
    assert_eq!(encode("a b/ä~-._%"), "a%20b%2F%C3%A4~-._%25");
    let (http, _) = client("http://127.0.0.1:1");
    let auth = Auth::Bearer(Secret::new("geheim"));
    assert!(!format!("{http:?} {auth:?} {:?}", http.authorization).contains("geheim"));
}
