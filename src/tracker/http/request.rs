//! What is sent, and what comes back.

use ureq::http::{HeaderMap, Method};

use super::{Failure, Upload, encode};

/// What is sent with a request.
pub enum Body<'a> {
    /// Nothing.
    None,
    /// Bytes of this content type.
    Bytes(&'static str, Vec<u8>),
    /// A file as `multipart/form-data`; sent once.
    Upload(Upload<'a>),
}

/// A request; the log-in is added.
pub struct Request<'a> {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body<'a>,
    pub(super) repeatable: bool,
}

impl<'a> Request<'a> {
    fn new(method: Method, path: &str) -> Self {
        let repeatable = method != Method::POST && method != Method::PATCH;
        let (target, headers) = (path.to_owned(), Vec::new());
        Self { method, target, headers, body: Body::None, repeatable }
    }

    /// Reads. `path` is relative to the base address, begins with `/` and is encoded already
    /// (see [`encode`]).
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    /// Makes something; in doubt it is not repeated, see [`Request::repeatable`].
    #[must_use]
    pub fn post(path: &str) -> Self {
        Self::new(Method::POST, path)
    }

    /// Sets absolute values.
    #[must_use]
    pub fn put(path: &str) -> Self {
        Self::new(Method::PUT, path)
    }

    /// Changes something; in doubt it is not repeated.
    #[must_use]
    pub fn patch(path: &str) -> Self {
        Self::new(Method::PATCH, path)
    }

    /// Removes.
    #[must_use]
    pub fn delete(path: &str) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// It changes nothing, or the same when done twice, although its method does not say so.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Adds `name=value` to the query, encoded here.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let mark = if self.target.contains('?') { '&' } else { '?' };
        self.target.push(mark);
        self.target.push_str(&format!("{}={}", encode(name), encode(value)));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends a JSON document.
    #[must_use]
    pub fn json(self, json: &serde_json::Value) -> Self {
        self.bytes("application/json", json.to_string().into_bytes())
    }

    /// Sends bytes.
    #[must_use]
    pub fn bytes(mut self, content_type: &'static str, bytes: Vec<u8>) -> Self {
        self.body = Body::Bytes(content_type, bytes);
        self
    }

    /// Sends a file.
    #[must_use]
    pub fn upload(mut self, upload: Upload<'a>) -> Self {
        (self.body, self.repeatable) = (Body::Upload(upload), false);
        self
    }

    /// Method and path, for messages; the query is left out.
    pub(super) fn what(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }
}

/// An answer that is no failure: its status is 2xx.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 200 to 299.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    pub(super) what: String,
}

impl Answer {
    /// Its JSON.
    ///
    /// # Errors
    /// [`Failure::InDoubt`] when it is none: somebody else, a proxy or a log-in page, answered.
    pub fn json(&self) -> Result<serde_json::Value, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|_| Failure::in_doubt(&self.what, "the answer is not JSON").strange())
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
