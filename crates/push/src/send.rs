//! One attempt: a request and its answer, or a mail.
//!
//! What must stay true: the host is the one of the configured address; nothing that the other side says leads to another; an answer is read up to
//! [`ANSWER_MAX`]; whatever happens, the attempt ends within [`ATTEMPT_MAX`]; where the address is a secret, no word of an answer is shown that could
//! repeat it.

use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::ServerAddress;
use super::form::{form, outcome, text, title};
use super::names::Names;
use super::queue::{Item, Outcome};
use super::settings::{Kind, Mail, Sink};
use super::{ANSWER_MAX, ATTEMPT_MAX};
use hj212_certificates::{self as certificates, ClientFiles};

/// Why an attempt failed, without any secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Trouble(pub String);

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What became of the message.
    pub outcome: Outcome,
    /// Why, if it was not taken.
    pub trouble: Option<Trouble>,
    /// How long the other side asked to be left alone (`Retry-After`, RFC 9110, 10.2.3), milliseconds.
    pub after: Option<i64>,
}

/// What the other side said.
struct ServerReply {
    outcome: Outcome,
    said: String,
    after: Option<i64>,
}

/// Tries to send `item` at `now` (milliseconds since 1970): what became of it, and why if it was not taken.
pub async fn send(sink: &Sink, item: &Item, names: &dyn Names, now: i64) -> Attempt {
    let attempt = async {
        match (sink.kind, &sink.mail) {
            (Kind::Mail, Some(mail)) => mailed(sink, mail, item, names).await,
            _ => posted(sink, item, names, now).await,
        }
    };
    match tokio::time::timeout(ATTEMPT_MAX, attempt).await {
        Ok(Ok(ServerReply { outcome: Outcome::Taken, .. })) => {
            Attempt { outcome: Outcome::Taken, trouble: None, after: None }
        }
        Ok(Ok(ServerReply { outcome, said, after })) => Attempt { outcome, trouble: Some(Trouble(said)), after },
        Ok(Err(trouble)) => away(trouble),
        Err(_) => away(Trouble(format!("no answer within {} s", ATTEMPT_MAX.as_secs()))),
    }
}

fn away(trouble: Trouble) -> Attempt {
    Attempt { outcome: Outcome::Away, trouble: Some(trouble), after: None }
}

/// A file's bytes, read beside the runtime.
async fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let file = file.to_path_buf();
    tokio::task::spawn_blocking(move || std::fs::read(file)).await.map_err(std::io::Error::other)?
}

/// The only line of a file.
async fn line(file: &Path) -> Result<Vec<u8>, Trouble> {
    if file.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    match read(file).await {
        Ok(text) => Ok(text.trim_ascii().to_vec()),
        Err(error) => Err(Trouble(format!("{}: {error}", file.display()))),
    }
}

fn trouble(what: &str) -> impl Fn(&dyn std::fmt::Display) -> Trouble + '_ {
    move |error| Trouble(format!("{what}: {error}"))
}

async fn posted(sink: &Sink, item: &Item, names: &dyn Names, now: i64) -> Result<ServerReply, Trouble> {
    let url = if sink.url.is_empty() {
        String::from_utf8(line(&sink.url_file).await?).map_err(|_| Trouble("the address is no text".into()))?
    } else {
        sink.url.clone()
    };
    let secret = line(&sink.secret_file).await?;
    let form = form(sink.kind, item, names, &secret, now);
    let address = ServerAddress::read(&url).map_err(|wrong| Trouble(wrong.to_owned()))?;
    let mut path = address.path;
    if !form.query.is_empty() {
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(&form.query);
    }
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, address.authority)
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::USER_AGENT, concat!("hj212-gateway/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close");
    for (name, value) in &form.headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(form.body))).map_err(|error| trouble("the request")(&error))?;
    let tcp = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(|error| trouble("cannot be reached")(&error))?;
    let answer = if address.tls {
        let files = ClientFiles { ca: sink.ca.clone(), ..ClientFiles::default() };
        let read = tokio::task::spawn_blocking(move || certificates::client(&files)).await;
        let (config, _) =
            read.map_err(|error| trouble("certificates")(&error))?.map_err(|wrong| trouble("certificates")(&wrong))?;
        let server = ServerName::try_from(address.host).map_err(|error| trouble("the host's name")(&error))?;
        let stream = TlsConnector::from(config).connect(server, tcp).await;
        exchanged(stream.map_err(|error| Trouble(certificates::explain(&error, "the server")))?, request).await?
    } else {
        exchanged(tcp, request).await?
    };
    let ServerAnswer { status, body, after } = answer;
    let said = if sink.url.is_empty() { said_beside(&url, &body) } else { begun(&String::from_utf8_lossy(&body)) };
    Ok(ServerReply { outcome: outcome(sink.kind, status, &body), said: format!("it answered {status}: {said}"), after })
}

/// The most that is shown of an answer, characters.
const SHOWN_MAX: usize = 200;

/// The beginning of what was answered.
fn begun(said: &str) -> String {
    said.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect()
}

/// What is shown of an answer to an address that is a secret: the code and the words of a robot, without anything of the address.
fn said_beside(url: &str, body: &[u8]) -> String {
    let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let member = |names: [&str; 2]| names.into_iter().find_map(|name| said.get(name));
    let code = member(["errcode", "code"]).and_then(serde_json::Value::as_i64);
    let words = member(["errmsg", "msg"]).and_then(serde_json::Value::as_str).unwrap_or_default();
    let parts = url.split(['/', '?', '&', '=']).filter(|part| part.len() >= 6);
    let words = parts.fold(words.to_owned(), |words, part| words.replace(part, "…"));
    code.map_or_else(|| "(not shown)".to_owned(), |code| format!("code {code} {}", begun(&words)))
}

/// What came back: of an answer that is too long or cut no body.
struct ServerAnswer {
    status: u16,
    body: Bytes,
    after: Option<i64>,
}

/// Sends the request and reads the answer.
async fn exchanged<S>(stream: S, request: Request<Full<Bytes>>) -> Result<ServerAnswer, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(ANSWER_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| trouble("the connection")(&error))?;
    // It ends with the exchange, or with this future.
    let talking = AbortOnDrop(tokio::spawn(connection));
    let answer = sender.send_request(request).await.map_err(|error| trouble("the exchange")(&error))?;
    let status = answer.status().as_u16();
    // A date instead of seconds says nothing that the back-off does not do by itself.
    let after =
        answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok());
    let after = after.filter(|seconds| *seconds >= 0).map(|seconds| seconds.saturating_mul(1000));
    let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
    drop(talking);
    // Of an answer that is too long or cut, the status counts, and of robots nothing.
    Ok(ServerAnswer { status, body: body.map(|body| body.to_bytes()).unwrap_or_default(), after })
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn mailed(sink: &Sink, mail: &Mail, item: &Item, names: &dyn Names) -> Result<ServerReply, Trouble> {
    let address = |text: &str| -> Result<Mailbox, Trouble> {
        text.parse().map_err(|_| Trouble(format!("{} is no address", text.escape_debug())))
    };
    let mut message = Message::builder().from(address(&mail.from)?).subject(title(item, names));
    for to in &mail.to {
        message = message.to(address(to)?);
    }
    let message = message.body(text(item, names)).map_err(|error| trouble("the mail")(&error))?;
    let mut parameters = TlsParameters::builder(mail.host.clone());
    if let Some(ca) = &sink.ca {
        let pem = read(ca).await.map_err(|error| trouble("ca")(&error))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| trouble("ca")(&error))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    let tls = match mail.security.as_str() {
        "none" => Tls::None,
        security => {
            let parameters = parameters.build_rustls().map_err(|error| trouble("TLS")(&error))?;
            if security == "tls" { Tls::Wrapper(parameters) } else { Tls::Required(parameters) }
        }
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.host)
        .port(mail.port)
        .tls(tls)
        .timeout(Some(ATTEMPT_MAX));
    if !mail.username.is_empty() {
        let password = String::from_utf8(line(&mail.password_file).await?)
            .map_err(|_| Trouble("the password is no text".into()))?;
        transport = transport.credentials(Credentials::new(mail.username.clone(), password));
    }
    let reply = |outcome, said| ServerReply { outcome, said, after: None };
    match transport.build().send(message).await {
        Ok(_) => Ok(reply(Outcome::Taken, String::new())),
        // A permanent answer to an address or a password may be put right any day: it counts as a refusal of this mail.
        Err(error) if error.is_permanent() => Ok(reply(Outcome::Refused, error.to_string())),
        Err(error) => Err(trouble("the mail server")(&error)),
    }
}
