//! Certificates for servers that speak TLS on this machine.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// An authority of its own, and the key of a server at 127.0.0.1 with the certificate that it has signed, in files.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// What clients trust, in PEM.
    pub authority: PathBuf,
    /// What the server has, in PEM.
    pub key_and_certificate: PathBuf,
}

/// Makes certificates in a folder.
pub fn certificates(folder: &Path) -> Certificates {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // A name of its own: a certificate whose issuer has its own name would be taken for its own issuer.
    params.distinguished_name.push(DnType::CommonName, "the tests' authority");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    fs::create_dir_all(folder).unwrap();
    let [key_and_certificate, authority] = ["server.pem", "authority.pem"].map(|name| folder.join(name));
    fs::write(&key_and_certificate, key.serialize_pem() + &server.pem()).unwrap();
    fs::write(&authority, issuer.pem()).unwrap();
    Certificates { authority, key_and_certificate }
}
