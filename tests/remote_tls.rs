//! How a tracker is reached, from the configuration to the socket: authorities, certificates of
//! our own, a proxy, every way to log in.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;
#[path = "jira/stub.rs"]
mod stub;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use common::{Defect, RULES, Ran, Site, ran};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use stub::{Stub, World};

/// An authority of its own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
struct Leaf {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn leaf(&self, name: &str) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        Leaf { certificate: params.signed_by(&key, &self.0).unwrap(), key }
    }

    /// What a server of this name shows; `clients`: whose certificates it asks for.
    fn server(&self, name: &str, clients: Option<&Self>) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.0.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let leaf = self.leaf(name);
        let key = PrivateKeyDer::Pkcs8(leaf.key.serialize_der().into());
        Arc::new(builder.with_single_cert(vec![leaf.certificate.into()], key).unwrap())
    }
}

/// A supplier whose tracker is at `url`, reached with these keys of `[tracker]`.
fn site(url: &str, keys: &str) -> Site {
    let site = Site::with("", RULES);
    let path = site.path("engsync.toml");
    let config = fs::read_to_string(&path).unwrap();
    let jira = format!(
        "kind = \"jira\"\nurl = \"{url}\"\nproject = \"TST\"\nissue_type = \"Defect\"\nmarker_field = \"External Issue Reference\"\n{keys}"
    );
    fs::write(&path, config.replace("kind = \"embedded\"", &jira)).unwrap();
    fs::write(site.path("password"), "secret\n").unwrap();
    site
}

const LOGIN: &str = "user = \"sync\"\npassword_file = \"password\"\n";

/// Runs a command in an environment where the system trusts `roots` only.
fn engsync(site: &Site, roots: Option<&Authority>, args: &[&str]) -> Ran {
    let pem = roots.map(|authority| authority.0.pem()).unwrap_or_default();
    fs::write(site.path("system.pem"), pem).unwrap();
    let mut command = site.command(args);
    ran(&command.env("SSL_CERT_FILE", site.path("system.pem")).output().unwrap())
}

fn good(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
}

/// It could not look, and says which key to write.
fn shut(ran: &Ran) {
    assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("cannot be reached") && ran.err.contains("ca_file"), "{}", ran.err);
}

#[test]
fn the_systems_authorities_count_and_one_more() {
    let (ours, other) = (Authority::new(), Authority::new());
    let stub = Stub::secure(World::new(false), ours.server("localhost", None));
    let try_it = |roots: Option<&Authority>, extra: Option<&Authority>| {
        let site = site(&stub.url(), LOGIN);
        if let Some(extra) = extra {
            fs::write(site.path("ca.pem"), extra.0.pem()).unwrap();
            let path = site.path("engsync.toml");
            let config = fs::read_to_string(&path).unwrap();
            fs::write(&path, config.replace(LOGIN, &format!("{LOGIN}ca_file = \"ca.pem\"\n")))
                .unwrap();
        }
        engsync(&site, roots, &["check"])
    };
    good(&try_it(Some(&ours), None));
    good(&try_it(None, Some(&ours)));
    good(&try_it(Some(&ours), Some(&other)));
    good(&try_it(Some(&other), Some(&ours)));
    stub.asked();
    let elsewhere = Stub::secure(World::new(false), ours.server("jira.example", None));
    thread::scope(|scope| {
        scope.spawn(|| shut(&try_it(None, None)));
        scope.spawn(|| shut(&try_it(Some(&other), Some(&other))));
        // A certificate for another name.
        scope.spawn(|| {
            let site = site(&elsewhere.url(), LOGIN);
            shut(&engsync(&site, Some(&ours), &["check"]));
        });
    });
    assert!(stub.asked().is_empty() && elsewhere.asked().is_empty(), "nothing was sent");
}

#[test]
fn a_server_that_wants_a_certificate_gets_ours() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let tls = servers.server("localhost", Some(&clients));
    let stub = Stub::secure(World::new(true), tls);
    let (mine, foreign) = (clients.leaf("engsync"), servers.leaf("engsync"));
    let with = |keys: &str| {
        let site =
            site(&stub.url(), &format!("api = \"cloud\"\nca_file = \"ca.pem\"\n{LOGIN}{keys}"));
        fs::write(site.path("ca.pem"), servers.0.pem()).unwrap();
        for (name, leaf) in [("mine", &mine), ("foreign", &foreign)] {
            let (certificate, key) = (leaf.certificate.pem(), leaf.key.serialize_pem());
            fs::write(site.path(&format!("{name}.pem")), &certificate).unwrap();
            fs::write(site.path(&format!("{name}.key")), &key).unwrap();
            fs::write(site.path(&format!("{name}.both")), certificate + &key).unwrap();
        }
        site
    };
    let two = with("client_cert_file = \"mine.pem\"\nclient_key_file = \"mine.key\"\n");
    good(&engsync(&two, None, &["check"]));
    // A whole exchange, with a file both ways.
    let files: &[(&str, &[u8])] = &[("photo.jpg", &[7; 300_000])];
    let one = Defect { number: "4711", title: "one", description: "d", files, ..Defect::default() };
    two.deliver("ENG26112008000000MFA", &[one]);
    let ran = engsync(&two, None, &["run", "--json"]);
    good(&ran);
    assert_eq!(ran.json()["packages"][0]["issues"][0]["action"], "created");
    assert_eq!(stub.world().ticket("TST-1").files[0].data.len(), 300_000);
    good(&engsync(&with("client_cert_file = \"mine.both\"\n"), None, &["check"]));
    stub.asked();
    thread::scope(|scope| {
        for keys in ["", "client_cert_file = \"foreign.both\"\n"] {
            scope.spawn(|| {
                let ran = engsync(&with(keys), None, &["check"]);
                assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
                assert!(ran.err.contains("client_cert_file"), "{}", ran.err);
            });
        }
    });
    assert!(stub.asked().is_empty(), "nobody was let in");
    // A file that is none, or is damaged, is a problem of the configuration.
    for (keys, words) in [
        ("client_cert_file = \"mine.key\"\n", "holds no certificate"),
        ("client_cert_file = \"mine.pem\"\n", "holds no private key"),
        ("client_cert_file = \"none.pem\"\n", "cannot read"),
    ] {
        let ran = engsync(&with(keys), None, &["check"]);
        assert!(ran.code == 1 && ran.out.contains(words), "{words}: {}{}", ran.out, ran.err);
    }
}

/// Lets through to `to` whatever it is asked for; tells what that was.
fn proxy(to: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = asked.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut client) = stream else { return };
            let (to, seen) = (to.clone(), seen.clone());
            thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|n| n > 0) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                seen.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
                let mut server = TcpStream::connect(to).unwrap();
                if head.starts_with("CONNECT ") {
                    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
                } else {
                    server.write_all(head.as_bytes()).unwrap();
                }
                let (mut back, mut forth) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                let answers = thread::spawn(move || {
                    let _ = std::io::copy(&mut back, &mut client);
                    let _ = client.shutdown(Shutdown::Both);
                });
                let _ = std::io::copy(&mut forth, &mut server);
                let _ = server.shutdown(Shutdown::Both);
                let _ = answers.join();
            });
        }
    });
    (url, asked)
}

#[test]
fn a_proxy_is_asked_for_everything_and_only_where_it_is_named() {
    let authority = Authority::new();
    // Only the proxy knows where this host is.
    let tls = authority.server("jira.invalid", None);
    for (stub, url) in [
        (Stub::server(), "http://jira.invalid:8080"),
        (Stub::secure(World::new(false), tls), "https://jira.invalid:8443"),
    ] {
        let (address, asked) = proxy(stub.address().to_string());
        let named = site(url, &format!("{LOGIN}proxy = \"{address}\"\n"));
        named.deliver(
            "ENG26112008000000MFA",
            &[Defect {
                number: "4711",
                title: "one",
                files: &[("photo.jpg", b"photo")],
                ..Defect::default()
            }],
        );
        good(&engsync(&named, Some(&authority), &["run"]));
        assert_eq!(stub.world().ticket("TST-1").files.len(), 1);
        let host = url.split_once("//").unwrap().1;
        let lines = std::mem::take(&mut *asked.lock().unwrap());
        assert!(!lines.is_empty() && lines.iter().all(|line| line.contains(host)), "{lines:?}");
        if url.starts_with("http:") {
            // The environment names none: what is configured counts.
            let unnamed = site(&stub.url(), LOGIN);
            let mut command = unnamed.command(&["check"]);
            for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
                command.env(name, &address);
            }
            good(&ran(&command.output().unwrap()));
            assert!(asked.lock().unwrap().is_empty());
        }
    }
    let site = site("http://jira.invalid", &format!("{LOGIN}proxy = \"http://u:geheim@p:1\"\n"));
    let ran = site.engsync(&["check"]);
    assert!(ran.code == 1 && ran.out.contains("proxy"), "{}{}", ran.out, ran.err);
    assert!(!format!("{}{}", ran.out, ran.err).contains("geheim"));
}

#[test]
fn every_way_to_log_in() {
    let basic =
        |pair: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    for (api, keys, wanted) in [
        // A password; an API token of Cloud; a personal or OAuth access token.
        ("server", "user = \"sync\"\npassword_file = \"password\"", basic("sync:secret")),
        ("server", "token_file = \"token\"", "Bearer token".to_owned()),
        ("server", "token_env = \"JIRA_TOKEN\"", "Bearer token".to_owned()),
        ("cloud", "user = \"sync\"\ntoken_file = \"password\"", basic("sync:secret")),
        ("cloud", "token_env = \"JIRA_TOKEN\"", "Bearer token".to_owned()),
    ] {
        let stub = if api == "cloud" { Stub::cloud() } else { Stub::server() };
        let site = site(&stub.url(), &format!("api = \"{api}\"\n{keys}\n"));
        fs::write(site.path("token"), "token\n").unwrap();
        let mut command = site.command(&["check"]);
        let checked = ran(&command.env("JIRA_TOKEN", "token").output().unwrap());
        good(&checked);
        assert!(checked.out.contains("tracker: login: as Sync Robot"), "{}", checked.out);
        let version = if api == "cloud" { "/rest/api/3/" } else { "/rest/api/2/" };
        for asked in stub.asked() {
            assert_eq!(asked.header("authorization"), Some(wanted.as_str()), "{api} {keys}");
            assert!(asked.path.starts_with(version), "{}", asked.path);
        }
        for said in [checked.out, checked.err] {
            assert!(!said.contains("secret") && !said.contains("Bearer"), "{said}");
        }
    }
}
