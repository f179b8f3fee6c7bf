//! Certificates from files: what TLS needs of them, what is wrong with them in words that name the file, and when they end.
//!
//! What must stay true: nothing is accepted that rustls would not accept; a key is read and never printed; files are read anew for every
//! connection to the broker, and for stations at every reload, so that a repaired one needs no restart.

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, RootCertStore, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use hj212_model::message::Timestamp;

/// A file that is no use, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}: {remedy}", file.display())]
pub struct WrongFile {
    /// The file.
    pub file: PathBuf,
    /// What is wrong.
    pub what: String,
    /// What helps.
    pub remedy: &'static str,
}

/// `[mqtt.tls]`: there, the broker is spoken to in TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientFiles {
    /// PEM file of the authorities that may have signed the broker's certificate; left out: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// PEM file of our certificate, with those between it and its authority, if the broker wants one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// PEM file of its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// The name that the broker's certificate must bear; left out: the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// `tls` of a listener: stations speak TLS there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServerFiles {
    /// PEM file of the certificate, with those between it and its authority.
    pub certificate: PathBuf,
    /// PEM file of its key.
    pub key: PathBuf,
    /// PEM file of the authorities of which stations must show a certificate; left out: none is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

/// What TLS with the broker needs, and when our certificate ends (seconds since 1970), if we have one.
///
/// # Errors
/// The file that is no use.
pub fn client(files: &ClientFiles) -> Result<(Arc<ClientConfig>, Option<i64>), WrongFile> {
    let roots = match &files.ca {
        Some(file) => authorities(file)?,
        None => system_authorities(),
    };
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let no_roots = |error: &dyn std::fmt::Display| WrongFile {
        file: files.ca.clone().unwrap_or_else(|| "the system's authorities".into()),
        what: error.to_string(),
        remedy: "name a PEM file of the broker's authority as mqtt.tls.ca · 在 mqtt.tls.ca 写入 MQTT 服务的 CA 证书(PEM)",
    };
    let verifier = verifier.map_err(|error| no_roots(&error))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| no_roots(&error))?
        .with_webpki_verifier(verifier);
    let (Some(certificate), Some(key)) = (&files.certificate, &files.key) else {
        return Ok((Arc::new(builder.with_no_client_auth()), None));
    };
    let chain = chain(certificate)?;
    let ends = chain.first().and_then(|own| not_after(own));
    let config = builder.with_client_auth_cert(chain, private_key(key)?).map_err(|error| unfit(certificate, &error))?;
    Ok((Arc::new(config), ends))
}

/// All files of a client that are no use, not the first alone.
#[must_use]
pub fn wrong_client_files(files: &ClientFiles) -> Vec<WrongFile> {
    let Err(first) = client(files) else { return Vec::new() };
    let ca = files.ca.as_deref().and_then(|file| authorities(file).err());
    let certificate = files.certificate.as_deref().and_then(|file| chain(file).err());
    let key = files.key.as_deref().and_then(|file| private_key(file).err());
    all_or(first, [ca, certificate, key])
}

/// All files of a listener that are no use, not the first alone.
#[must_use]
pub fn wrong_server_files(files: &ServerFiles) -> Vec<WrongFile> {
    let Err(first) = server(files) else { return Vec::new() };
    let ca = files.client_ca.as_deref().and_then(|file| authorities(file).err());
    all_or(first, [chain(&files.certificate).err(), private_key(&files.key).err(), ca])
}

/// What is wrong with files by themselves, else with them together.
fn all_or(together: WrongFile, alone: [Option<WrongFile>; 3]) -> Vec<WrongFile> {
    let wrong: Vec<WrongFile> = alone.into_iter().flatten().collect();
    if wrong.is_empty() { vec![together] } else { wrong }
}

/// What TLS with stations needs, and when the certificate ends (seconds since 1970).
///
/// # Errors
/// The file that is no use.
pub fn server(files: &ServerFiles) -> Result<(Arc<ServerConfig>, Option<i64>), WrongFile> {
    let provider = Arc::new(ring::default_provider());
    let chain = chain(&files.certificate)?;
    let ends = chain.first().and_then(|own| not_after(own));
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unfit(&files.certificate, &error))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(file)?), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| WrongFile {
                file: file.clone(),
                what: error.to_string(),
                remedy: "write PEM certificates of authorities into it · 写入 CA 证书(PEM)",
            })?)
        }
    };
    let config =
        builder.with_single_cert(chain, private_key(&files.key)?).map_err(|error| unfit(&files.certificate, &error))?;
    Ok((Arc::new(config), ends))
}

/// When a certificate ends, seconds since 1970.
#[must_use]
pub fn not_after(certificate: &CertificateDer<'_>) -> Option<i64> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let ends = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    i64::try_from(ends.as_secs()).ok()
}

/// When the certificate ended that a handshake failed for, seconds since 1970; `None` if that was not the reason.
#[must_use]
pub fn expired_at(error: &std::io::Error) -> Option<i64> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    let Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) = error else { return None };
    i64::try_from(not_after.as_secs()).ok()
}

/// Why a handshake failed, in words that say whose certificate it is about and what helps; `whose`: the other side.
#[must_use]
#[allow(clippy::wildcard_enum_match_arm, reason = "rustls adds errors; each says what it is")]
pub fn explain(error: &std::io::Error, whose: &str) -> String {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return format!("{whose} ended the TLS handshake: {error} (does TLS listen on that port?)");
    };
    let day =
        |time: &UnixTime| Timestamp(i64::try_from(time.as_secs()).unwrap_or(0).saturating_mul(1_000_000)).to_rfc3339();
    match error {
        Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
            format!("the certificate of {whose} expired at {}: renew it there", day(not_after))
        }
        Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => {
            let from = day(not_before);
            format!("the certificate of {whose} is not valid before {from}: look at both clocks")
        }
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) => format!(
            "the certificate of {whose} is for {}, not for {}: set server_name or the right host",
            presented.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", "),
            expected.to_str()
        ),
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            format!(
                "the certificate of {whose} was signed by an authority that is not trusted here: name it as ca (of a listener: client_ca)"
            )
        }
        Error::InvalidCertificate(why) => format!("the certificate of {whose} is refused: {why}"),
        Error::AlertReceived(alert) => {
            format!("{whose} refused the TLS handshake ({alert:?}): it may want another client certificate")
        }
        other => format!("no TLS with {whose}: {other}"),
    }
}

/// A name as rustls shows it (`DnsName("broker.example")`), without what is around it.
fn plain(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

fn authorities(file: &Path) -> Result<RootCertStore, WrongFile> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(file)? {
        roots.add(certificate).map_err(|error| unfit(file, &error))?;
    }
    Ok(roots)
}

fn system_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::debug!(%error, "an authority of the system cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, WrongFile> {
    let wrong = |what: String| WrongFile {
        file: file.to_owned(),
        what,
        remedy: "write PEM certificates into it, readable by the gateway's user · 写入 PEM 证书,网关用户须能读取",
    };
    let read = CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
    let chain = read.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(error.to_string()))?;
    if chain.is_empty() { Err(wrong("it holds no certificate".into())) } else { Ok(chain) }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, WrongFile> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| WrongFile {
        file: file.to_owned(),
        what: error.to_string(),
        remedy: "write the PEM key of the certificate into it, readable by the gateway's user alone · 写入该证书的 PEM 私钥,仅网关用户可读",
    })
}

fn unfit(file: &Path, error: &dyn std::fmt::Display) -> WrongFile {
    WrongFile {
        file: file.to_owned(),
        what: error.to_string(),
        remedy: "check that certificate and key belong together · 检查证书与私钥是否配对",
    }
}
