//! TLS of the bench collector: an authority of its own, and what the server presents.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;

/// What is expected of a certificate that was made here a moment ago.
const MADE_HERE: &str = "what was made here is usable";

/// A certificate and its private key, as PEM texts.
#[derive(Debug, Clone)]
pub struct Identity {
    certificate: String,
    key: String,
}

impl Identity {
    /// A server that vouches for itself, for the host names and addresses in `hosts`.
    pub fn self_signed(hosts: &[&str]) -> Identity {
        let key = new_key();
        let certificate = server_params(hosts).self_signed(&key).expect(MADE_HERE);
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// The certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The private key, PEM (PKCS #8).
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// A certificate authority. Its certificate is what a client takes as `collector.ca_file`.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

impl Authority {
    /// An authority with a new key. No two have the same name.
    pub fn new() -> Authority {
        Authority::of_key(new_key())
    }

    fn of_key(key: KeyPair) -> Authority {
        let params = authority_params(&key);
        let certificate = params.self_signed(&key).expect(MADE_HERE).pem();
        Authority { issuer: Issuer::new(params, key), certificate }
    }

    /// The authority with this key, with a new certificate. A client that trusts an older certificate
    /// of the same authority trusts what this one issues.
    ///
    /// Errors: a sentence that says what is wrong with the key.
    pub fn from_key(key: &str) -> Result<Authority, String> {
        let key = KeyPair::from_pem(key)
            .map_err(|e| format!("expected a private key as PEM (PKCS #8): {e}"))?;
        Ok(Authority::of_key(key))
    }

    /// Checks that `certificate`, PEM, is one of this authority.
    ///
    /// Errors: a sentence that says what is wrong with it.
    pub fn check_own(&self, certificate: &str) -> Result<(), String> {
        let issued = certificate_der(self.client("probe").certificate())?;
        verifier(certificate)?
            .verify_client_cert(&issued, &[], UnixTime::now())
            .map(|_| ())
            .map_err(|e| format!("it is not the certificate of the key beside it: {e}"))
    }

    /// Checks that a client certificate, PEM, was issued here and that `key` is its private key.
    ///
    /// Errors: a sentence that says what is wrong.
    pub fn check_client(&self, certificate: &str, key: &str) -> Result<(), String> {
        let chain = vec![certificate_der(certificate)?];
        verifier(&self.certificate)?
            .verify_client_cert(&chain[0], &[], UnixTime::now())
            .map_err(|e| format!("this authority has not issued it: {e}"))?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|e| format!("its key: expected a private key as PEM: {e}"))?;
        CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map(|_| ())
            .map_err(|e| format!("the key beside it is not its key: {e}"))
    }

    /// The certificate of the authority itself, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The private key of the authority, PEM (PKCS #8).
    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A server with these host names and addresses.
    pub fn server(&self, hosts: &[&str]) -> Identity {
        self.issue(server_params(hosts))
    }

    /// The same, and it has expired years ago.
    pub fn expired_server(&self, hosts: &[&str]) -> Identity {
        let mut params = server_params(hosts);
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.issue(params)
    }

    /// A client of this name.
    pub fn client(&self, name: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = called(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> Identity {
        let key = new_key();
        let certificate = params.signed_by(&key, &self.issuer).expect(MADE_HERE);
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// What a collector presents, and whether it asks for client certificates. Clones are the same one, so
/// that whoever keeps a clone can change it while the collector runs.
///
/// A change counts for new connections; one that is open ends after the answer that is under way, so
/// that every later request meets the new state.
#[derive(Debug, Clone)]
pub struct Tls(watch::Sender<Presented>);

/// What counts for a connection that comes in now.
#[derive(Debug, Clone)]
pub(super) struct Presented {
    identity: Identity,
    /// Whose client certificates are asked for: the authority's certificate, PEM.
    clients_of: Option<String>,
    pub config: Arc<ServerConfig>,
}

impl Presented {
    fn new(identity: Identity, clients_of: Option<String>) -> Presented {
        let config = Arc::new(server_config(&identity, clients_of.as_deref()));
        Presented { identity, clients_of, config }
    }
}

impl Tls {
    /// Presents `identity` to whoever comes.
    pub fn new(identity: Identity) -> Tls {
        Tls(watch::Sender::new(Presented::new(identity, None)))
    }

    /// Presents another certificate from now on.
    pub fn present(&self, identity: Identity) {
        self.0.send_modify(|now| *now = Presented::new(identity, now.clients_of.clone()));
    }

    /// Talks only to clients with a certificate of `authority` from now on; `None`: to all again.
    pub fn ask_for_clients_of(&self, authority: Option<&Authority>) {
        let certificate = authority.map(|authority| authority.certificate.clone());
        self.0.send_modify(|now| *now = Presented::new(now.identity.clone(), certificate));
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Presented> {
        self.0.subscribe()
    }
}

fn server_config(identity: &Identity, clients_of: Option<&str>) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3");
    let builder = match clients_of {
        None => builder.with_no_client_auth(),
        Some(authority) => builder.with_client_cert_verifier(verifier(authority).expect(MADE_HERE)),
    };
    let chain = vec![certificate_der(&identity.certificate).expect(MADE_HERE)];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect(MADE_HERE);
    builder.with_single_cert(chain, key).expect(MADE_HERE)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Checks client certificates against the one certificate of an authority.
fn verifier(authority: &str) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    roots
        .add(certificate_der(authority)?)
        .map_err(|e| format!("expected the certificate of an authority: {e}"))?;
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|e| e.to_string())
}

fn certificate_der(pem: &str) -> Result<CertificateDer<'static>, String> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|e| format!("expected a certificate as PEM: {e}"))
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("the system gives random numbers")
}

/// The authority's name comes from its key: a client that trusts another authority then says that it
/// does not know the issuer, and not that a signature is wrong.
fn authority_params(key: &KeyPair) -> CertificateParams {
    // The first byte tells the form of the key and is always the same.
    let number: String = key.public_key_raw().iter().skip(1).take(8).map(hexadecimal).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = called(&format!("playheadd bench authority {number}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn hexadecimal(byte: &u8) -> String {
    format!("{byte:02x}")
}

fn server_params(hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("host names are ASCII");
    params.distinguished_name = called("playheadd bench collector");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

fn called(name: &str) -> DistinguishedName {
    let mut full = DistinguishedName::new();
    full.push(DnType::CommonName, name);
    full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_the_same_one_again_by_its_key() {
        let authority = Authority::new();
        let again = Authority::from_key(&authority.key()).expect("its key");
        again.check_own(authority.certificate()).expect("its certificate");
        let client = again.client("box");
        authority.check_client(client.certificate(), client.key()).expect("its client");
    }

    #[test]
    fn what_belongs_to_another_authority_is_refused_with_a_reason() {
        let (ours, other) = (Authority::new(), Authority::new());
        let why = ours.check_own(other.certificate()).expect_err("another certificate");
        assert!(why.contains("not the certificate of the key"), "{why}");
        let client = other.client("box");
        let why = ours.check_client(client.certificate(), client.key()).expect_err("not ours");
        assert!(why.contains("has not issued it"), "{why}");
        let (one, two) = (ours.client("one"), ours.client("two"));
        let why = ours.check_client(one.certificate(), two.key()).expect_err("two pairs");
        assert!(why.contains("is not its key"), "{why}");
        let why = Authority::from_key("nonsense").expect_err("no key");
        assert!(why.contains("expected a private key as PEM"), "{why}");
        let why = ours.check_own("nonsense").expect_err("no certificate");
        assert!(why.contains("expected a certificate as PEM"), "{why}");
    }
}
