//! TLS (RFC 8446) without a socket: bytes go in, bytes come out. This room is the home of rustls.
//!
//! A session at rest owns no buffer: what came is decrypted at once, what is said is encrypted
//! into the caller's buffer, and only the beginning of a record whose rest is under way stays here.

mod authority;
mod identity;

use std::mem;

use rustls::Error;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError};

pub use authority::{Made, make};
pub use identity::{Files, Identity};

/// More than a record adds to the text in it: header, nonce, type, tag (RFC 5246 and 8446).
const RECORD_OVERHEAD: usize = 64;
/// The longest text of one record (RFC 8446, section 5.1).
const RECORD_TEXT_MAX: usize = 16 * 1024;

/// The server's side of one TLS connection.
pub struct Session {
    connection: UnbufferedServerConnection,
    /// The beginning of a record, or of a message in several, that has not come whole.
    incoming: Vec<u8>,
    /// The peer has said that no text follows.
    closed: bool,
    failed: Option<Error>,
}

/// What there is to say.
#[derive(Clone, Copy, Default)]
enum Speech<'t> {
    #[default]
    Nothing,
    Text(&'t [u8]),
    Goodbye,
}

impl Session {
    /// Takes bytes from the peer: appends what they say to `text`, and what TLS itself answers to
    /// `out`, which must be sent also where this fails (it tells the peer why).
    pub fn take(
        &mut self,
        bytes: &[u8],
        text: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.incoming.reserve_exact(bytes.len());
        self.incoming.extend_from_slice(bytes);
        self.turn(Speech::Nothing, text, out)
    }

    /// Appends a text to `out`, encrypted; only after the handshake.
    pub fn seal(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.turn(Speech::Text(text), &mut Vec::new(), out)
    }

    /// Appends the end of all texts to `out` (`close_notify`).
    pub fn close(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.turn(Speech::Goodbye, &mut Vec::new(), out)
    }

    /// The peer is not known to have the secrets yet.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// The peer has said that no text follows, or something has failed.
    pub fn is_over(&self) -> bool {
        self.closed || self.failed.is_some()
    }

    /// Bytes that wait here for the rest of their record.
    pub fn waiting(&self) -> usize {
        self.incoming.capacity()
    }

    fn turn(&mut self, speech: Speech, text: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut done = 0;
        let turned = self.run(speech, text, out, &mut done);
        self.failed = turned.clone().err();
        self.incoming.drain(..done);
        self.incoming.shrink_to_fit();
        turned
    }

    /// Lets rustls do all that it can do now, and counts the incoming bytes that are done with.
    /// After an error it may still have an alert to send.
    fn run(
        &mut self,
        mut speech: Speech,
        text: &mut Vec<u8>,
        out: &mut Vec<u8>,
        done: &mut usize,
    ) -> Result<(), Error> {
        let mut failed = None;
        loop {
            let status = self.connection.process_tls_records(&mut self.incoming[*done..]);
            *done += status.discard;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut records)) => {
                    while let Some(record) = records.next_record() {
                        let record = record?;
                        *done += record.discard;
                        text.extend_from_slice(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(out, 0, |room| match data.encode(room) {
                        Err(EncodeError::InsufficientSize(wrong)) => Err(Some(wrong.required_size)),
                        encoded => encoded.map_err(|_| None),
                    })?;
                    if failed.is_some() {
                        break;
                    }
                }
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed) => self.closed = true,
                Ok(ConnectionState::WriteTraffic(mut writer)) => match mem::take(&mut speech) {
                    Speech::Nothing => break,
                    Speech::Text(text) => {
                        let records = text.len() / RECORD_TEXT_MAX + 1;
                        let room = text.len() + records * RECORD_OVERHEAD;
                        append(out, room, |room| fitted(writer.encrypt(text, room)))?;
                    }
                    Speech::Goodbye => {
                        append(out, RECORD_OVERHEAD, |room| {
                            fitted(writer.queue_close_notify(room))
                        })?;
                    }
                },
                // It has queued an alert, which comes next. After that it must not be asked again.
                Err(error) if failed.is_none() => failed = Some(error),
                Ok(_) | Err(_) => break,
            }
        }
        match failed {
            Some(error) => Err(error),
            // Before the handshake is over, or after the end.
            None if !matches!(speech, Speech::Nothing) => Err(Error::HandshakeNotComplete),
            None => Ok(()),
        }
    }
}

/// How many bytes were written, or how many it takes.
fn fitted(encrypted: Result<usize, EncryptError>) -> Result<usize, Option<usize>> {
    encrypted.map_err(|error| match error {
        EncryptError::InsufficientSize(wrong) => Some(wrong.required_size),
        EncryptError::EncryptExhausted => None,
    })
}

/// Appends what `write` writes into so much room, or into as much as it then asks for; returns an
/// error where it can never be written.
fn append(
    out: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), Error> {
    let start = out.len();
    out.resize(start + room, 0);
    let mut written = write(&mut out[start..]);
    if let Err(Some(needed)) = written {
        out.resize(start + needed, 0);
        written = write(&mut out[start..]);
    }
    out.truncate(start + written.unwrap_or(0));
    written.map(drop).map_err(|_| Error::EncryptError)
}

/// A session whose handshake is over, for the tests of other rooms.
#[cfg(test)]
pub(crate) fn session_for_a_test() -> Session {
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::ring};
    use std::sync::Arc;

    let folder = tempfile::tempdir().unwrap();
    let made = make(folder.path(), &["shop.local".to_owned()]).unwrap();
    let mut session = Identity::load(&made.files).unwrap().session().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(made.authority).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("shop.local").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    while session.is_handshaking() {
        let (mut sent, mut text, mut out) = (Vec::new(), Vec::new(), Vec::new());
        client.write_tls(&mut sent).unwrap();
        session.take(&sent, &mut text, &mut out).unwrap();
        client.read_tls(&mut &out[..]).unwrap();
        client.process_new_packets().unwrap();
    }
    session
}
