//! TLS with rustls and ring: the roots of `webpki-roots`, or the box's own CA file.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};

use super::CollectorError;
use super::files::{self, Key, Mistake};
use crate::config::CollectorConfig;

const CA_FILE: Key = Key("collector", "ca_file");
const CERTIFICATE: Key = Key("collector", "client_cert_file");
const KEY: Key = Key("collector", "client_key_file");

pub(super) fn config(config: &CollectorConfig) -> Result<ClientConfig, CollectorError> {
    let of_key = |mistake| CollectorError::of(config, mistake);
    let roots = match &config.ca_file {
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        Some(path) => authorities(path).map_err(of_key)?,
    };
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| CollectorError::Client(e.to_string()))?
            .with_root_certificates(roots);
    match (&config.client_cert_file, &config.client_key_file) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate, CERTIFICATE).map_err(of_key)?;
            let client = private_key(key).map_err(of_key)?;
            builder.with_client_auth_cert(chain, client).map_err(|e| of_key(unusable(KEY, key, e)))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// Looks at each file that is named. What the service alone can read is left to it.
pub(super) fn look(config: &CollectorConfig, into: &mut Vec<Mistake>) {
    if let Some(path) = files::named(&config.ca_file) {
        into.extend(authorities(path).err());
    }
    let certificate =
        files::named(&config.client_cert_file).map(|path| certificates(path, CERTIFICATE));
    let key = files::named(&config.client_key_file).map(|path| (private_key(path), path));
    match (certificate, key) {
        (Some(Ok(chain)), Some((Ok(key), path))) => into.extend(matching(chain, &key, path).err()),
        (certificate, key) => {
            into.extend(certificate.and_then(Result::err));
            into.extend(key.and_then(|(key, _)| key.err()));
        }
    }
}

/// Errors: the key is none that can be used, or that of another certificate.
fn matching(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
    path: &Path,
) -> Result<(), Mistake> {
    let key = rustls::crypto::ring::sign::any_supported_type(key);
    let key = key.map_err(|e| unusable(KEY, path, e))?;
    match CertifiedKey::new(chain, key).keys_match() {
        // Some keys do not tell.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(()),
        Err(error) => Err(unusable(KEY, path, error)),
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, Mistake> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, CA_FILE)? {
        roots.add(certificate).map_err(|e| unusable(CA_FILE, path, e))?;
    }
    Ok(roots)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Mistake> {
    PrivateKeyDer::from_pem_slice(&files::read(path, KEY)?).map_err(|e| unusable(KEY, path, e))
}

fn certificates(path: &Path, key: Key) -> Result<Vec<CertificateDer<'static>>, Mistake> {
    let found = CertificateDer::pem_slice_iter(&files::read(path, key)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| unusable(key, path, e))?;
    match found.is_empty() {
        true => Err(unusable(key, path, "no PEM block CERTIFICATE in it")),
        false => Ok(found),
    }
}

fn unusable(key: Key, path: &Path, why: impl std::fmt::Display) -> Mistake {
    (key, format!("{} holds no usable certificate or key: {why}", path.display()))
}
