//! `POST /api/sales`: an order and its payments in one request.

use hyper::{StatusCode, header};

use crate::domain::order::ITEMS;
use crate::domain::{EntityKind, Sale};
use crate::http::api::Api;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, ReplyExt};
use crate::http::request::ApiRequest;
use crate::limits::{BODY_BYTES_MAX, LINE_RESPONSE_BYTES, SALE_RESPONSE_BYTES};
use crate::store::{At, StoredResponse};

impl Api {
    /// `POST /api/sales`.
    pub(super) async fn sell(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let session = request.session()?;
        let (body, bytes) = request.json_object(BODY_BYTES_MAX).await?;
        let key = request.idempotency_key(&session, &bytes)?;
        let lines = body.get(ITEMS.name).and_then(serde_json::Value::as_array).map_or(0, Vec::len);
        let sale = Sale::read(body)?;
        let bytes_max = bytes.len() + lines * LINE_RESPONSE_BYTES + SALE_RESPONSE_BYTES;
        let permit = self.response_permit(request.owner(), bytes_max).await?;
        let caller = self.caller(request)?;
        let stored = self.store.sell(caller, sale, key);
        let At { seq, value: (is_first, StoredResponse { id, version, body }) } =
            self.make_within_rate(EntityKind::Order, caller, stored).await?;
        let status = if is_first { StatusCode::CREATED } else { StatusCode::OK };
        let mut reply = reply::versioned(status, body, version);
        reply::set(&mut reply, header::LOCATION, &format!("/api/orders/{id}"));
        Ok(reply.with_permit(permit).with_seq(seq))
    }
}
