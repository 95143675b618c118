//! The event log over REST.

use crate::auth::session::Session;
use crate::domain::check::one_of;
use crate::domain::{Code, EntityKind, KindSet};
use crate::http::Api;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, WithPermit};
use crate::http::request::{ApiRequest, into_result, number, page_limit};
use crate::limits::PAGE_BYTES_MAX;
use crate::store::EventRange;

impl Api {
    /// `GET /api/events`.
    pub(super) async fn events(
        &self,
        request: &ApiRequest,
        session: &Session,
    ) -> Result<Reply, Problem> {
        let mut errors = Vec::new();
        let pairs = request.query(&["limit", "after", "channel"], &mut errors);
        let mut range = EventRange {
            after: 0,
            kinds: KindSet::EMPTY,
            limit: page_limit(&pairs, &mut errors),
            bytes: PAGE_BYTES_MAX,
        };
        let mut channel = None;
        for (name, value) in &pairs {
            match name.as_str() {
                "after" => match number(name, value, 0, i64::MAX) {
                    Ok(after) => range.after = after,
                    Err(error) => errors.push(error),
                },
                "channel" => {
                    if let Some(kind) = EntityKind::of_channel(value) {
                        channel = Some(kind);
                    } else {
                        let channels = EntityKind::ALL.map(|kind| kind.schema().channel);
                        errors.push(one_of(channels).at(name));
                    }
                }
                _ => {}
            }
        }
        into_result((), errors)?;
        if let Some(kind) = channel.filter(|kind| !session.principal.role().may_follow(*kind)) {
            let (role, channel) = (session.principal.role().name(), kind.schema().channel);
            return Err(Problem::new(
                Code::RoleNotAllowed,
                format!("the role {role} may not read {channel}"),
            ));
        }
        let wanted = |kind: EntityKind| match channel {
            Some(only) => kind == only,
            None => session.principal.role().may_follow(kind),
        };
        range.kinds = EntityKind::ALL.into_iter().filter(|kind| wanted(*kind)).collect();
        let permit = self.page_permit().await?;
        let page = self.store.events(range).await?;
        let data =
            page.events.iter().map(|event| event.body.as_str()).collect::<Vec<_>>().join(",");
        let next =
            if page.scanned < page.head { page.scanned.to_string() } else { "null".to_owned() };
        let (oldest, head) = (page.oldest, page.head);
        let ends = format!("\"next\":{next},\"oldest\":{oldest},\"head\":{head}");
        Ok(reply::json(format!("{{\"data\":[{data}],{ends}}}")).with_permit(permit))
    }
}
