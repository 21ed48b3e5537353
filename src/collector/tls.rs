//! TLS with rustls and ring: the roots of `webpki-roots`, or the box's own CA file.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::CollectorError;
use crate::config::CollectorConfig;

pub(super) fn config(config: &CollectorConfig) -> Result<ClientConfig, CollectorError> {
    let mut roots = RootCertStore::empty();
    match &config.ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let what = "collector.ca_file";
            for certificate in certificates(path, what)? {
                roots.add(certificate).map_err(|e| wrong(path, what, e.to_string()))?;
            }
        }
    }
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| CollectorError::Client(e.to_string()))?
            .with_root_certificates(roots);
    match (&config.client_cert_file, &config.client_key_file) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate, "collector.client_cert_file")?;
            let what = "collector.client_key_file";
            let key_der = PrivateKeyDer::from_pem_slice(&bytes(key, what)?)
                .map_err(|e| wrong(key, what, e.to_string()))?;
            builder
                .with_client_auth_cert(chain, key_der)
                .map_err(|e| wrong(key, what, e.to_string()))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn bytes(path: &Path, what: &'static str) -> Result<Vec<u8>, CollectorError> {
    std::fs::read(path).map_err(|source| CollectorError::File {
        what,
        path: path.to_owned(),
        source,
    })
}

fn certificates(
    path: &Path,
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, CollectorError> {
    let found = CertificateDer::pem_slice_iter(&bytes(path, what)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| wrong(path, what, e.to_string()))?;
    match found.is_empty() {
        true => Err(wrong(path, what, "no PEM block CERTIFICATE in it".into())),
        false => Ok(found),
    }
}

fn wrong(path: &Path, what: &'static str, why: String) -> CollectorError {
    CollectorError::Certificate { what, path: path.to_owned(), why }
}
