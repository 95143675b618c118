//! The five entities over REST: one function for each verb, the same for all kinds.

use hyper::header;
use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::auth::session::Session;
use crate::domain::check::{check_text, one_of};
use crate::domain::input::Purpose;
use crate::domain::schema::Type;
use crate::domain::{
    Cell, Code, EntityKind, FieldError, FieldRef, Input, Row, event, order, timestamp,
};
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, WithPermit};
use crate::http::request::{ApiRequest, into_result, number, page_limit};
use crate::http::{Api, ResponsePermit};
use crate::limits::{BODY_BYTES_MAX, LINE_RESPONSE_BYTES, SMALL_RESPONSE_BYTES_MAX};
use crate::shop::{Change, Operation};
use crate::store::{At, Query, StoredResponse};

impl Api {
    /// A request to all entities of a kind.
    pub(super) async fn collection(
        &self,
        request: &mut ApiRequest,
        kind: EntityKind,
        session: &Session,
    ) -> Result<Reply, Problem> {
        if request.parts.method == Method::POST {
            self.create(request, kind, session).await
        } else {
            self.list(request, kind, session).await
        }
    }

    /// A request to one entity.
    pub(super) async fn entity(
        &self,
        request: &mut ApiRequest,
        (kind, id): (EntityKind, i64),
        session: &Session,
    ) -> Result<Reply, Problem> {
        let operation = match request.parts.method {
            Method::PATCH => {
                check_allowed(session.principal.role().may_change(), "change", kind, session)?;
                let (body, _) = request.json_object(BODY_BYTES_MAX).await?;
                Operation::Update(id, Input::read(kind, Purpose::Patch, body)?)
            }
            Method::DELETE => {
                check_allowed(session.principal.role().may_change(), "delete", kind, session)?;
                Operation::Delete(id)
            }
            _ => return self.get(request, kind, id, session).await,
        };
        let actor = request.caller(session);
        let permit = if request.parts.method == Method::PATCH {
            self.read_entity(kind, id).await?.1
        } else {
            None
        };
        let change = Change { kind, operation, if_match: request.if_match() };
        let row = self.store.change(actor, change).await?.value;
        Ok(match row {
            Some(row) => reply::json_with_etag(StatusCode::OK, event::entity(&row)?, &etag(&row)),
            None => reply::empty(StatusCode::NO_CONTENT),
        }
        .with_permit(permit))
    }

    async fn create(
        &self,
        request: &mut ApiRequest,
        kind: EntityKind,
        session: &Session,
    ) -> Result<Reply, Problem> {
        check_allowed(session.principal.role().may_create(kind), "create", kind, session)?;
        let (body, bytes) = request.json_object(BODY_BYTES_MAX).await?;
        let repeat = request.idempotency_key(session, &bytes)?;
        let lines = body.get(order::ITEMS.name).and_then(Value::as_array).map_or(0, Vec::len);
        let input = Input::read(kind, Purpose::Create, body)?;
        let operation = Operation::Create(input);
        let change = Change { kind, operation, if_match: request.if_match() };
        let permit = self.response_permit(bytes.len() + lines * LINE_RESPONSE_BYTES).await?;
        let response = self.store.create(request.caller(session), change, repeat).await?.value;
        Ok(created(kind.schema().plural, response).with_permit(permit))
    }

    async fn get(
        &self,
        request: &ApiRequest,
        kind: EntityKind,
        id: i64,
        session: &Session,
    ) -> Result<Reply, Problem> {
        check_allowed(session.principal.role().may_read(kind), "read", kind, session)?;
        let (row, permit) = self.read_entity(kind, id).await?;
        let row = row.value;
        // Somebody else's order is, to a kiosk, no order.
        if only_own_orders(kind, session) && *row.cell(order::KIOSK_ID) != own_id(session) {
            return Err(Problem::not_found());
        }
        let etag = etag(&row);
        if request.if_none_match(&etag) {
            let mut reply = reply::empty(StatusCode::NOT_MODIFIED);
            reply::set(&mut reply, header::ETAG, &etag);
            return Ok(reply);
        }
        Ok(reply::json_with_etag(StatusCode::OK, event::entity(&row)?, &etag).with_permit(permit))
    }

    /// Reads an entity, with the permit for its response where that is large.
    async fn read_entity(
        &self,
        kind: EntityKind,
        id: i64,
    ) -> Result<(At<Row>, ResponsePermit), Problem> {
        let At { seq, value } = self.store.get(kind, id, SMALL_RESPONSE_BYTES_MAX).await?;
        if let Some(value) = value {
            return Ok((At { seq, value }, None));
        }
        let permit = self.page_permit().await?;
        let At { seq, value } = self.store.get(kind, id, usize::MAX).await?;
        let value = value.ok_or_else(Problem::not_found)?;
        Ok((At { seq, value }, Some(permit)))
    }

    async fn list(
        &self,
        request: &ApiRequest,
        kind: EntityKind,
        session: &Session,
    ) -> Result<Reply, Problem> {
        check_allowed(session.principal.role().may_read(kind), "read", kind, session)?;
        let mut query = read_query(request, kind)?;
        if only_own_orders(kind, session) {
            query.filters.push((order::KIOSK_ID, own_id(session)));
        }
        let permit = self.page_permit().await?;
        let (rows, next) = self.store.list(kind, query).await?.value;
        let rows = rows.iter().map(event::entity).collect::<Result<Vec<_>, _>>()?;
        Ok(reply::page(rows.into_iter(), next).with_permit(permit))
    }
}

/// The answer to a creation, first or repeated.
pub(super) fn created(plural: &str, response: StoredResponse) -> Reply {
    let StoredResponse { id, version, body } = response;
    let mut reply = reply::json_with_etag(StatusCode::CREATED, body, &format!("\"{version}\""));
    reply::set(&mut reply, header::LOCATION, &format!("/api/{plural}/{id}"));
    reply
}

/// The parameters of a list of a kind.
pub(super) fn parameters(kind: EntityKind) -> Vec<&'static str> {
    let filters = kind.schema().fields.iter().filter(|field| field.filter).map(|field| field.name);
    ["limit", "after", "order", "updated_since"].into_iter().chain(filters).collect()
}

fn read_query(request: &ApiRequest, kind: EntityKind) -> Result<Query, Problem> {
    let mut errors = Vec::new();
    let pairs = request.query(&parameters(kind), &mut errors);
    let mut query = Query { limit: page_limit(&pairs, &mut errors), ..Query::default() };
    for (name, value) in &pairs {
        let read = match name.as_str() {
            "limit" => Ok(()),
            "after" => number(name, value, 0, i64::MAX).map(|id| query.after = Some(id)),
            "order" => match value.as_str() {
                "asc" | "desc" => {
                    query.ascending = value == "asc";
                    Ok(())
                }
                _ => Err(one_of(["asc", "desc"]).at(name)),
            },
            "updated_since" => match timestamp::parse(value) {
                Some(ms) => {
                    query.updated_since = Some(ms);
                    Ok(())
                }
                None => Err(FieldError::new(
                    name,
                    Code::BadFormat,
                    "must be an RFC 3339 time, such as 2026-01-25T10:30:00Z",
                )),
            },
            _ => read_filter(kind, name, value).map(|filter| query.filters.extend(filter)),
        };
        errors.extend(read.err());
    }
    into_result(query, errors)
}

fn read_filter(
    kind: EntityKind,
    name: &str,
    value: &str,
) -> Result<Option<(FieldRef, Cell)>, FieldError> {
    let Some(index) = kind.schema().position(name) else {
        return Ok(None);
    };
    let field = &kind.schema().fields[index];
    let cell = match field.ty {
        Type::Id(_) => Cell::Int(number(name, value, 1, i64::MAX)?),
        // A choice must exist; any other text may simply match nothing.
        Type::Choice(_) => {
            check_text(field, value).map_err(|wrong| wrong.at(name))?;
            Cell::Text(value.to_owned())
        }
        _ => Cell::Text(value.to_owned()),
    };
    Ok(Some((FieldRef { name: field.name, index }, cell)))
}

/// What the orders of the session's principal have in `kiosk_id`.
fn own_id(session: &Session) -> Cell {
    session.principal.user_id().map_or(Cell::Null, Cell::Int)
}

fn only_own_orders(kind: EntityKind, session: &Session) -> bool {
    kind == EntityKind::Order && session.principal.role().sees_only_own_orders()
}

fn etag(row: &Row) -> String {
    format!("\"{}\"", row.seq)
}

fn check_allowed(
    allowed: bool,
    verb: &str,
    kind: EntityKind,
    session: &Session,
) -> Result<(), Problem> {
    if allowed {
        return Ok(());
    }
    let (role, plural) = (session.principal.role().name(), kind.schema().plural);
    Err(Problem::new(Code::RoleNotAllowed, format!("the role {role} may not {verb} {plural}")))
}
