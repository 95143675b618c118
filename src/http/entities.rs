//! The five entities over REST: one function for each verb, the same for all kinds.

use std::mem;
use std::sync::Arc;

use hyper::{StatusCode, header};
use serde_json::Value;

use crate::auth::session::Session;
use crate::domain::check::{check_text, normalize_text, one_of};
use crate::domain::input::Purpose;
use crate::domain::schema::Type;
use crate::domain::stock_change::StockChange;
use crate::domain::{
    Cell, Code, EntityKind, Field, FieldError, Input, Principal, Reject, Row, Violation, event,
    order, product,
};
use crate::http::api::{Api, ResponsePermit};
use crate::http::problem::Problem;
use crate::http::query::{QueryReader, parse_ids, parse_number};
use crate::http::reply::{self, Reply, ReplyExt};
use crate::http::request::ApiRequest;
use crate::limits::{
    BODY_BYTES_MAX, FILTER_VALUES_MAX, KIOSK_ORDERS_MAX, LINE_RESPONSE_BYTES,
    SMALL_RESPONSE_BYTES_MAX,
};
use crate::shop::{Change, Operation, Put};
use crate::store::{At, Caller, Changed, Filter, Query, StoredResponse, Wanted};
use crate::throttle::Owner;

impl Api {
    /// `GET /api/{kind}`.
    pub(super) async fn list(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let (session, kind) = (request.session()?, request.kind()?);
        let mut query = mem::take(&mut request.query);
        let ids = query.read("ids", parse_ids);
        let mut query = read_query(query, kind)?;
        if let Some(ids) = ids {
            return self.get_many(request.owner(), kind, ids, &query, &session).await;
        }
        if let Some(id) = owner_of_orders(kind, session.principal) {
            query.filters.push(Filter::equals(order::KIOSK_ID, Cell::Int(id)));
        }
        let permit = self.page_permit(request.owner()).await?;
        let At { seq, value: (rows, next) } = self.store.list(kind, query).await?;
        Ok(page(&seen(rows, session.principal)?, next)?.with_permit(permit).with_seq(seq))
    }

    /// `GET /api/{kind}?ids=`: those that exist, may be seen and pass the filters, in the order of the ids.
    async fn get_many(
        &self,
        owner: Owner,
        kind: EntityKind,
        ids: Vec<i64>,
        query: &Query,
        session: &Session,
    ) -> Result<Reply, Problem> {
        let permit = self.page_permit(owner).await?;
        let At { seq, value: (mut rows, next) } = self.store.get_many(kind, ids).await?;
        rows.retain(|row| query.passes(row));
        Ok(page(&seen(rows, session.principal)?, next)?.with_permit(permit).with_seq(seq))
    }

    /// `POST /api/{kind}`.
    pub(super) async fn create(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let (session, kind) = (request.session()?, request.kind()?);
        let (body, bytes) = request.json_object(BODY_BYTES_MAX).await?;
        let key = request.idempotency_key(&session, &bytes)?;
        let lines = body.get(order::ITEMS.name).and_then(Value::as_array).map_or(0, Vec::len);
        let operation =
            Operation::Create(Input::read(kind, Purpose::Create(self.store.currency()), body)?);
        let change = Change { kind, operation, precondition: request.precondition() };
        let bytes_max = bytes.len() + lines * LINE_RESPONSE_BYTES;
        let permit = self.response_permit(request.owner(), bytes_max).await?;
        let caller = self.caller(request)?;
        let make = self.store.create(caller, change, key);
        let At { seq, value } = self.make_within_rate(kind, caller, make).await?;
        Ok(created(kind.schema().plural, value).with_permit(permit).with_seq(seq))
    }

    /// Makes an entity; an order of a kiosk counts, unless it is refused.
    pub(super) async fn make_within_rate<T>(
        &self,
        kind: EntityKind,
        caller: Caller,
        make: impl Future<Output = Result<T, Reject>>,
    ) -> Result<T, Problem> {
        let Some(kiosk_id) = owner_of_orders(kind, caller.principal) else {
            return Ok(make.await?);
        };
        self.kiosk_orders.take(kiosk_id).map_err(|wait| {
            let detail = format!("a kiosk may make {KIOSK_ORDERS_MAX} orders a minute");
            Problem::retry_after(Code::TooManyRequests, detail, wait)
        })?;
        let result = make.await;
        if result.is_err() {
            self.kiosk_orders.give_back(kiosk_id);
        }
        Ok(result?)
    }

    /// `PUT /api/products/by-sku/{sku}`: for imports, which know no ids.
    pub(super) async fn put_by_sku(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let (kind, sku) = (request.kind()?, request.path_text()?);
        let (mut body, _) = request.json_object(BODY_BYTES_MAX).await?;
        if body.get(product::SKU.name).is_some_and(|other| *other != sku) {
            let message = "differs from the one in the path; leave it out";
            let wrong = FieldError::new(product::SKU.name, Code::FieldFixed, message);
            return Err(Problem::invalid(vec![wrong]));
        }
        body.remove(product::SKU.name);
        let mut whole = body.clone();
        whole.insert(product::SKU.name.to_owned(), sku.clone().into());
        let create = Input::read(kind, Purpose::Create(self.store.currency()), whole);
        let patch = Input::read(kind, Purpose::Patch, body);
        let operation = Operation::Put(Put { sku, create, patch });
        let change = Arc::new(Change { kind, operation, precondition: request.precondition() });
        let caller = self.caller(request)?;
        let At { seq, value } = self.store.change(caller, change, usize::MAX).await?;
        let (status, row) = match value {
            Changed::Created(row) => (StatusCode::CREATED, row),
            Changed::Row(row) => (StatusCode::OK, row),
            Changed::Removed | Changed::TooLarge => return Err(Problem::not_found()),
        };
        let mut reply = reply::versioned(status, event::entity(&row)?, row.seq);
        reply::set(
            &mut reply,
            header::LOCATION,
            &format!("/api/{}/{}", kind.schema().plural, row.id),
        );
        Ok(reply.with_seq(seq))
    }

    /// `POST /api/products/{id}/stock`.
    pub(super) async fn change_stock(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let (session, kind, id) = (request.session()?, request.kind()?, request.id()?);
        let (body, bytes) = request.json_object(BODY_BYTES_MAX).await?;
        let key = request.idempotency_key(&session, &bytes)?;
        let operation = Operation::ChangeStock(id, StockChange::read(body)?);
        let change = Change { kind, operation, precondition: request.precondition() };
        let caller = self.caller(request)?;
        let At { seq, value } = self.store.create(caller, change, key).await?;
        Ok(reply::versioned(StatusCode::OK, value.body, value.version).with_seq(seq))
    }

    /// `GET /api/{kind}/{id}`.
    pub(super) async fn get(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        let (session, kind) = (request.session()?, request.kind()?);
        let (At { seq, value: row }, permit) =
            self.read_entity(request.owner(), kind, request.id()?).await?;
        if !may_see(&row, session.principal)? {
            return Err(Problem::not_found());
        }
        let reply = match reply::not_modified(&request.parts.headers, row.seq) {
            Some(reply) => reply,
            None => reply::versioned(StatusCode::OK, event::entity(&row)?, row.seq),
        };
        Ok(reply.with_permit(permit).with_seq(seq))
    }

    /// `PATCH /api/{kind}/{id}`.
    pub(super) async fn patch(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let (kind, id) = (request.kind()?, request.id()?);
        let (body, _) = request.json_object(BODY_BYTES_MAX).await?;
        let operation = Operation::Update(id, Input::read(kind, Purpose::Patch, body)?);
        let change = Arc::new(Change { kind, operation, precondition: request.precondition() });
        let (At { seq, value: row }, permit) = self.update(request, change).await?;
        let reply = reply::versioned(StatusCode::OK, event::entity(&row)?, row.seq);
        Ok(reply.with_permit(permit).with_seq(seq))
    }

    /// `DELETE /api/{kind}/{id}`.
    pub(super) async fn delete(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        let (kind, id) = (request.kind()?, request.id()?);
        let operation = Operation::Delete(id);
        let change = Arc::new(Change { kind, operation, precondition: request.precondition() });
        let At { seq, .. } = self.store.change(self.caller(request)?, change, 0).await?;
        Ok(reply::empty(StatusCode::NO_CONTENT).with_seq(seq))
    }

    /// `POST /api/customers/{id}/erase`: erases the personal data, in the event log as well. The orders stay.
    pub(super) async fn erase(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        let (kind, id) = (request.kind()?, request.id()?);
        let (operation, precondition) = (Operation::Erase(id), request.precondition());
        let change = Arc::new(Change { kind, operation, precondition });
        let (At { seq, value: row }, permit) = self.update(request, change).await?;
        let reply = reply::versioned(StatusCode::OK, event::entity(&row)?, row.seq);
        Ok(reply.with_permit(permit).with_seq(seq))
    }

    /// The principal of a request, to make a change once all that the request brings is there.
    pub(super) fn caller(&self, request: &ApiRequest) -> Result<Caller, Problem> {
        Ok(self.auth.caller(&*request.session()?, request.client.address)?)
    }

    /// Updates an entity; returns it with a permit for its response, if that is large. Few responses are
    /// large, so the change is first tried without a permit.
    async fn update(
        &self,
        request: &ApiRequest,
        change: Arc<Change>,
    ) -> Result<(At<Row>, ResponsePermit), Problem> {
        let (caller, bytes_max) = (self.caller(request)?, SMALL_RESPONSE_BYTES_MAX);
        let At { seq, value } = self.store.change(caller, Arc::clone(&change), bytes_max).await?;
        let (At { seq, value }, permit) = match value {
            Changed::TooLarge => {
                let permit = self.page_permit(request.owner()).await?;
                (self.store.change(caller, change, usize::MAX).await?, Some(permit))
            }
            value => (At { seq, value }, None),
        };
        match value {
            Changed::Row(value) | Changed::Created(value) => Ok((At { seq, value }, permit)),
            Changed::Removed | Changed::TooLarge => Err(Problem::not_found()),
        }
    }

    /// Reads an entity; returns it with a permit for its response, if that is large.
    async fn read_entity(
        &self,
        owner: Owner,
        kind: EntityKind,
        id: i64,
    ) -> Result<(At<Row>, ResponsePermit), Problem> {
        let At { seq, value } = self.store.get(kind, id, SMALL_RESPONSE_BYTES_MAX).await?;
        if let Some(value) = value {
            return Ok((At { seq, value }, None));
        }
        let permit = self.page_permit(owner).await?;
        let At { seq, value } = self.store.get(kind, id, usize::MAX).await?;
        let value = value.ok_or_else(Problem::not_found)?;
        Ok((At { seq, value }, Some(permit)))
    }
}

/// The reply to a creation, first or repeated.
pub(super) fn created(plural: &str, response: StoredResponse) -> Reply {
    let StoredResponse { id, version, body } = response;
    let mut reply = reply::versioned(StatusCode::CREATED, body, version);
    reply::set(&mut reply, header::LOCATION, &format!("/api/{plural}/{id}"));
    reply
}

fn page(rows: &[Row], next: Option<i64>) -> Result<Reply, Problem> {
    let entries = rows.iter().map(event::entity).collect::<Result<Vec<_>, _>>()?;
    Ok(reply::page(entries.into_iter(), next))
}

fn read_query(mut query: QueryReader, kind: EntityKind) -> Result<Query, Problem> {
    let mut wanted = Query {
        limit: query.limit(),
        after: query.number("after", 0),
        ascending: query.ascending().unwrap_or(false),
        updated_since: query.time("updated_since"),
        ..Query::default()
    };
    for (field, searched) in kind.schema().filters() {
        if let Type::OrderNumber = field.ty {
            wanted.id = query.read(field.name, |text| Ok(id_of_order_number(text)));
            continue;
        }
        let filter = query.read(field.name, |text| read_filter(field, text));
        wanted.filters.extend(filter.map(|wanted| Filter { field: searched, wanted }));
    }
    query.finish()?;
    Ok(wanted)
}

/// Reads what a field must have: a value, or several that are separated by commas.
fn read_filter(field: &Field, text: &str) -> Result<Wanted, Violation> {
    match (field.ty, text) {
        (Type::Oversold, "true") => return Ok(Wanted::Some),
        (Type::Oversold, "false") => return Ok(Wanted::Null),
        (Type::Oversold, _) => return Err(one_of(["true", "false"])),
        (Type::Id(_), "none") if field.nullable => return Ok(Wanted::Null),
        _ => {}
    }
    let texts: Vec<&str> = match field.ty {
        Type::Id(_) | Type::Choice(_) => text.split(',').collect(),
        // A comma may be part of the value.
        _ => vec![text],
    };
    if texts.len() > FILTER_VALUES_MAX {
        let message = format!("must have at most {FILTER_VALUES_MAX} values");
        return Err(Violation::new(Code::TooLong, message));
    }
    let mut values = Vec::with_capacity(texts.len());
    for text in texts {
        let value = read_value(field, text)?;
        if !values.contains(&value) {
            values.push(value);
        }
    }
    Ok(Wanted::OneOf(values))
}

fn read_value(field: &Field, text: &str) -> Result<Cell, Violation> {
    match field.ty {
        Type::Id(_) => return parse_number(text, 1, i64::MAX).map(Cell::Int),
        // A choice must exist; any other text may simply match nothing.
        Type::Choice(_) => check_text(field, text)?,
        Type::Barcode => return Ok(Cell::Text(product::gtin(text).to_owned())),
        _ => {}
    }
    Ok(Cell::Text(normalize_text(field, text.to_owned())))
}

/// The id in the number of an order; one that no order has for a text of another form.
fn id_of_order_number(text: &str) -> i64 {
    let digits = text.strip_prefix("ORD-").filter(|digits| digits.len() >= 10);
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The rows of which a principal may know.
fn seen(rows: Vec<Row>, principal: Principal) -> Result<Vec<Row>, Problem> {
    let mut seen = Vec::with_capacity(rows.len());
    for row in rows {
        if may_see(&row, principal)? {
            seen.push(row);
        }
    }
    Ok(seen)
}

/// Whether a principal may know of an entity: for a kiosk, another's order does not exist, and a draft
/// exists for the staff only.
fn may_see(row: &Row, principal: Principal) -> Result<bool, Problem> {
    if let Some(id) = owner_of_orders(row.kind, principal) {
        return Ok(*row.cell(order::KIOSK_ID) == Cell::Int(id));
    }
    Ok(principal.role().sees_drafts() || !product::is_draft(row)?)
}

/// The `kiosk_id` that an entity of that kind must have for a principal; `None` if it need not have one.
fn owner_of_orders(kind: EntityKind, principal: Principal) -> Option<i64> {
    principal.own_orders().filter(|_| kind == EntityKind::Order)
}
