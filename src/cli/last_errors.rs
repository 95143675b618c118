//! Keeps the newest warnings and errors of the log for `/api/errors`.

use std::fmt::{Debug, Write as _};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::metrics::{Line, Metrics};
use crate::store::clock;

/// The layer of the log that keeps them. It follows the limit on the number of lines.
pub(super) struct LastErrors(pub(super) Arc<Metrics>);

impl<S: Subscriber> Layer<S> for LastErrors {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        if level <= Level::WARN {
            let mut text = Text(Line::default(), "");
            event.record(&mut text);
            self.0.errors.push(clock(), level == Level::ERROR, text.0);
        }
    }
}

/// The message and the fields as the log writes them, and what stands before the next one.
struct Text(Line, &'static str);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let Self(line, before) = self;
        let written = match field.name() {
            "message" => write!(line, "{before}{value:?}"),
            name => write!(line, "{before}{name}={value:?}"),
        };
        debug_assert!(written.is_ok(), "a line cuts what is too long");
        *before = " ";
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn warnings_and_errors_are_kept_as_the_log_writes_them() {
        let metrics = Arc::new(Metrics::new());
        let log = tracing_subscriber::registry().with(LastErrors(Arc::clone(&metrics)));
        tracing::subscriber::with_default(log, || {
            tracing::info!("the shop opens");
            tracing::warn!(dropped = 7, reason = "too many", "lines were dropped");
            tracing::error!(error = %"no space", "the backup failed");
        });
        let kept = metrics.errors.newest();
        let kept: Vec<_> = kept.iter().map(|one| (one.is_error, &*one.text)).collect();
        let warning = "lines were dropped dropped=7 reason=\"too many\"";
        assert_eq!(kept, [(true, "the backup failed error=no space"), (false, warning)]);
    }
}
