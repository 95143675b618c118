//! Reads a body. It takes memory as its bytes arrive, and a place of its owner's share if it is slow.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};

use crate::domain::Code;
use crate::http::api::Pools;
use crate::http::problem::Problem;
use crate::limits::{BODY_BYTES_MAX, BODY_WAIT, SLOW_AFTER, SLOW_BYTES_PER_SECOND, SLOW_GRACE};
use crate::throttle::{Owner, Permit};

const KIB: usize = 1024;

/// A body that is being read.
pub(super) struct BodyReader {
    body: Incoming,
    most: usize,
    pools: Arc<Pools>,
    owner: Owner,
    bytes: Vec<u8>,
    /// The permit for the memory of `bytes`.
    memory: Option<Permit>,
    /// The permit of a client that the server waits for.
    slow: Option<Permit>,
    /// When the server began to wait for the client. Time in which the client waits for memory does not count.
    begun: Instant,
    /// The longest time that the body may take.
    time: Duration,
}

impl BodyReader {
    /// Creates a reader of a body with at most `most` bytes, which may take at most this time.
    pub(super) fn new(
        body: Incoming,
        most: usize,
        time: Duration,
        pools: &Arc<Pools>,
        owner: Owner,
    ) -> Self {
        Self {
            body,
            most,
            pools: Arc::clone(pools),
            owner,
            bytes: Vec::new(),
            memory: None,
            slow: None,
            begun: Instant::now(),
            time,
        }
    }

    /// Reads the whole body; returns it with the permit for its memory.
    pub(super) async fn read(mut self) -> Result<(Bytes, Option<Permit>), Problem> {
        if self.body.size_hint().lower() > self.most as u64 {
            return Err(self.too_large());
        }
        while let Some(piece) = self.next_piece().await? {
            let length = self.bytes.len() + piece.len();
            if length > self.most {
                return Err(self.too_large());
            }
            self.make_room(length).await?;
            // The piece is copied, because it would keep the whole buffer that it came in: 8 KiB even for
            // one byte.
            self.bytes.extend_from_slice(&piece);
        }
        Ok((Bytes::from(self.bytes), self.memory))
    }

    /// Waits for the next bytes.
    async fn next_piece(&mut self) -> Result<Option<Bytes>, Problem> {
        while !self.body.is_end_stream() {
            let due = if self.slow.is_some() { self.due() } else { self.begun + SLOW_AFTER };
            match timeout_at(due, self.body.frame()).await {
                Ok(None) => break,
                Ok(Some(Ok(frame))) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
                Ok(Some(Err(_))) => {
                    return Err(Problem::new(Code::MalformedRequest, "the body ended early"));
                }
                Err(_) if self.slow.is_some() => {
                    return Err(Problem::new(Code::RequestTimeout, "the body came too slowly"));
                }
                Err(_) => {
                    let slow = self.pools.slow.try_acquire(self.owner, 1);
                    self.slow =
                        Some(slow.map_err(|reason| Problem::no_room(reason, "slow requests"))?);
                }
            }
        }
        Ok(None)
    }

    /// The time at which the next byte has to have arrived.
    fn due(&self) -> Instant {
        self.begun + patience(self.bytes.len()).min(self.time)
    }

    /// Takes the memory for a body of this length.
    ///
    /// Two bodies may each wait for memory that the other holds. The first that has waited for `BODY_WAIT` is
    /// refused.
    async fn make_room(&mut self, length: usize) -> Result<(), Problem> {
        let held = self.memory.as_ref().map_or(0, Permit::units);
        let wanted = length.div_ceil(KIB);
        if wanted <= held {
            return Ok(());
        }
        let begun = Instant::now();
        let more = self.pools.bodies.acquire(self.owner, wanted - held, BODY_WAIT).await;
        let more = more.map_err(|reason| Problem::no_room(reason, "the memory for bodies"))?;
        match &mut self.memory {
            Some(memory) => memory.add(more),
            None => self.memory = Some(more),
        }
        self.bytes.reserve_exact(wanted * KIB - self.bytes.len());
        self.begun += begun.elapsed();
        Ok(())
    }

    fn too_large(&self) -> Problem {
        let detail = format!("the body must be at most {} bytes", self.most);
        Problem::new(Code::BodyTooLarge, detail)
    }
}

/// The time within which more than this many bytes have to have arrived.
fn patience(bytes: usize) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    SLOW_GRACE + Duration::from_secs(1) * bytes / SLOW_BYTES_PER_SECOND
}

/// Discards a body; returns whether it was complete and not too long.
pub(super) async fn skip(mut body: Incoming) -> bool {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return false;
        };
        bytes += frame.into_data().map_or(0, |piece| piece.len());
        if bytes > BODY_BYTES_MAX {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_body_may_take_longer() {
        let millis = [0, 1, 1024, 64 * 1024].map(|bytes| patience(bytes).as_millis());
        assert_eq!(millis, [2_000, 2_000, 3_000, 66_000]);
    }
}
