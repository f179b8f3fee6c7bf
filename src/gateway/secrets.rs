//! Secrets in requests: sealed for the gateway's key, or by the name of a file. They are put in place before a request is looked at.
//!
//! What must stay true: a secret that was sealed for one station is good for no other; no error and no log says anything of a secret; a
//! file is read from the configured folder alone, and only if others may not.
//!
//! # Files
//!
//! `seal-key` in the journal's folder: the private key, 32 bytes, mode 0600, made at the first start with `[command] enabled`.
//! `seal-key.pub`: its public half in base64 and a line end, mode 0644. Sealed: an X25519 sealed box (NaCl crypto_box_seal) of MN, a
//! line end and the secret, in base64.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crypto_box::aead::OsRng;
use crypto_box::{PublicKey, SecretKey};
use data_encoding::BASE64;
use serde_json::Value;
use zeroize::Zeroizing;

use hj212::sm4::Key;
use hj212_downlink::Refusal;
use hj212_downlink::is_id;

const PRIVATE: &str = "seal-key";
const PUBLIC: &str = "seal-key.pub";
/// The longest sealed value in characters, and the longest secret in a file in bytes.
const SEALED_MAX: usize = 1024;
const FILE_MAX: u64 = 256;
/// The parameters that are secrets.
const SECRETS: [&str; 2] = ["NewPW", "NewSK"];

/// What opens sealed secrets, and where secrets in files are.
pub struct Secrets {
    key: SecretKey,
    folder: PathBuf,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// A request with its secrets in place.
pub(super) struct Resolved {
    pub(super) body: Zeroizing<Vec<u8>>,
    /// A key that the request gives (`NewSK`); it is in the body no more.
    pub(super) key: Option<Key>,
    /// Whether a secret came sealed or from a file.
    pub(super) hidden: bool,
}

impl Secrets {
    /// The gateway's key from `dir`, made if there is none; secrets in files are in `folder` (empty: nowhere).
    ///
    /// # Errors
    /// If the key can be neither read nor written.
    pub fn open(dir: &Path, folder: &Path) -> std::io::Result<Secrets> {
        let path = dir.join(PRIVATE);
        let key = match std::fs::read(&path) {
            Ok(bytes) => {
                let bytes = Zeroizing::new(bytes);
                let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| {
                    std::io::Error::other(format!("{} does not hold a key of 32 bytes", path.display()))
                })?;
                SecretKey::from_bytes(bytes)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = SecretKey::generate(&mut OsRng);
                let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
                file.write_all(Zeroizing::new(key.to_bytes()).as_slice())?;
                file.sync_all()?;
                key
            }
            Err(error) => return Err(error),
        };
        let public = BASE64.encode(key.public_key().as_bytes()) + "\n";
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(dir.join(PUBLIC))?;
        file.write_all(public.as_bytes())?;
        Ok(Secrets { key, folder: folder.to_owned() })
    }

    /// The public key in base64.
    #[must_use]
    pub fn public(&self) -> String {
        BASE64.encode(self.key.public_key().as_bytes())
    }

    /// Puts the secrets of a request to `mn` in place; `None` if it has none in these forms.
    ///
    /// # Errors
    /// A refusal if one cannot be opened.
    pub(super) fn resolve(&self, mn: &str, body: &[u8]) -> Result<Option<Resolved>, Refusal> {
        // What is no JSON object is refused by whoever reads it.
        let Ok(Value::Object(mut request)) = serde_json::from_slice(body) else { return Ok(None) };
        let Some(Value::Object(parameters)) = request.get_mut("parameters") else { return Ok(None) };
        let (mut hidden, mut found) = (false, false);
        for name in SECRETS {
            let Some(value) = parameters.get_mut(name) else { continue };
            found = true;
            if let Value::Object(form) = value {
                hidden = true;
                *value = Value::from(self.reveal(mn, form)?.as_str());
            }
        }
        if !found {
            return Ok(None);
        }
        let mut key = None;
        if let Some(given) = parameters.remove("NewSK") {
            key = Some(given.as_str().and_then(|text| Key::from_text(text).ok()).ok_or(Refusal::ParameterValue)?);
        }
        let body = Zeroizing::new(serde_json::to_vec(&request).map_err(|_| Refusal::Json)?);
        Ok(Some(Resolved { body, key, hidden }))
    }

    fn reveal(&self, mn: &str, form: &serde_json::Map<String, Value>) -> Result<Zeroizing<String>, Refusal> {
        let of = |name: &str| form.get(name).and_then(Value::as_str).filter(|_| form.len() == 1);
        match (of("sealed"), of("file")) {
            (Some(sealed), _) => self.unseal(mn, sealed),
            (_, Some(name)) => self.read(name),
            _ => None,
        }
        .ok_or(Refusal::SecretUnreadable)
    }

    fn unseal(&self, mn: &str, sealed: &str) -> Option<Zeroizing<String>> {
        let bytes = Some(sealed).filter(|text| text.len() <= SEALED_MAX)?;
        let plain = Zeroizing::new(self.key.unseal(&BASE64.decode(bytes.as_bytes()).ok()?).ok()?);
        let (whose, secret) = std::str::from_utf8(&plain).ok()?.split_once('\n')?;
        (whose == mn).then(|| Zeroizing::new(secret.to_owned()))
    }

    fn read(&self, name: &str) -> Option<Zeroizing<String>> {
        let plain = is_id(name) && !name.starts_with('.') && !self.folder.as_os_str().is_empty();
        let path = Some(self.folder.join(name)).filter(|_| plain)?;
        let about = std::fs::symlink_metadata(&path).ok()?;
        // A group of its own may read it: so root keeps the file and the service reads it.
        if !about.is_file() || about.len() > FILE_MAX || about.permissions().mode() & 0o037 != 0 {
            return None;
        }
        let text = Zeroizing::new(std::fs::read_to_string(&path).ok()?);
        Some(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

/// Seals a secret for a station under the gateway's public key (base64). `None` if that is no key.
#[must_use]
pub fn seal(public: &str, mn: &str, secret: &str) -> Option<String> {
    let bytes: [u8; 32] = BASE64.decode(public.trim().as_bytes()).ok()?.try_into().ok()?;
    let plain = Zeroizing::new(format!("{mn}\n{secret}").into_bytes());
    PublicKey::from(bytes).seal(&mut OsRng, &plain).ok().map(|sealed| BASE64.encode(&sealed))
}

/// The gateway's public key from its journal's folder.
#[must_use]
pub fn public_key(dir: &Path) -> Option<String> {
    std::fs::read_to_string(dir.join(PUBLIC)).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(resolved: &Resolved) -> Value {
        serde_json::from_slice::<Value>(&resolved.body).unwrap()["parameters"].take()
    }

    #[test]
    fn a_sealed_secret_is_opened_for_its_station_alone_and_the_key_stays() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(dir.path(), Path::new("")).unwrap();
        let again = Secrets::open(dir.path(), Path::new("")).unwrap();
        assert_eq!(secrets.public(), again.public());
        assert_eq!(public_key(dir.path()), Some(secrets.public()));
        let mode = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(PRIVATE), 0o600);
        let sealed = seal(&secrets.public(), "A1", "654321").unwrap();
        let body = format!(
            r#"{{"command":"set-password","author":"li","why":"x","parameters":{{"NewPW":{{"sealed":"{sealed}"}}}}}}"#
        );
        let resolved = again.resolve("A1", body.as_bytes()).unwrap().unwrap();
        assert!(resolved.hidden);
        assert_eq!(parameters(&resolved)["NewPW"], "654321");
        assert_eq!(again.resolve("A2", body.as_bytes()).err(), Some(Refusal::SecretUnreadable));
        let torn = body.replace(&sealed[..4], "AAAA");
        assert_eq!(again.resolve("A1", torn.as_bytes()).err(), Some(Refusal::SecretUnreadable));
    }

    #[test]
    fn a_secret_in_a_file_is_read_from_the_folder_alone_and_only_if_others_may_not() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("secrets");
        std::fs::create_dir(&folder).unwrap();
        let secrets = Secrets::open(dir.path(), &folder).unwrap();
        let write = |name: &str, mode: u32| {
            std::fs::write(folder.join(name), "abc123\n").unwrap();
            std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        write("good", 0o600);
        write("open", 0o644);
        let ask = |name: &str| {
            let body = format!(r#"{{"parameters":{{"NewPW":{{"file":"{name}"}}}}}}"#);
            secrets.resolve("A1", body.as_bytes()).map(|resolved| parameters(&resolved.unwrap())["NewPW"].clone())
        };
        assert_eq!(ask("good"), Ok("abc123".into()));
        for name in ["open", "missing", "../seal-key", "..", "/etc/passwd", ""] {
            assert_eq!(ask(name), Err(Refusal::SecretUnreadable), "{name}");
        }
        let none = Secrets::open(dir.path(), Path::new("")).unwrap();
        assert!(none.resolve("A1", br#"{"parameters":{"NewPW":{"file":"good"}}}"#).is_err());
    }

    #[test]
    fn a_key_is_taken_out_of_its_request() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(dir.path(), Path::new("")).unwrap();
        let sealed = seal(&secrets.public(), "A1", "0123456789abcdef").unwrap();
        let body = format!(r#"{{"command":"set-key","parameters":{{"NewSK":{{"sealed":"{sealed}"}}}}}}"#);
        let resolved = secrets.resolve("A1", body.as_bytes()).unwrap().unwrap();
        assert_eq!(resolved.key, Some(Key::from_text("0123456789abcdef").unwrap()));
        assert!(!String::from_utf8_lossy(&resolved.body).contains("0123456789abcdef"));
        assert!(secrets.resolve("A1", br#"{"command":"get-time"}"#).unwrap().is_none());
    }
}
