//! Whom we trust, and who we are.

use std::path::Path;
use std::sync::Arc;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::Options;
use crate::{CONFIG, Error, Result};

pub(super) fn config(options: &Options) -> Result<TlsConfig> {
    let secure = options.url.trim_start().to_ascii_lowercase().starts_with("https:");
    // Reading the system's certificates takes milliseconds: not for plain HTTP.
    let mut roots = if secure { system() } else { Vec::new() };
    if let Some(file) = &options.ca_file {
        let (certificates, _) = read(file)?;
        if certificates.is_empty() {
            return Err(unusable("ca_file", file, "it holds no certificate in PEM form"));
        }
        roots.extend(certificates);
    }
    let tls = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(roots)));
    Ok(tls.client_cert(client(options)?).build())
}

/// The system's certificates; a broken one among them is none.
fn system() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate of the system cannot be read");
    }
    found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
}

fn client(options: &Options) -> Result<Option<ClientCert>> {
    let Some(file) = &options.client_cert_file else {
        return match &options.client_key_file {
            None => Ok(None),
            Some(key) => Err(unusable("client_key_file", key, "there is no client_cert_file")),
        };
    };
    let (chain, inside) = read(file)?;
    if chain.is_empty() {
        return Err(unusable("client_cert_file", file, "it holds no certificate in PEM form"));
    }
    let key = match &options.client_key_file {
        None => inside,
        Some(file) => read(file)?.1,
    };
    let key_file = options.client_key_file.as_ref().unwrap_or(file);
    let key = key.ok_or_else(|| {
        unusable("client_key_file", key_file, "it holds no private key in PEM form")
            .hint("a key with a passphrase must be unlocked first: openssl pkcs8 -topk8 -nocrypt")
    })?;
    Ok(Some(ClientCert::new_with_certs(&chain, key)))
}

fn read(file: &Path) -> Result<(Vec<Certificate<'static>>, Option<PrivateKey<'static>>)> {
    let pem = std::fs::read(file).map_err(|error| Error::io("read", file, error))?;
    let (mut certificates, mut key) = (Vec::new(), None);
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(PemItem::PrivateKey(found)) => key = Some(found),
            Ok(_) => {}
            Err(_) => return Err(unusable("the file", file, "it is damaged")),
        }
    }
    Ok((certificates, key))
}

fn unusable(key: &str, file: &Path, why: &str) -> Error {
    Error::setup(CONFIG, format!("{key} {} cannot be used: {why}", file.display()))
}
