//! The requests for the descriptions of the API.

use crate::http::api::Api;
use crate::http::description::Description;
use crate::http::reply::{self, Reply};
use crate::http::request::ApiRequest;

impl Api {
    /// `GET /openapi.json`.
    pub(super) fn openapi(&self, request: &ApiRequest) -> Reply {
        self.describe(&self.descriptions.openapi, request)
    }

    /// `GET /asyncapi.json`.
    pub(super) fn asyncapi(&self, request: &ApiRequest) -> Reply {
        self.describe(&self.descriptions.asyncapi, request)
    }

    fn describe(&self, description: &Description, request: &ApiRequest) -> Reply {
        let secure = request.client.secure;
        let (path, cookie_name) = (request.parts.uri.path(), self.auth.cookie_name(secure));
        reply::json(description.of(path, secure, cookie_name))
    }
}
