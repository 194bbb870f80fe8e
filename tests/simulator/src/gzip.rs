//! Streams compressed as a whole, and flushed after each piece so that a client can read it when it comes.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use crate::event_stream::Piece;

/// Compresses the pieces, and the `rest` of the last one, which is not sent. What ends the compressed stream becomes a
/// piece of its own, if it `is_whole`.
pub(crate) fn compress(pieces: &mut Vec<Piece>, rest: &mut Vec<u8>, is_whole: bool) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for piece in &mut *pieces {
        piece.bytes = flushed(&mut encoder, &piece.bytes);
    }
    if is_whole {
        // It cannot fail, since the bytes go into memory.
        let end = encoder.finish().unwrap_or_default();
        pieces.push(Piece::unpaced(end, 0));
    } else if !rest.is_empty() {
        // A flush would produce bytes even without input.
        *rest = flushed(&mut encoder, rest);
    }
}

fn flushed(encoder: &mut GzEncoder<Vec<u8>>, bytes: &[u8]) -> Vec<u8> {
    let _ = encoder.write_all(bytes).and_then(|()| encoder.flush());
    std::mem::take(encoder.get_mut())
}
