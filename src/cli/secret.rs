//! Secrets: read when they are needed, from where the configuration says; never logged.

use std::path::Path;

use crate::exchange::Secret;
use crate::{CONFIG, Error, Result};

/// Reads a secret.
#[allow(clippy::disallowed_methods, reason = "`cli` reads the environment")]
pub(super) fn read(secret: &Secret) -> Result<String> {
    match secret {
        Secret::Env(name) => std::env::var(name).map_err(|_| {
            Error::wait(CONFIG, format!("the environment variable {name} is not set"))
        }),
        Secret::File(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Error::io("read the secret in", path, error))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    }
}

/// The secret that `NAME_env` and `NAME_file` say; both are one too many.
pub(super) fn named(
    name: &str,
    env: Option<&String>,
    file: Option<&std::path::PathBuf>,
    base: &Path,
) -> std::result::Result<Option<Secret>, String> {
    match (env, file) {
        (Some(name), None) => Ok(Some(Secret::Env(name.clone()))),
        (None, Some(file)) => Ok(Some(Secret::File(base.join(file)))),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(format!("{name}_env and {name}_file: one of the two")),
    }
}
