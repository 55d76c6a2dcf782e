use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use super::Ending;

/// Arguments of `certificates`.
#[derive(Debug, Args)]
pub(super) struct Certificates {
    /// Where to put them; files that are there already are never overwritten
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    /// A name or address that requestors know the server by; may be repeated
    #[arg(long, value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
    server: Vec<String>,
    /// A requestor, which gets a certificate with this name; may be repeated
    #[arg(long, value_name = "NAME", default_values = ["requestor"])]
    requestor: Vec<String>,
    /// For how many days they are good
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
}

/// Why there are no certificates.
type Failure = Box<dyn std::error::Error>;

/// From when to when certificates are good.
type Span = (Date, Date);

impl Certificates {
    pub(super) fn run(&self) -> Result<(), Ending> {
        if let Some(name) =
            self.requestor.iter().find(|name| name.contains('/') || ["ca", "server"].contains(&&***name))
        {
            return Err(Ending::Usage(format!(
                "a requestor cannot be named '{name}': that is the name of its files too"
            )));
        }
        self.make().map_err(|failure| Ending::Usage(format!("{}: {failure}", self.directory.display())))?;
        self.explain(&mut io::stdout().lock())?;
        Ok(())
    }

    fn make(&self) -> Result<(), Failure> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        // A clock may be behind.
        let span = (today.yesterday()?, today.checked_add(i64::from(self.days).days())?);

        let mut params = parameters(&[], "leasequery trial", span)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        write(&self.directory.join("ca.pem"), 0o644, &params.self_signed(&key)?.pem())?;
        // The key is kept nowhere: nobody can ever sign anything else with it.
        let authority = Issuer::new(params, key);

        self.sign("server", &self.server, ExtendedKeyUsagePurpose::ServerAuth, span, &authority)?;
        for name in &self.requestor {
            self.sign(name, std::slice::from_ref(name), ExtendedKeyUsagePurpose::ClientAuth, span, &authority)?;
        }
        Ok(())
    }

    fn sign(
        &self,
        file: &str,
        names: &[String],
        purpose: ExtendedKeyUsagePurpose,
        span: Span,
        authority: &Issuer<'_, KeyPair>,
    ) -> Result<(), Failure> {
        let mut params = parameters(names, file, span)?;
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, authority)?;
        write(&self.directory.join(format!("{file}.key")), 0o600, &key.serialize_pem())?;
        write(&self.directory.join(format!("{file}.pem")), 0o644, &certificate.pem())
    }

    /// Says how they are used.
    fn explain(&self, out: &mut impl Write) -> io::Result<()> {
        let directory = std::path::absolute(&self.directory)?;
        let directory = directory.display();
        writeln!(out, "# Good for {} days. The server's configuration:", self.days)?;
        writeln!(out, "[tls]")?;
        writeln!(out, "certificate = \"{directory}/server.pem\"")?;
        writeln!(out, "key = \"{directory}/server.key\"")?;
        writeln!(out, "client-ca = \"{directory}/ca.pem\"")?;
        for name in &self.requestor {
            writeln!(out, "\n# The [[requestor]] block of {name}, and how it asks:")?;
            writeln!(out, "# certificate-names = [\"{name}\"]")?;
            let files = format!("--ca {directory}/ca.pem --cert {directory}/{name}.pem --key {directory}/{name}.key");
            let server = self.server.first().map_or("SERVER", String::as_str);
            writeln!(out, "# leasequery bulk {server} --tls {files}")?;
        }
        Ok(())
    }
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
