//! Authorities and certificates, made for a test.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

/// An authority that signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate with its key, and the authority's, as files.
#[derive(Debug, Clone)]
pub struct Files {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A directory of files.
pub struct Pki {
    pub directory: TempDir,
    pub authority: Authority,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// One that another vouches for.
    pub fn below(&self, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }
}

impl Pki {
    pub fn new() -> Self {
        Self::named("authority")
    }

    pub fn named(authority: &str) -> Self {
        let pki = Self { directory: tempfile::tempdir().expect("a directory"), authority: Authority::new(authority) };
        std::fs::write(pki.path("ca.pem"), &pki.authority.pem).expect("written");
        pki
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate that is as it should be.
    pub fn files(&self, file: &str, names: &[&str]) -> Files {
        self.signed(file, names, &self.authority, |_| ())
    }

    /// A certificate that ended long ago.
    pub fn expired(&self, file: &str, names: &[&str]) -> Files {
        self.signed(file, names, &self.authority, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        })
    }

    pub fn signed(
        &self,
        file: &str,
        names: &[&str],
        authority: &Authority,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Files {
        self.signed_with(&KeyPair::generate().expect("a key"), file, names, authority, change)
    }

    /// One with an RSA key of 2048 bits.
    pub fn rsa(&self, file: &str, names: &[&str]) -> Files {
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key");
        self.signed_with(&key, file, names, &self.authority, |_| ())
    }

    fn signed_with(
        &self,
        key: &KeyPair,
        file: &str,
        names: &[&str],
        authority: &Authority,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Files {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("names");
        change(&mut params);
        let certificate = params.signed_by(key, &authority.issuer).expect("a certificate");
        let files = Files {
            ca: self.path("ca.pem"),
            certificate: self.path(&format!("{file}.pem")),
            key: self.path(&format!("{file}.key")),
        };
        write(&files.certificate, &certificate.pem());
        write(&files.key, &key.serialize_pem());
        files
    }

    /// A list that revokes a serial number.
    pub fn crl(&self, serial: u64) -> PathBuf {
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2090, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: date_time_ymd(2024, 1, 1),
                reason_code: Some(RevocationReason::KeyCompromise),
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.authority.issuer).expect("a list");
        let path = self.path("revoked.crl");
        write(&path, &list.pem().expect("PEM"));
        path
    }
}

impl Files {
    /// What a server's configuration says of them.
    pub fn table(&self) -> String {
        let Self { ca, certificate, key } = self;
        let (ca, certificate, key) = (ca.display(), certificate.display(), key.display());
        format!("[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\nclient-ca = \"{ca}\"\n")
    }

    /// The number that must stay secret, of an elliptic curve: without the public key, which is in the certificate too.
    pub fn secret(&self) -> Vec<u8> {
        let key = PrivateKeyDer::from_pem_file(&self.key).expect("a key");
        let der = key.secret_der();
        // ECPrivateKey (RFC 5915 section 3): version 1, then 32 octets.
        let start = der.windows(5).position(|octets| octets == [2, 1, 1, 4, 32]).expect("an elliptic curve") + 5;
        der[start..start + 32].to_vec()
    }

    /// Puts more behind the certificate in its file.
    pub fn add(&self, more: &[&str]) {
        let own = std::fs::read_to_string(&self.certificate).expect("it is there");
        write(&self.certificate, &[&[own.as_str()], more].concat().concat());
    }

    /// The options of the command line.
    pub fn options(&self) -> Vec<String> {
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        vec![
            "--tls".to_owned(),
            "--ca".to_owned(),
            text(&self.ca),
            "--cert".to_owned(),
            text(&self.certificate),
            "--key".to_owned(),
            text(&self.key),
        ]
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
}
