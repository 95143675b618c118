//! The certificate of the server's own authority. It is public, and a client has to trust it before it can
//! speak TLS with the server.

use hyper::StatusCode;

use crate::http::api::Api;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply};

/// The path of the certificate, over plain HTTP too.
pub const AUTHORITY_PATH: &str = "/ca.pem";

impl Api {
    /// `GET /ca.pem`.
    pub(super) fn authority(&self) -> Result<Reply, Problem> {
        let certificate = self.identity.as_ref().and_then(|identity| identity.authority());
        let certificate = certificate.ok_or_else(Problem::not_found)?;
        Ok(reply::plain(StatusCode::OK, "application/x-x509-ca-cert", certificate.to_string()))
    }
}
