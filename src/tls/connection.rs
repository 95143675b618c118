//! The server's side of one TLS connection: bytes in, bytes out, no socket.
//!
//! A connection at rest owns no buffer: received records are decrypted at once, sent text is encrypted
//! into the caller's buffer, and only the beginning of a record that has not arrived whole stays here.

use std::mem;

use rustls::Error;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError};

/// Upper bound of what a record adds to its text: header, nonce, type, tag (RFC 5246 and 8446).
const RECORD_OVERHEAD: usize = 64;
/// The longest text of one record (RFC 8446, section 5.1).
const RECORD_TEXT_MAX: usize = 16 * 1024;

/// The server's side of one TLS connection.
pub struct TlsConnection {
    connection: UnbufferedServerConnection,
    /// The beginning of a record, or of a fragmented message, whose rest has not arrived.
    incoming: Vec<u8>,
    /// Whether the peer has sent `close_notify`.
    peer_closed: bool,
    failure: Option<Error>,
}

/// Text, or the end of all text, on its way to the peer.
#[derive(Clone, Copy, Default)]
enum Outgoing<'t> {
    #[default]
    Nothing,
    Text(&'t [u8]),
    CloseNotify,
}

impl TlsConnection {
    pub(super) fn new(connection: UnbufferedServerConnection) -> Self {
        Self { connection, incoming: Vec::new(), peer_closed: false, failure: None }
    }

    /// Processes bytes from the peer: appends the decrypted text to `text`, and TLS's own replies to
    /// `out`, which must be sent even after an error, because it holds the alert.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        text: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.incoming.reserve_exact(bytes.len());
        self.incoming.extend_from_slice(bytes);
        self.process(Outgoing::Nothing, text, out)
    }

    /// Appends the records of a text to `out`.
    ///
    /// # Errors
    /// `HandshakeNotComplete` before the end of the handshake, or after `close`.
    pub fn encrypt(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.process(Outgoing::Text(text), &mut Vec::new(), out)
    }

    /// Appends `close_notify` to `out`; no text may follow.
    pub fn close(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.process(Outgoing::CloseNotify, &mut Vec::new(), out)
    }

    /// Whether the handshake is still under way.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether no more text can come: the peer has closed, or the connection has failed.
    pub fn is_closed(&self) -> bool {
        self.peer_closed || self.failure.is_some()
    }

    /// Bytes held here until the rest of their record arrives.
    pub fn buffered_bytes(&self) -> usize {
        self.incoming.capacity()
    }

    fn process(
        &mut self,
        outgoing: Outgoing,
        text: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        let mut consumed = 0;
        let processed = self.run(outgoing, text, out, &mut consumed);
        self.failure = processed.clone().err();
        self.incoming.drain(..consumed);
        self.incoming.shrink_to_fit();
        processed
    }

    /// Runs rustls until it needs more input, and counts the incoming bytes that it consumed. After an error,
    /// rustls may still have an alert to send.
    fn run(
        &mut self,
        mut outgoing: Outgoing,
        text: &mut Vec<u8>,
        out: &mut Vec<u8>,
        consumed: &mut usize,
    ) -> Result<(), Error> {
        let mut failure = None;
        loop {
            let status = self.connection.process_tls_records(&mut self.incoming[*consumed..]);
            *consumed += status.discard;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut records)) => {
                    while let Some(record) = records.next_record() {
                        let record = record?;
                        *consumed += record.discard;
                        text.extend_from_slice(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(out, 0, |buffer| match data.encode(buffer) {
                        Err(EncodeError::InsufficientSize(size)) => Err(Some(size.required_size)),
                        encoded => encoded.map_err(|_| None),
                    })?;
                    if failure.is_some() {
                        break;
                    }
                }
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed) => self.peer_closed = true,
                Ok(ConnectionState::WriteTraffic(mut writer)) => match mem::take(&mut outgoing) {
                    Outgoing::Nothing => break,
                    Outgoing::Text(text) => {
                        let records = text.len() / RECORD_TEXT_MAX + 1;
                        let size = text.len() + records * RECORD_OVERHEAD;
                        append(out, size, |buffer| written(writer.encrypt(text, buffer)))?;
                    }
                    Outgoing::CloseNotify => append(out, RECORD_OVERHEAD, |buffer| {
                        written(writer.queue_close_notify(buffer))
                    })?,
                },
                // The alert is queued and comes next; after it rustls must not be asked again.
                Err(error) if failure.is_none() => failure = Some(error),
                Ok(_) | Err(_) => break,
            }
        }
        match failure {
            Some(error) => Err(error),
            // Before the end of the handshake, or after `close_notify`.
            None if !matches!(outgoing, Outgoing::Nothing) => Err(Error::HandshakeNotComplete),
            None => Ok(()),
        }
    }
}

/// The number of bytes written. The error is the number of bytes needed, if a larger buffer would help.
fn written(encrypted: Result<usize, EncryptError>) -> Result<usize, Option<usize>> {
    encrypted.map_err(|error| match error {
        EncryptError::InsufficientSize(size) => Some(size.required_size),
        EncryptError::EncryptExhausted => None,
    })
}

/// Appends the output of `write`, which gets a buffer of `size` bytes, or a second one of the size that its
/// error names.
fn append(
    out: &mut Vec<u8>,
    size: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), Error> {
    let start = out.len();
    out.resize(start + size, 0);
    let mut written = write(&mut out[start..]);
    if let Err(Some(needed)) = written {
        out.resize(start + needed, 0);
        written = write(&mut out[start..]);
    }
    out.truncate(start + written.unwrap_or(0));
    match written {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::EncryptError),
    }
}
