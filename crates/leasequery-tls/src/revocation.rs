//! Lists of revoked certificates, and in words what is wrong with them.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertRevocationListError, RootCertStore};

use super::{TlsError, files, provider};

type List = CertificateRevocationListDer<'static>;

/// Reads the lists in a file, each of which has to be one that can be used.
pub(super) fn lists(file: &Path, roots: &Arc<RootCertStore>) -> Result<Vec<List>, TlsError> {
    let lists = files::revocation_lists(file)?;
    for (nth, list) in lists.iter().enumerate() {
        let alone = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider());
        if let Err(VerifierBuilderError::InvalidCrl(problem)) = alone.with_crls([list.clone()]).build() {
            let which =
                if lists.len() > 1 { format!("list {} of {}", nth + 1, lists.len()) } else { "the list".to_owned() };
            return Err(TlsError::Bad(file.to_owned(), format!("{which} cannot be used: {}", reason(list, &problem))));
        }
    }
    Ok(lists)
}

/// Until when lists are up to date, as far as they say.
pub(super) fn next_updates(lists: &[List]) -> Vec<Timestamp> {
    lists.iter().filter_map(|list| fields(list)?.next_update).collect()
}

/// What should be known of lists that can be used: one that is past its next update still counts, and says nothing of what
/// was revoked since.
pub(super) fn outdated(file: &Path, updates: &[Timestamp], now: Timestamp) -> Vec<String> {
    let ended = updates.iter().filter(|end| **end < now);
    ended
        .map(|end| {
            format!(
                "{}: a list in it has been out of date since {end}: it says nothing of certificates that were revoked \
                 later; a new one would be right",
                file.display()
            )
        })
        .collect()
}

fn reason(list: &List, problem: &CertRevocationListError) -> String {
    use CertRevocationListError as E;
    let version_1 = fields(list).is_some_and(|fields| fields.version == 1);
    let text = match problem {
        _ if version_1 => {
            "it is of version 1, which has no place for what RFC 5280 requires; with openssl ca, add crlnumber or \
             crl_extensions to its configuration and make it anew"
        }
        E::UnsupportedCrlVersion => "it is not of version 2 (RFC 5280 section 5.1.2.1)",
        E::UnsupportedDeltaCrl => {
            "it is a delta list, which has only what was revoked since another one; a complete list would be right"
        }
        E::UnsupportedIndirectCrl => {
            "it tells of certificates of other authorities than its own; each has to have its list"
        }
        E::UnsupportedCriticalExtension => "it has a critical extension that is not known here",
        E::UnsupportedRevocationReason => "it has a reason for a revocation that RFC 5280 section 5.3.1 does not know",
        E::InvalidCrlNumber => "its number is none (RFC 5280 section 5.2.3)",
        E::InvalidRevokedCertSerialNumber => "a serial number in it is none (RFC 5280 section 4.1.2.2)",
        E::ParseError => "it is no list that RFC 5280 section 5 describes, or is damaged",
        problem => return format!("{problem:?}"),
    };
    text.to_owned()
}

/// What is said of a list here.
struct Fields {
    version: u8,
    next_update: Option<Timestamp>,
}

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Reads the beginning of a `CertificateList` (RFC 5280 section 5.1).
fn fields(list: &[u8]) -> Option<Fields> {
    let mut rest = list;
    let mut rest = element(&mut rest).filter(|(tag, _)| *tag == SEQUENCE)?.1;
    let mut rest = element(&mut rest).filter(|(tag, _)| *tag == SEQUENCE)?.1;
    let mut version = 1;
    let mut next = element(&mut rest)?;
    if next.0 == INTEGER {
        // Counted from 0.
        version = next.1.first()?.checked_add(1)?;
        next = element(&mut rest)?;
    }
    // The algorithm, the issuer, and when it was made.
    let (SEQUENCE, SEQUENCE) = (next.0, element(&mut rest)?.0) else { return None };
    time(element(&mut rest)?)?;
    Some(Fields { version, next_update: element(&mut rest).and_then(time) })
}

/// Takes an element of DER: its tag and its contents.
fn element<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&[tag, length], behind) = rest.split_first_chunk::<2>()?;
    let (length, behind) = match length {
        0..=0x7f => (usize::from(length), behind),
        0x81..=0x84 => {
            let (octets, behind) = behind.split_at_checked(usize::from(length & 0x7f))?;
            (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), behind)
        }
        _ => return None,
    };
    let (contents, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some((tag, contents))
}

/// A time; years of two digits are those from 1950 to 2049 (RFC 5280 section 4.1.2.5.1).
fn time((tag, contents): (u8, &[u8])) -> Option<Timestamp> {
    let text = str::from_utf8(contents).ok()?.strip_suffix('Z')?;
    let text = match tag {
        UTC_TIME => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%S", &text).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of nothing but its beginning.
    fn list(version: &[u8], update: &str) -> Vec<u8> {
        let wrap = |tag: u8, contents: &[u8]| [&[tag, u8::try_from(contents.len()).expect("short")], contents].concat();
        let tag = if update.len() == 13 { UTC_TIME } else { GENERALIZED_TIME };
        let times = [wrap(UTC_TIME, b"240101000000Z"), wrap(tag, update.as_bytes())].concat();
        let inner = [version, &wrap(SEQUENCE, &[5, 0]), &wrap(SEQUENCE, &[]), &times].concat();
        wrap(SEQUENCE, &wrap(SEQUENCE, &inner))
    }

    #[test]
    fn version_and_next_update_are_read() {
        for (update, expected) in [
            ("240201000000Z", "2024-02-01T00:00:00Z"),
            ("500201000000Z", "1950-02-01T00:00:00Z"),
            ("20900201000000Z", "2090-02-01T00:00:00Z"),
        ] {
            let found = fields(&list(&[INTEGER, 1, 1], update)).expect("a list");
            let next = found.next_update.map(|time| time.to_string());
            assert_eq!((found.version, next.as_deref()), (2, Some(expected)));
        }
        assert_eq!(fields(&list(&[], "240201000000Z")).expect("a list").version, 1);
        assert!(fields(&list(&[], "2402010000ab")).expect("a list").next_update.is_none());
    }

    #[test]
    fn whatever_it_is_the_reader_comes_to_an_end() {
        let whole = list(&[INTEGER, 1, 1], "240201000000Z");
        let mut random = fastrand::Rng::with_seed(5280);
        for _ in 0..20_000 {
            let mut damaged = whole.clone();
            let place = random.usize(..damaged.len());
            damaged[place] = random.u8(..);
            damaged.truncate(random.usize(..=damaged.len()));
            let _ = fields(&damaged);
        }
    }
}
