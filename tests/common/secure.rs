//! A server with TLS, and clients that trust only its authority: curl, and rustls with a WebSocket
//! on it.

use super::{Answer, PATIENCE, Server, Socket, run};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

/// A TLS connection with the same limits on waiting as any other.
pub(crate) type Secure = StreamOwned<ClientConnection, TcpStream>;

/// The files that `tillcast cert` made.
pub(crate) struct Keys {
    folder: TempDir,
}

impl Keys {
    pub(crate) fn make() -> Self {
        Self::make_for(&[])
    }

    /// Like `make`, with more flags, such as another name.
    pub(crate) fn make_for(flags: &[&str]) -> Self {
        let keys = Self { folder: tempfile::tempdir().unwrap() };
        keys.renew_with(flags);
        keys
    }

    /// Runs `tillcast cert` again; returns its output.
    pub(crate) fn renew(&self) -> String {
        self.renew_with(&[])
    }

    /// The same with more flags.
    pub(crate) fn renew_with(&self, flags: &[&str]) -> String {
        let folder = self.folder.path();
        let dir = ["cert", "--dir", folder.to_str().unwrap()];
        let output = run(&[&dir[..], flags].concat(), &[], folder);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// `ca.pem`, `cert.pem` or `key.pem`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    /// A server with this certificate.
    pub(crate) fn server(&self, flags: &[&str]) -> Server {
        let (cert, key) = (self.text("cert.pem"), self.text("key.pem"));
        Server::with(&[&["--tls-cert", &cert, "--tls-key", &key], flags].concat())
    }

    /// The response that curl gets for a path; it trusts only the authority.
    #[track_caller]
    pub(crate) fn curl(&self, address: SocketAddr, path: &str, arguments: &[&str]) -> Answer {
        let authority = self.text("ca.pem");
        let url = format!("https://localhost:{}{path}", address.port());
        curl(&[&["--cacert", &authority, &url], arguments].concat())
    }

    /// The session cookie of the administrator.
    #[track_caller]
    pub(crate) fn log_in(&self, server: &Server) -> String {
        self.log_in_answer(server).session_cookie()
    }

    /// The response to the administrator's login.
    #[track_caller]
    pub(crate) fn log_in_answer(&self, server: &Server) -> Answer {
        let password = server.admin_password();
        let body = format!(r#"{{"username":"admin","password":"{password}"}}"#);
        let json = ["-H", "content-type: application/json", "-d", &body];
        self.curl(server.address(), "/api/auth/login", &json).expect(200)
    }

    /// Sends a request with a JSON body over HTTPS.
    #[track_caller]
    pub(crate) fn send(
        &self,
        server: &Server,
        cookie: &str,
        [method, path, body]: [&str; 3],
    ) -> Answer {
        let cookie = format!("cookie: {cookie}");
        let json =
            ["-X", method, "-H", &cookie, "-H", "content-type: application/json", "-d", body];
        self.curl(server.address(), path, &json)
    }

    /// A connection on which the handshake has not begun.
    pub(crate) fn over(&self, stream: TcpStream) -> Secure {
        Self::over_as(stream, &self.client())
    }

    /// Like `over`, for a client that may have a TLS session to resume.
    pub(crate) fn over_as(stream: TcpStream, client: &Arc<ClientConfig>) -> Secure {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(2 * PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(Arc::clone(client), name).unwrap(), stream)
    }

    /// A client without a TLS session to resume.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        self.client_of(rustls::DEFAULT_VERSIONS)
    }

    /// Like `client`, with these versions of TLS only.
    pub(crate) fn client_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.file("ca.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }

    /// A WebSocket over TLS, past its `connected` message.
    #[track_caller]
    pub(crate) fn ws(&self, address: SocketAddr, cookie: &str) -> Socket<Secure> {
        self.ws_over(TcpStream::connect(address).unwrap(), address, cookie)
    }

    /// Like `ws`, on a connection that the test made itself.
    #[track_caller]
    pub(crate) fn ws_over(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        cookie: &str,
    ) -> Socket<Secure> {
        let socket = Socket::over_stream(self.over(stream), address, Some(cookie), &[]);
        let mut socket = socket.expect("the server upgrades");
        assert_eq!(socket.recv()["type"], "connected");
        socket
    }
}

/// Runs curl (a Debian package of `tests/run`); returns the response.
#[track_caller]
pub(crate) fn curl(arguments: &[&str]) -> Answer {
    let mut command = Command::new("curl");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.args(["-q", "-sS", "-i", "--http1.1", "--noproxy", "*", "--max-time", "20"]);
    let output = command.args(arguments).stdin(Stdio::null()).output().expect("curl is installed");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "curl {arguments:?}: {complaint}");
    answer(&output.stdout)
}

fn answer(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let (status, lines) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.split("\r\n").filter_map(|line| line.split_once(": ")) {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    Answer { status, headers, body: bytes[end + 4..].to_vec() }
}

/// The certificate that a server presents, valid or not.
pub(crate) fn shown_certificate(mut stream: Secure) -> CertificateDer<'static> {
    stream.conn.complete_io(&mut stream.sock).unwrap();
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

/// The certificate in a file.
pub(crate) fn certificate_in(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).unwrap()
}
