//! What a child says on its standard error: for the log, made harmless.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// Octets that are listened to; who goes on finds the pipe closed.
const MOST: u64 = 16 << 10;

/// Logs each line, without what a terminal or a journal could be fooled with.
pub(super) async fn log(kind: &'static str, id: u32, said: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(said.take(MOST)).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line: String = String::from_utf8_lossy(&line)
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        tracing::warn!("{kind} child {id}: {line}");
    }
}
