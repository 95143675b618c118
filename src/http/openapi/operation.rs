//! One operation of the document: its parameters, bodies, responses and problems, from its route.

use hyper::Method;
use serde_json::{Map, Value};

use crate::domain::json_literal::json;
use crate::domain::json_schema::{Direction, field_schema, members, reference};
use crate::domain::schema::Type;
use crate::domain::{Code, EntityKind, Role};
use crate::http::openapi::components::{Problems, about_problem, headers};
use crate::http::openapi::names::{fill, tag_of};
use crate::http::problem::status;
use crate::http::query::{LIST_PARAMETERS, Parameter, ParameterValue, Query};
use crate::http::route::{Access, RequestBody, ResponseBody, Route};
use crate::http::routes::ROUTES;
use crate::limits::{FILTER_VALUES_MAX, IDS_MAX, PAGE_DEFAULT, PAGE_MAX};

/// The operation; `shared` has the codes that the response of each status names.
pub(super) fn operation(route: &Route, kind: Option<EntityKind>, shared: &Problems) -> Value {
    let mut operation = json!({
        "operationId": fill(route.id, kind),
        "summary": fill(route.summary, kind),
        "description": description(route, kind),
        "tags": [tag_of(route, kind)],
        "parameters": parameters(route, kind),
        "responses": responses(route, kind, shared),
    });
    let (media, name) = match route.request {
        RequestBody::None => return with_security(route, operation),
        RequestBody::Json(name) => ("application/json", name),
        RequestBody::MergePatch(name) => ("application/merge-patch+json", name),
    };
    let schema = reference(&fill(name, kind));
    let mut content = json!({media: {"schema": schema.clone()}});
    if media != "application/json" {
        content["application/json"] = json!({"schema": schema});
    }
    operation["requestBody"] = json!({"required": true, "content": content});
    with_security(route, operation)
}

fn with_security(route: &Route, mut operation: Value) -> Value {
    if route.access == Access::Public {
        operation["security"] = json!([]);
    }
    operation
}

fn description(route: &Route, kind: Option<EntityKind>) -> String {
    let roles = |allowed: &dyn Fn(Role) -> bool| {
        let names = Role::ALL.into_iter().filter(|role| allowed(*role)).map(Role::name);
        format!("Allowed roles: {}.", names.collect::<Vec<_>>().join(", "))
    };
    let of_kind = |allowed: fn(Role, EntityKind) -> bool| {
        roles(&|role| kind.is_some_and(|kind| allowed(role, kind)))
    };
    let mut sentences = vec![match route.access {
        Access::Public => "Needs no session.".to_owned(),
        Access::LoggedIn => "Allowed for every role.".to_owned(),
        Access::Read => of_kind(Role::may_read),
        Access::Create => of_kind(Role::may_create),
        Access::Sell => roles(&|role| role.may_create(EntityKind::Order)),
        Access::Patch => of_kind(Role::may_patch),
        Access::Change => roles(&Role::may_change),
        Access::Admin => roles(&Role::may_manage_users),
    }];
    if repeats(route) {
        sentences.push(
            "A repeat with the same Idempotency-Key and body within 24 hours gets the first reply."
                .to_owned(),
        );
    }
    if let RequestBody::MergePatch(_) = route.request {
        sentences.push(
            "The body is a merge patch (RFC 7396): an absent field keeps its value.".to_owned(),
        );
    }
    sentences.join(" ")
}

fn parameters(route: &Route, kind: Option<EntityKind>) -> Value {
    let shared = |name: &str| json!({"$ref": format!("#/components/parameters/{name}")});
    let mut all: Vec<Value> = match route.query {
        Query::Ignored => Vec::new(),
        Query::Parameters(parameters) => parameters.iter().map(query_parameter).collect(),
        Query::List => LIST_PARAMETERS.iter().map(query_parameter).chain(filters(kind)).collect(),
    };
    match (&route.method, route.response) {
        (&Method::GET, ResponseBody::Versioned(_)) => all.push(shared("IfNoneMatch")),
        (&Method::PUT, _) => all.extend([shared("IfMatch"), shared("CreateOnly")]),
        (&Method::PATCH | &Method::DELETE, _) => all.push(shared("IfMatch")),
        _ if repeats(route) => all.push(shared("IdempotencyKey")),
        _ => {}
    }
    Value::Array(all)
}

/// Whether a repeat with the same `Idempotency-Key` gets the first reply.
fn repeats(route: &Route) -> bool {
    matches!(
        route.response,
        ResponseBody::Created(_) | ResponseBody::Repeatable(_) | ResponseBody::Sold
    )
}

fn query_parameter(parameter: &Parameter) -> Value {
    let schema = match parameter.value {
        ParameterValue::Limit => {
            json!({"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT})
        }
        ParameterValue::Number => json!({"type": "integer", "format": "int64", "minimum": 0}),
        ParameterValue::Word(name) => reference(name),
        ParameterValue::Ids => {
            json!({"type": "string", "pattern": format!("^{}$", ids_pattern(IDS_MAX))})
        }
        ParameterValue::Time => json!({"type": "string", "format": "date-time"}),
    };
    json!({"name": parameter.name, "in": "query", "schema": schema, "description": parameter.about})
}

/// The pattern of up to `most` ids, separated by commas.
fn ids_pattern(most: usize) -> String {
    let id = "[1-9][0-9]{0,17}";
    format!("{id}(,{id}){{0,{}}}", most - 1)
}

/// A parameter for each filterable field of the kind.
fn filters(kind: Option<EntityKind>) -> impl Iterator<Item = Value> {
    let of_kind = |kind: EntityKind| {
        kind.schema().filters().map(move |(field, _)| {
            let mut about = format!("Only those with this {}", field.name);
            let mut parameter = json!({"name": field.name, "in": "query"});
            parameter["schema"] = match field.ty {
                Type::Choice(_) => {
                    about.push_str(", or one of these");
                    parameter["style"] = json!("form");
                    parameter["explode"] = json!(false);
                    let word = field_schema(kind, field, Direction::Shown);
                    json!({"type": "array", "minItems": 1, "maxItems": FILTER_VALUES_MAX, "items": word})
                }
                Type::Id(_) => {
                    about.push_str(", or one of these ids, separated by commas");
                    let none = if field.nullable { "none|" } else { "" };
                    if field.nullable {
                        about.push_str("; `none` is null");
                    }
                    let pattern = format!("^({none}{})$", ids_pattern(FILTER_VALUES_MAX));
                    json!({"type": "string", "pattern": pattern})
                }
                Type::Oversold => json!({"type": "boolean"}),
                _ => json!({"type": "string"}),
            };
            parameter["description"] = json!(about + ".");
            parameter
        })
    };
    kind.into_iter().flat_map(of_kind)
}

fn responses(route: &Route, kind: Option<EntityKind>, shared: &Problems) -> Value {
    let mut responses = Map::new();
    let (status, success) = success(route, kind);
    let other = match route.response {
        ResponseBody::Sold => Some("It was stored before; the order is as it is now."),
        ResponseBody::Put(_) => Some("It existed; the given fields are changed."),
        _ => None,
    };
    if let Some(about) = other {
        let mut other = success.clone();
        other["description"] = json!(about);
        responses.insert("200".to_owned(), other);
    }
    responses.insert(status.to_owned(), success);
    if let (&Method::GET, ResponseBody::Versioned(_)) = (&route.method, route.response) {
        let not_modified = json!({"$ref": "#/components/responses/NotModified"});
        responses.insert("304".to_owned(), not_modified);
    }
    for (status, codes) in problems(route) {
        let mut problem =
            json!({"$ref": format!("#/components/responses/Problem{}", status.as_u16())});
        if shared.get(&status) != Some(&codes) {
            problem["description"] = json!(about_problem(&codes));
        }
        responses.insert(status.as_u16().to_string(), problem);
    }
    Value::Object(responses)
}

fn success(route: &Route, kind: Option<EntityKind>) -> (&'static str, Value) {
    let of_the_shop = route.access != Access::Public;
    let mut header_names = vec!["TillcastVersion"];
    header_names.extend(of_the_shop.then_some("TillcastSeq"));
    let json_body =
        |name: &str| json!({"application/json": {"schema": reference(&fill(name, kind))}});
    let (status, about, content) = match route.response {
        ResponseBody::Nothing => ("204", "Done.", None),
        ResponseBody::Json(name) => ("200", "Done.", Some(json_body(name))),
        ResponseBody::Versioned(name) | ResponseBody::Repeatable(name) => {
            header_names.push("ETag");
            ("200", "The entity as it is now.", Some(json_body(name)))
        }
        ResponseBody::Created(name) | ResponseBody::Put(name) => {
            header_names.extend(["ETag", "Location"]);
            ("201", "Created.", Some(json_body(name)))
        }
        ResponseBody::Made(name) => {
            header_names.push("Location");
            ("201", "Created.", Some(json_body(name)))
        }
        ResponseBody::Sold => {
            header_names.extend(["ETag", "Location"]);
            ("201", "Stored.", Some(json_body("Sale")))
        }
        ResponseBody::Text(media) => {
            ("200", "Done.", Some(json!({media: {"schema": {"type": "string"}}})))
        }
        ResponseBody::Page => ("200", "A page.", None),
    };
    let mut response = json!({"description": about, "headers": headers(&header_names)});
    if let Some(content) = content {
        response["content"] = content;
    }
    if status == "201" {
        response["links"] = links(route, kind);
    }
    (status, response)
}

/// Links from a new entity to the operations on its path.
fn links(route: &Route, kind: Option<EntityKind>) -> Value {
    let own_path = format!("{}/{{id}}", route.path);
    let link = |other: &Route| {
        let id = json!({"id": "$response.body#/id"});
        (fill(other.id, kind), json!({"operationId": fill(other.id, kind), "parameters": id}))
    };
    Value::Object(members(ROUTES.iter().filter(|other| other.path == own_path).map(link)))
}

/// The problems that a request to this route can have, by their status.
pub(super) fn problems(route: &Route) -> Problems {
    let is_write = route.method != Method::GET;
    let mut codes = vec![Code::MisdirectedRequest, Code::TooManyRequests];
    if route.access != Access::Public {
        codes.extend([
            Code::AmbiguousSession,
            Code::NotLoggedIn,
            Code::SessionEnded,
            Code::Busy,
            Code::Unavailable,
        ]);
    }
    if !matches!(route.access, Access::Public | Access::LoggedIn) {
        codes.push(Code::RoleNotAllowed);
    }
    if is_write {
        codes.extend([Code::OriginNotAllowed, Code::Busy, Code::Unavailable, Code::DiskFull]);
    }
    if !matches!(route.query, Query::Ignored) || route.request != RequestBody::None {
        codes.push(Code::Invalid);
    }
    if route.request != RequestBody::None {
        codes.extend([
            Code::NotJson,
            Code::TooDeep,
            Code::NotAnObject,
            Code::TooManyValues,
            Code::RequestTimeout,
            Code::BodyTooLarge,
            Code::UnsupportedMediaType,
            Code::UnsupportedEncoding,
        ]);
    }
    if route.path.contains("{id}") {
        codes.push(Code::NotFound);
    }
    let is_of_one = route.path.contains("{id}")
        || matches!(route.response, ResponseBody::Versioned(_) | ResponseBody::Put(_));
    if is_write && is_of_one {
        codes.push(Code::PreconditionFailed);
    }
    if repeats(route) {
        codes.extend([Code::IdempotencyKeyReused, Code::TooManyResponses]);
    }
    codes.extend(route.rules);
    codes.sort_unstable();
    codes.dedup();
    let mut by_status = Problems::new();
    for code in codes {
        by_status.entry(status(code)).or_default().push(code);
    }
    by_status
}
