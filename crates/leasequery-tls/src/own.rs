//! The own certificate: what it is good for, and until when.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, DnsName, ServerName, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

use super::TlsError;

/// What is known of the certificate that this side shows, with those between it and its authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCertificate {
    file: PathBuf,
    spans: Vec<Span>,
    notes: Vec<String>,
}

/// From when to when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    since: Timestamp,
    until: Timestamp,
}

/// On which side of a connection it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Requestor,
}

/// How soon a certificate ends, each step worth a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Within 30 days.
    Month,
    /// Within 7 days.
    Week,
    /// Within a day.
    Day,
}

const URGENCIES: [(Urgency, i64); 3] = [(Urgency::Day, 1), (Urgency::Week, 7), (Urgency::Month, 30)];
/// Seconds of a day.
const DAY: i64 = 24 * HOUR;
const HOUR: i64 = 60 * 60;

impl OwnCertificate {
    /// Looks at the certificates in a file, the own one first. Fails if no peer that keeps to RFC 5280 would ever take it from
    /// this side.
    pub(super) fn of(file: &Path, chain: &[CertificateDer<'_>], side: Side) -> Result<Self, TlsError> {
        let bad = |text: String| TlsError::Bad(file.to_owned(), text);
        let parsed = chain.iter().map(EndEntityCert::try_from);
        let parsed = parsed.collect::<Result<Vec<_>, _>>().map_err(|error| bad(error.to_string()))?;
        let spans: Vec<_> = parsed.iter().map(span).collect();
        let mut notes = Vec::new();
        if let (Some(own), Some(span)) = (parsed.first(), spans.first()) {
            let usage = match side {
                Side::Server => KeyUsage::server_auth(),
                Side::Requestor => KeyUsage::client_auth(),
            };
            match verify(own, span.since, usage) {
                Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => {
                    return Err(bad(format!("the certificate is not for {side} (extended key usage)")));
                }
                Error::CaUsedAsEndEntity => notes.push(format!(
                    "{}: it is the certificate of an authority, and many peers do not take that for one of {side}",
                    file.display()
                )),
                _ => {}
            }
            if side == Side::Server && names(own) == 0 {
                let text = "the certificate has no name (subject alternative name), so requestors cannot tell that it is \
                            this server's";
                return Err(bad(text.to_owned()));
            }
        }
        Ok(Self { file: file.to_owned(), spans, notes })
    }

    /// The file that it is in.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Until when it is valid.
    pub fn until(&self) -> Timestamp {
        self.spans.first().map_or(Timestamp::MAX, |span| span.until)
    }

    /// Why no peer takes it at a time, if that is so.
    pub fn fault(&self, now: Timestamp) -> Option<String> {
        let (file, span) = (self.file.display(), self.spans.first()?);
        if now > span.until {
            Some(format!("{file}: the certificate ended at {}, and no peer takes it", span.until))
        } else if now < span.since {
            Some(format!("{file}: the certificate is not valid before {}, or the clock is wrong", span.since))
        } else {
            None
        }
    }

    /// How soon it ends, if that is worth a word, and the word.
    pub fn reminder(&self, now: Timestamp) -> Option<(Urgency, String)> {
        // That the own one has ended is a fault; of the others none may be needed.
        let (nth, span) = self
            .spans
            .iter()
            .enumerate()
            .filter(|(nth, span)| *nth > 0 || now <= span.until)
            .min_by_key(|(_, span)| span.until)?;
        let (file, until) = (self.file.display(), span.until);
        let which = if nth == 0 { "the certificate".to_owned() } else { format!("certificate {} in it", nth + 1) };
        let left = until.as_second().saturating_sub(now.as_second());
        if left < 0 {
            return Some((Urgency::Day, format!("{file}: {which} ended at {until}, and leads nowhere")));
        }
        let (urgency, _) = URGENCIES.into_iter().find(|(_, days)| left <= days * DAY)?;
        let hours = left / HOUR;
        let left = if hours < 48 { format!("{hours} hours") } else { format!("{} days", hours / 24) };
        Some((urgency, format!("{file}: {which} ends in {left}, at {until}")))
    }

    /// What should be looked at, whatever the time is.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "a server",
            Self::Requestor => "a requestor",
        })
    }
}

/// What stands against a certificate at a time. Nobody vouches for it here, so something always does, but this is said last.
fn verify(certificate: &EndEntityCert<'_>, at: Timestamp, usage: KeyUsage) -> Error {
    let at = u64::try_from(at.as_second()).unwrap_or(0);
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at));
    certificate.verify_for_usage(&[], &[], &[], at, usage, None, None).err().unwrap_or(Error::UnknownIssuer)
}

/// The time is judged first, so that at the beginning and at the end of all times it is what stands against it.
fn span(certificate: &EndEntityCert<'_>) -> Span {
    let timestamp = |time: UnixTime, otherwise| {
        i64::try_from(time.as_secs()).ok().and_then(|second| Timestamp::from_second(second).ok()).unwrap_or(otherwise)
    };
    let since = match verify(certificate, Timestamp::UNIX_EPOCH, KeyUsage::client_auth()) {
        Error::CertNotValidYet { not_before, .. } => timestamp(not_before, Timestamp::MIN),
        _ => Timestamp::MIN,
    };
    let until = match verify(certificate, Timestamp::MAX, KeyUsage::client_auth()) {
        Error::CertExpired { not_after, .. } => timestamp(not_after, Timestamp::MAX),
        _ => Timestamp::MAX,
    };
    Span { since, until }
}

/// How many names and addresses a certificate has.
fn names(certificate: &EndEntityCert<'_>) -> usize {
    // Of no certificate, so all that there are come back.
    let Ok(name) = DnsName::try_from("none.invalid") else { return 0 };
    match certificate.verify_is_valid_for_subject_name(&ServerName::DnsName(name)) {
        Ok(()) => 1,
        Err(Error::CertNotValidForName(context)) => context.presented.len(),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests;
