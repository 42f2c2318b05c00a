//! TLS from the controller through the host: whom to trust is what the host would trust.

use std::{path::Path, sync::Arc};

use futures_util::future::BoxFuture;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};

use super::{HttpError, on_host::slurp};
use crate::{controller::executor::Turn, protocol::Failure};

/// Where systems keep the authorities they trust.
pub const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Gives the settings of TLS when a secure server is about to be talked to, not before: they cost a look at the host.
pub trait Trust: Sync {
    /// The settings.
    ///
    /// # Errors
    /// When certificates or keys cannot be used.
    fn settings(&self) -> BoxFuture<'_, Result<Arc<ClientConfig>, HttpError>>;
}

/// Trust as the host and the task's options have it.
pub struct HostTrust<'t> {
    /// The task on its host.
    pub turn: &'t Turn,
    /// Whether servers have to prove who they are.
    pub validate: bool,
    /// Certificates of authorities, instead of the host's.
    pub ca_path: Option<&'t Path>,
    /// A certificate to show.
    pub client_cert: Option<&'t Path>,
    /// Its key.
    pub client_key: Option<&'t Path>,
}

impl Trust for HostTrust<'_> {
    fn settings(&self) -> BoxFuture<'_, Result<Arc<ClientConfig>, HttpError>> {
        Box::pin(async move {
            let roots = if self.validate { Some(self.authorities().await?) } else { None };
            let identity = match self.client_cert {
                None => None,
                Some(path) => {
                    let certificate = self.needed(path).await?;
                    let key = match self.client_key {
                        Some(path) => self.needed(path).await?,
                        None => certificate.clone(),
                    };
                    Some((certificate, key))
                }
            };
            settings(
                roots.as_deref(),
                identity.as_ref().map(|(certificate, key)| (certificate.as_slice(), key.as_slice())),
            )
            .map(Arc::new)
        })
    }
}

impl HostTrust<'_> {
    async fn authorities(&self) -> Result<Vec<u8>, HttpError> {
        if let Some(path) = self.ca_path {
            return self.needed(path).await;
        }
        let named = self.turn.environment.get("SSL_CERT_FILE").map(String::as_str);
        for path in named.into_iter().chain(BUNDLES) {
            if let Ok(bundle) = self.slurp(Path::new(path)).await {
                return Ok(bundle);
            }
        }
        // A host without any certificates: what the controller trusts is the best that is known.
        BUNDLES.iter().find_map(|path| std::fs::read(path).ok()).ok_or_else(|| {
            HttpError::Certificates(
                "neither the host nor the controller has certificates of authorities (package ca-certificates)".into(),
            )
        })
    }

    async fn needed(&self, path: &Path) -> Result<Vec<u8>, HttpError> {
        self.slurp(path).await.map_err(|reason| HttpError::Certificates(format!("{}: {reason}", path.display())))
    }

    async fn slurp(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        slurp(self.turn, &path.to_string_lossy()).await
    }
}

/// Settings from PEM: authorities (none: anything is believed), and a certificate with its key to show.
///
/// # Errors
/// When they hold nothing of use.
pub fn settings(roots: Option<&[u8]>, identity: Option<(&[u8], &[u8])>) -> Result<ClientConfig, HttpError> {
    let bad = |what: &str, error: &dyn std::fmt::Display| HttpError::Certificates(format!("{what}: {error}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| bad("TLS", &error))?;
    let builder = match roots {
        None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
        Some(pem) => {
            let mut store = RootCertStore::empty();
            let certificates: Vec<CertificateDer<'static>> =
                CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
            let (added, _) = store.add_parsable_certificates(certificates);
            if added == 0 {
                return Err(HttpError::Certificates("the file of authorities holds no certificate in PEM".into()));
            }
            builder.with_root_certificates(store)
        }
    };
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_slice_iter(certificate)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| bad("client certificate", &error))?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| bad("client key", &error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| bad("client certificate", &error))
        }
    }
}

/// Believes every server (`validate_certs: false`); what is sent is still encrypted and whole.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
