//! The event log over REST.

use std::mem;

use crate::domain::check::one_of;
use crate::domain::event::{self, Event};
use crate::domain::{Code, EntityKind, KindSet, Role};
use crate::http::api::Api;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, ReplyExt};
use crate::http::request::ApiRequest;
use crate::limits::PAGE_BYTES_MAX;
use crate::store::EventRange;

impl Api {
    /// `GET /api/events`.
    pub(super) async fn events(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let role = request.session()?.principal.role();
        let mut query = mem::take(&mut request.query);
        let (limit, after) = (query.limit(), query.number("after", 0));
        let newest_first = !query.ascending().unwrap_or(true);
        let channel = query.read("channel", |name| {
            let channels = EntityKind::ALL.map(|kind| kind.schema().channel);
            EntityKind::of_channel(name).ok_or_else(|| one_of(channels))
        });
        query.finish()?;
        let kinds = readable_kinds(role, channel)?;
        let permit = self.page_permit(request.owner()).await?;
        let after = after.unwrap_or(if newest_first { i64::MAX } else { 0 });
        let range = EventRange { after, kinds, limit, bytes: PAGE_BYTES_MAX };
        let page = if newest_first {
            self.store.events_before(range).await?
        } else {
            self.store.events(range).await?
        };
        let narrowed = role.narrowed_kinds();
        let body = |event: &Event| event::narrow(event.kind, &event.body, narrowed).into_owned();
        let data = page.events.iter().map(body).collect::<Vec<_>>().join(",");
        let (scanned, oldest, head) = (page.scanned, page.oldest, page.head);
        let has_more = if newest_first { scanned > oldest } else { scanned < head };
        let next = if has_more { scanned.to_string() } else { "null".to_owned() };
        let log = self.store.log_id();
        let ends = format!("\"next\":{next},\"oldest\":{oldest},\"head\":{head},\"log\":\"{log}\"");
        let reply = reply::json(format!("{{\"data\":[{data}],{ends}}}"));
        Ok(reply.with_permit(permit).with_seq(head))
    }
}

/// The kinds of one channel, or of all that the role may follow.
fn readable_kinds(role: Role, channel: Option<EntityKind>) -> Result<KindSet, Problem> {
    match channel {
        Some(kind) if !role.may_follow(kind) => {
            let (role, channel) = (role.name(), kind.schema().channel);
            let detail = format!("the role {role} may not read {channel}");
            Err(Problem::new(Code::RoleNotAllowed, detail))
        }
        Some(kind) => Ok(KindSet::of(kind)),
        None => Ok(EntityKind::ALL.into_iter().filter(|kind| role.may_follow(*kind)).collect()),
    }
}
