//! Secrets: where they are, and reading them when they are needed.

use std::path::Path;

use crate::exchange::Secret;
use crate::{CONFIG, Error, Result};

/// Where a secret is, by a pair of keys `…_env` and `…_file`.
///
/// # Errors
/// When both are given.
pub(super) fn of(
    env: Option<&str>,
    file: Option<&Path>,
    base: &Path,
) -> std::result::Result<Option<Secret>, ()> {
    match (env, file) {
        (Some(name), None) => Ok(Some(Secret::Env(name.to_owned()))),
        (None, Some(file)) => Ok(Some(Secret::File(base.join(file)))),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(()),
    }
}

/// Reads a secret; the line end of a file is no part of it.
#[allow(clippy::disallowed_methods, reason = "`cli` reads the environment")]
pub(super) fn read(secret: &Secret) -> Result<String> {
    match secret {
        Secret::Env(name) => std::env::var(name).map_err(|_| {
            Error::setup(CONFIG, format!("the environment variable {name} is not set"))
        }),
        Secret::File(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Error::io("read the secret in", path, error))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    }
}
