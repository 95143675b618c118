//! Positions in the feed.

use tillcast::domain::EntityKind;
use tillcast::feed::Cursor;

/// A cursor remembers the position of each channel, independently of the other channels.
pub(crate) fn hold(bytes: &[u8]) {
    let mut cursor = Cursor::new(64);
    let mut floors = [None; EntityKind::ALL.len()];
    for step in bytes.chunks_exact(2) {
        let (kind, seq) =
            (EntityKind::ALL[usize::from(step[0]) % EntityKind::ALL.len()], i64::from(step[1]));
        match step[0] / 64 {
            0 | 1 => {
                cursor.subscribe(kind, seq);
                floors[kind.index()] = Some(seq);
            }
            2 => {
                cursor.unsubscribe(kind);
                floors[kind.index()] = None;
            }
            _ => {
                let position = cursor.position.max(seq);
                cursor.advance(position);
                floors = floors.map(|floor: Option<i64>| floor.map(|floor| floor.max(position)));
            }
        }
        for kind in EntityKind::ALL {
            let floor = cursor.follows(kind).then(|| cursor.floor(kind));
            assert_eq!(floor, floors[kind.index()], "{kind:?} after {step:?}");
        }
    }
}
