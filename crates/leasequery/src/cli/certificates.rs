use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use leasequery_record::hex_text;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{Ending, help};
use crate::output::{Level, quoted, say};

/// Arguments of `certificates`.
#[derive(Debug, Args)]
#[command(after_long_help = help::CERTIFICATES)]
pub(super) struct Certificates {
    /// Where to put them; an authority that is there already makes further ones, and no file is ever overwritten
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    /// A name or address that requestors know the server by; may be repeated
    #[arg(long, value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
    server: Vec<String>,
    /// A requestor, which gets a certificate with this name; may be repeated
    #[arg(long, value_name = "NAME", default_values = ["requestor"])]
    requestor: Vec<String>,
    /// For how many days they are good
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
}

/// Why there are no certificates.
type Failure = Box<dyn std::error::Error>;

/// From when to when certificates are good.
type Span = (Date, Date);

/// For how many days the authority is good.
const AUTHORITY: u16 = 3650;

impl Certificates {
    pub(super) fn run(&self) -> Result<(), Ending> {
        if let Some(name) =
            self.requestor.iter().find(|name| name.contains('/') || ["ca", "server"].contains(&&***name))
        {
            return Err(Ending::Usage(format!(
                "a requestor cannot be named '{name}': that is the name of its files too"
            )));
        }
        let named = |failure| Ending::Usage(format!("{}: {failure}", self.directory.display()));
        if !self.make().map_err(named)? {
            return Err(Ending::Usage(format!(
                "{}: all of it is there already; --requestor NAME makes one for another requestor",
                self.directory.display()
            )));
        }
        self.explain(&mut io::stdout().lock())?;
        Ok(())
    }

    /// Makes what is not there yet. Says whether that is anything.
    fn make(&self) -> Result<bool, Failure> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let authority = self.authority()?;
        let span = span(self.days)?;
        let mut made = self.sign("server", &self.server, ExtendedKeyUsagePurpose::ServerAuth, span, &authority)?;
        for name in &self.requestor {
            let names = std::slice::from_ref(name);
            made |= self.sign(name, names, ExtendedKeyUsagePurpose::ClientAuth, span, &authority)?;
        }
        Ok(made)
    }

    /// The authority of this directory. Its name comes from its key, so that two of them are told apart, and the key is all
    /// that is needed to go on.
    fn authority(&self) -> Result<Issuer<'static, KeyPair>, Failure> {
        let (certificate, key) = (self.directory.join("ca.pem"), self.directory.join("ca.key"));
        let there = certificate.exists();
        let pair = match std::fs::read_to_string(&key) {
            Ok(text) if there => KeyPair::from_pem(&text).map_err(|error| format!("{}: {error}", key.display()))?,
            Ok(_) => return Err(format!("{}: there is no ca.pem beside it", key.display()).into()),
            Err(_) if there => {
                return Err(format!(
                    "{}: its key, ca.key, is not beside it, so it can make no more",
                    certificate.display()
                )
                .into());
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("{}: {error}", key.display()).into());
            }
            Err(_) => KeyPair::generate()?,
        };
        let public = pair.public_key_raw();
        let id = hex_text(&public[public.len().saturating_sub(4)..]);
        let name = format!("leasequery trial {id}");
        if there {
            let known = sole(&certificate)?;
            let has = |part: &[u8]| known.windows(part.len()).any(|window| window == part);
            if !has(public) || !has(name.as_bytes()) {
                return Err(format!("{}: it was not made here with the key beside it", certificate.display()).into());
            }
        }
        let mut params = parameters(&[], &name, span(AUTHORITY)?)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        if !there {
            write(&key, 0o600, &pair.serialize_pem())?;
            write(&certificate, 0o644, &params.self_signed(&pair)?.pem())?;
        }
        Ok(Issuer::new(params, pair))
    }

    /// Makes a certificate, unless it is there.
    fn sign(
        &self,
        file: &str,
        names: &[String],
        purpose: ExtendedKeyUsagePurpose,
        span: Span,
        authority: &Issuer<'_, KeyPair>,
    ) -> Result<bool, Failure> {
        let (certificate_file, key_file) = (format!("{file}.pem"), format!("{file}.key"));
        if self.directory.join(&certificate_file).exists() {
            say(Level::Note, format_args!("{certificate_file} is there already and stays as it is"));
            return Ok(false);
        }
        let mut params = parameters(names, file, span)?;
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, authority)?;
        write(&self.directory.join(key_file), 0o600, &key.serialize_pem())?;
        write(&self.directory.join(certificate_file), 0o644, &certificate.pem())?;
        Ok(true)
    }

    /// Says how they are used.
    fn explain(&self, out: &mut impl Write) -> io::Result<()> {
        let directory = std::path::absolute(&self.directory)?;
        let directory = directory.display();
        writeln!(out, "# The server's configuration; certificates made now are good for {} days:", self.days)?;
        writeln!(out, "[tls]")?;
        writeln!(out, "certificate = \"{directory}/server.pem\"")?;
        writeln!(out, "key = \"{directory}/server.key\"")?;
        writeln!(out, "client-ca = \"{directory}/ca.pem\"")?;
        for name in &self.requestor {
            writeln!(out, "\n# The [[requestor]] block of {name}, and how it asks:")?;
            writeln!(out, "# certificate-names = [\"{name}\"]")?;
            let files = format!("--ca {directory}/ca.pem --cert {directory}/{name}.pem --key {directory}/{name}.key");
            let server = self.server.first().map_or("SERVER", String::as_str);
            writeln!(out, "# leasequery bulk {} --tls {files}", quoted(server))?;
        }
        Ok(())
    }
}

/// From yesterday, because a clock may be behind, until some days from now.
fn span(days: u16) -> Result<Span, Failure> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    Ok((today.yesterday()?, today.checked_add(i64::from(days).days())?))
}

/// The octets of the certificate in a file.
fn sole(file: &Path) -> Result<Vec<u8>, Failure> {
    let certificate = CertificateDer::from_pem_file(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(certificate.to_vec())
}

fn parameters(names: &[String], common_name: &str, (from, to): Span) -> Result<CertificateParams, Failure> {
    let date = |date: Date| -> Result<_, Failure> {
        Ok(rcgen::date_time_ymd(date.year().into(), date.month().try_into()?, date.day().try_into()?))
    };
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    (params.not_before, params.not_after) = (date(from)?, date(to)?);
    Ok(params)
}

/// Writes a file that is not there yet.
fn write(path: &Path, mode: u32, content: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(|error| format!("{}: {error}", path.display()))?;
    file.write_all(content.as_bytes())?;
    Ok(())
}
