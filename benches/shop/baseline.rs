//! The baseline: the least that tokio needs to write the same frames to the same subscribers, in a
//! process of its own, without a protocol beyond the frame, a shop or a log.

use std::io;

use tillcast::frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::common::Outcome;

/// The most frames that are written together.
const BATCH_MAX: usize = 1024;

enum News {
    Subscriber(TcpStream),
    Text(String),
}

/// Serves until it is killed.
pub(crate) fn serve() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        eprintln!("listening on {}", listener.local_addr()?);
        let (sender, receiver) = channel(BATCH_MAX);
        tokio::spawn(write(receiver));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(read(stream, sender.clone()));
        }
    })
}

/// Writes news to every subscriber, all waiting news in one piece.
async fn write(mut news: Receiver<News>) {
    let (mut batch, mut frames, mut subscribers) = (Vec::new(), Vec::new(), Vec::new());
    while news.recv_many(&mut batch, BATCH_MAX).await > 0 {
        frames.clear();
        for new in batch.drain(..) {
            match new {
                News::Subscriber(stream) => subscribers.push(stream),
                News::Text(text) => frame::put_text(&mut frames, &text),
            }
        }
        let mut at = 0;
        while at < subscribers.len() && !frames.is_empty() {
            match subscribers[at].write_all(&frames).await {
                Ok(()) => at += 1,
                Err(_) => drop(subscribers.swap_remove(at)),
            }
        }
    }
}

/// Reads requests: a `GET` with a key becomes a subscriber, the body of a `POST` is news.
async fn read(mut stream: TcpStream, news: Sender<News>) -> io::Result<()> {
    let mut request = Vec::with_capacity(1024);
    loop {
        let Some(head) = request.windows(4).position(|four| four == b"\r\n\r\n") else {
            if stream.read_buf(&mut request).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
        if text.contains("sec-websocket-key") {
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n")
                .await?;
            return news.send(News::Subscriber(stream)).await.map_err(io::Error::other);
        }
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let end = head + 4 + length.and_then(|length| length.parse().ok()).unwrap_or(0);
        while request.len() < end {
            stream.read_buf(&mut request).await?;
        }
        if text.starts_with("post") {
            let body = String::from_utf8_lossy(&request[head + 4..end]).into_owned();
            news.send(News::Text(body)).await.map_err(io::Error::other)?;
        }
        request.drain(..end);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await?;
        if text.contains("connection: close") {
            return Ok(());
        }
    }
}
