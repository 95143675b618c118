//! Guards the search for the routes of a path.

use super::*;
use crate::domain::EntityKind;

#[test]
fn every_row_is_found_by_its_path_and_no_other_is() {
    for route in ROUTES {
        for kind in route.kinds() {
            let plural = kind.map_or("", |kind| kind.schema().plural);
            let filled = |path: String, name: &str| path.replace(name, plural);
            let kinds = ["{kind}", "{customers}", "{products}"];
            let path = kinds.into_iter().fold(route.path.to_owned(), filled);
            let path = path.replace("{id}", "7").replace("{sku}", "T%201").replace("{code}", "b");
            let (rows, parameters) = of_path(&path).unwrap();
            assert!(rows.iter().any(|row| std::ptr::eq(row, route)), "{path}");
            let id = route.path.contains("{id}").then_some(7);
            let has_text = route.path.contains("{sku}") || route.path.contains("{code}");
            assert_eq!(parameters, PathParameters { kind, id, has_text }, "{path}");
            let same = rows.iter().filter(|row| row.method == route.method);
            assert_eq!(same.count(), 1, "{} {path} has two rows", route.method);
        }
    }
}

#[test]
fn what_is_no_path_has_no_rows() {
    for path in [
        "/api/orders/0",
        "/api/orders/-1",
        "/api/orders/01",
        "/api/orders/+1",
        "/api/orders/x",
        "/api/orders/9223372036854775808",
        "/api/orders/1/",
        "/api/orders/",
        "/api/order",
        "/api/orders/1/2",
        "/api/",
        "/api",
        "api",
        "",
        "//",
        "/healthz/",
        "/Healthz",
        "/api/{kind}",
        "/api/{customers}/{id}/erase",
    ] {
        assert!(of_path(path).is_none(), "{path}");
    }
    let (_, parameters) = of_path("/api/orders/9223372036854775807").unwrap();
    let order =
        PathParameters { kind: Some(EntityKind::Order), id: Some(i64::MAX), has_text: false };
    assert_eq!(parameters, order);
}

#[test]
fn allow_names_head_where_there_is_get() {
    let allow_of = |path| allow(of_path(path).unwrap().0);
    assert_eq!(allow_of("/api/orders/1"), "GET, PATCH, DELETE, HEAD");
    assert_eq!(allow_of("/api/auth/login"), "POST");
}
