//! Until when certificates are good, which is looked at every day.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use leasequery_live::registry::{Figure, Kind, Part, Registry, State, Value};
use leasequery_tls::{Client, OwnCertificate, Server, Urgency};
use tokio::time::MissedTickBehavior;
use tracing::{error, warn};

use crate::access::Access;
use crate::config::Source;

/// How often they are looked at.
const PERIOD: Duration = Duration::from_hours(24);

/// What was told last of a certificate: until when it is good, and how soon that is.
type Told = (Timestamp, Urgency);

/// What has been told of certificates that end soon, so that each step is told once.
#[derive(Debug, Default)]
struct Reminders(HashMap<PathBuf, Told>);

impl Reminders {
    /// What is to be told of a certificate now.
    fn of(&mut self, certificate: &OwnCertificate, now: Timestamp) -> Option<String> {
        let (urgency, text) = certificate.reminder(now)?;
        let told = (certificate.until(), urgency);
        (self.0.insert(certificate.file().to_owned(), told) != Some(told)).then_some(text)
    }
}

/// Tells in the registry of certificates, and in the log of those that end soon or cannot be used, now, every day, and when there are new ones.
pub(super) fn watch(mut access: Access, registry: Registry, sources: &[Source]) -> impl Future<Output = ()> + use<> {
    let clients: Vec<Client> = sources
        .iter()
        .filter_map(|source| match source {
            Source::Leasequery { tls, .. } => tls.clone(),
            _ => None,
        })
        .collect();
    async move {
        let mut reminders = Reminders::default();
        let mut parts = Vec::new();
        let mut due = tokio::time::interval(PERIOD);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !access.is_over() {
            tokio::select! {
                _ = due.tick() => {}
                () = access.news() => if !access.has_news() { continue },
            }
            if !access.is_over() {
                let server = access.permissions().tls.clone();
                let certificates = all(server.as_deref(), &clients);
                parts.clear();
                parts.extend(certificates.iter().map(|certificate| enter(&registry, certificate, Timestamp::now())));
                look(server.as_deref(), &certificates, &mut reminders, Timestamp::now());
            }
        }
    }
}

/// Those that are shown to somebody.
fn all(server: Option<&Server>, clients: &[Client]) -> Vec<OwnCertificate> {
    // A file that cannot be read is told of where it is needed.
    let clients = clients.iter().filter_map(|client| client.certificate().ok());
    server.map(|server| server.certificate().clone()).into_iter().chain(clients).collect()
}

/// Enters a certificate, as it is now.
fn enter(registry: &Registry, certificate: &OwnCertificate, now: Timestamp) -> Part {
    let part = registry.enter(Kind::Certificate, certificate.file().display().to_string(), None);
    match (certificate.fault(now), certificate.reminder(now)) {
        (Some(fault), _) => part.set(State::Down, fault),
        (None, Some((urgency, text))) if urgency >= Urgency::Week => part.set(State::Degraded, text),
        (None, _) => part.set(State::Well, ""),
    }
    let until = certificate.until();
    part.show(move || vec![Figure::new("until", "Until when it is valid", Value::Time(until))]);
    part
}

fn look(server: Option<&Server>, certificates: &[OwnCertificate], reminders: &mut Reminders, now: Timestamp) {
    for certificate in certificates {
        match certificate.fault(now) {
            Some(fault) => error!("{fault}"),
            None => {
                if let Some(reminder) = reminders.of(certificate, now) {
                    warn!("{reminder}");
                }
            }
        }
    }
    for list in server.map(|server| server.outdated(now)).into_iter().flatten() {
        warn!("{list}");
    }
}

/// Why a server's certificate does not take the place of another one: no peer would take it, and the one that is there is
/// good.
pub(super) fn fault_of_change(old: Option<&Server>, new: Option<&Server>) -> Option<String> {
    let now = Timestamp::now();
    let fault = |server: Option<&Server>| server?.certificate().fault(now);
    fault(new).filter(|_| fault(old).is_none())
}

#[cfg(test)]
mod tests {
    use leasequery_testing::pki::Pki;
    use rcgen::date_time_ymd;

    use super::*;

    /// A server whose certificate is good in a year.
    fn server(pki: &Pki, year: i32) -> Server {
        let files = pki.signed(&year.to_string(), &["a.example"], &pki.authority, |params| {
            (params.not_before, params.not_after) = (date_time_ymd(year, 1, 1), date_time_ymd(year, 12, 31));
        });
        Server::load(&files.certificate, &files.key, &files.ca, None).expect("the files are right")
    }

    #[test]
    fn each_step_towards_the_end_is_told_once() {
        let pki = Pki::new();
        let certificate = server(&pki, 2090).certificate().clone();
        let mut reminders = Reminders::default();
        let told = ["2090-11-30", "2090-12-02", "2090-12-03", "2090-12-24", "2090-12-25", "2090-12-30", "2091-01-01"]
            .map(|day| reminders.of(&certificate, format!("{day}T12:00:00Z").parse().expect("a time")).is_some());
        assert_eq!(told, [false, true, false, true, false, true, false]);
        // A new one is another matter.
        let renewed = server(&pki, 2091).certificate().clone();
        assert!(reminders.of(&renewed, "2091-12-30T12:00:00Z".parse().expect("a time")).is_some());
    }

    #[test]
    fn a_good_certificate_is_not_given_up_for_one_that_nobody_takes() {
        let pki = Pki::new();
        let files = pki.files("good", &["a.example"]);
        let good = Server::load(&files.certificate, &files.key, &files.ca, None).expect("the files are right");
        let (ended, later) = (server(&pki, 2020), server(&pki, 2090));
        let (good, ended, later) = (Some(&good), Some(&ended), Some(&later));
        for (old, new, refused) in [
            (good, ended, true),
            (good, later, true),
            (None, ended, true),
            (good, good, false),
            (good, None, false),
            // It is no worse than before.
            (ended, later, false),
            (ended, good, false),
        ] {
            assert_eq!(fault_of_change(old, new).is_some(), refused, "{old:?} {new:?}");
        }
    }
}
