//! The shop as a whole over REST: its name, its currency and its tax mode.

use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::domain::ShopPatch;
use crate::domain::json_literal::json;
use crate::domain::json_schema::{NOT_BLANK, choice, closed, members, nullable, object, text};
use crate::domain::tax::TaxMode;
use crate::http::api::Api;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, ReplyExt};
use crate::http::request::ApiRequest;
use crate::limits::{BODY_BYTES_MAX, NAME_CHARS_MAX};
use crate::store::At;

impl Api {
    /// `GET /api/shop`.
    pub(super) async fn get_shop(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        let At { seq, value: shop } = self.store.shop().await?;
        let reply = reply::not_modified(&request.parts.headers, shop.version)
            .unwrap_or_else(|| reply::versioned(StatusCode::OK, shop.json(), shop.version));
        Ok(reply.with_seq(seq))
    }

    /// `PATCH /api/shop`.
    pub(super) async fn patch_shop(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let (body, _) = request.json_object(BODY_BYTES_MAX).await?;
        let patch = ShopPatch::read(body)?;
        let (precondition, caller) = (request.precondition(), self.caller(request)?);
        let At { seq, value: shop } = self.store.update_shop(caller, patch, precondition).await?;
        Ok(reply::versioned(StatusCode::OK, shop.json(), shop.version).with_seq(seq))
    }
}

/// The schemas in the API document.
pub(super) fn schemas() -> Map<String, Value> {
    let name = text(1, NAME_CHARS_MAX, NOT_BLANK);
    let mut currency = json!({"type": "string", "pattern": "^[A-Z]{3}$"});
    currency["description"] = json!("The ISO 4217 code of the currency of what names none.");
    let mut tax = choice(TaxMode::WORDS.iter().copied());
    tax["description"] = json!("Whether prices have the tax in them, or it is added to them.");
    let patch = [("name", name.clone()), ("currency", currency), ("tax", tax)];
    let mut shop = members(patch.clone());
    shop.insert("name".to_owned(), nullable(name));
    let about = "The decimals of an amount in the currency.";
    let decimals = json!({"type": "integer", "minimum": 0, "description": about});
    shop.insert("decimals".to_owned(), decimals);
    members([("Shop", object(shop)), ("ShopPatch", closed(members(patch), &[]))])
}
